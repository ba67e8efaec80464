// Products of matrices in workgroup memory, by blocks of SIZE x SIZE that a subgroup
// multiplies at once (cooperative matrices: tensor cores, simdgroup matrices). Every
// matrix lies row by row and is made of whole blocks: operands in `operands`, sums in
// `sums`, of which the including shader says how many there are (OPERANDS, SUMS).
// Blocks are dealt out to the subgroups, whose number is known when it runs; each sum
// has one owner and one order.
//   F16       operands are f16; sums are f32
//   EMULATED  a block by SIZE lanes in plain loops, on any device: slow, for tests of
//             everything around it

#ifndef EMULATED
enable wgpu_cooperative_matrix;
#endif

#include "common/staged.wgsl"

// Which invocation this is.
struct Unit {
    @builtin(local_invocation_index) lane: u32,
#ifndef EMULATED
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
#endif
}

// Matrices of one size: where the first begins, from one row to the next, and from one
// matrix to the next.
struct Matrices {
    at: u32,
    row: u32,
    apart: u32,
}

var<workgroup> operands: array<Staged, OPERANDS>;
// Zeros to begin with, as WGSL has it.
var<workgroup> sums: array<f32, SUMS>;

// sums[c] += operands[a] operands[b] for one block and `terms` of the sum.
fn add_block(unit: Unit, c: u32, c_row: u32, a: u32, a_row: u32, b: u32, b_row: u32, terms: u32) {
#ifdef EMULATED
    let j = unit.lane % SIZE;
    for (var i = 0u; i < SIZE; i += 1u) {
        var sum = sums[c + i * c_row + j];
        for (var k = 0u; k < terms; k += 1u) {
            sum += f32(operands[a + i * a_row + k]) * f32(operands[b + k * b_row + j]);
        }
        sums[c + i * c_row + j] = sum;
    }
#else
    var sum = coopLoadT<coop_mat${SIZE}x${SIZE}<f32, C>>(&sums[c], c_row);
    for (var k = 0u; k < terms; k += SIZE) {
        let u = coopLoadT<coop_mat${SIZE}x${SIZE}<Staged, A>>(&operands[a + k], a_row);
        let v = coopLoadT<coop_mat${SIZE}x${SIZE}<Staged, B>>(&operands[b + k * b_row], b_row);
        sum = coopMultiplyAdd(u, v, sum);
    }
    coopStoreT(sum, &sums[c], c_row);
#endif
}

// sums[c] += operands[a] operands[b] for each of `count` matrices: c of size.x rows and
// size.y columns, sums of size.z terms. Barriers before and after are the caller's.
fn add_products(unit: Unit, count: u32, size: vec3u, c: Matrices, a: Matrices, b: Matrices) {
#ifdef EMULATED
    let team = unit.lane / SIZE;
    let teams = LANES / SIZE;
#else
    let team = unit.subgroup;
    let teams = max(unit.subgroups, 1u);
#endif
    let across = size.y / SIZE;
    let blocks = size.x / SIZE * across;
    for (var n = team; n < count * blocks; n += teams) {
        let matrix = n / blocks;
        let i = n % blocks / across * SIZE;
        let j = n % across * SIZE;
        add_block(unit, c.at + matrix * c.apart + i * c.row + j, c.row,
                  a.at + matrix * a.apart + i * a.row, a.row,
                  b.at + matrix * b.apart + j, b.row, size.z);
    }
}
