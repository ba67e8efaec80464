// matmul: c[i, j] = sum over k of a(i, k) b(k, j), + bias[j], then a pointwise tail.
// Both operands are addressed by strides, so transposes are free.
// Tile: 8 ROWS x COLUMNS results per invocation in registers (no workgroup memory:
// barriers are dear on software Vulkan); invocations lie 8 to a row of the workgroup,
// neighbours in neighbouring columns. With several pieces of k, workgroup z sums its own
// into `c[z, i, j]` and matmul/join adds the pieces in order.
//   SUBGROUP     lanes load one row each and share it (subgroups of 8)
//   PAIRS        with SUBGROUP and UNROLL 2: a load brings two neighbours, of the two terms
//                or, with LEFT_ROWS and RIGHT_COLUMNS, of two rows of a and two columns of
//                b. k, and those that come in pairs, are even
//   TILED        tiles in workgroup memory instead, for devices where that is quick
//                memory: 4 ROW_QUADS ROW_SIDE x 4 COLUMN_QUADS COLUMN_SIDE results per workgroup
//   COOPERATIVE  with TILED: by matrices of SIZE x SIZE that a subgroup multiplies at once
//   F16          with TILED: operands staged as f16

#include "common/epilogue.wgsl"

struct Params {
    m: u32,
    n: u32,
    k: u32,
    a_i: u32, // strides of a and b in elements
    a_k: u32,
    b_k: u32,
    b_j: u32,
    piece: u32,    // terms of k in each piece
    has_bias: u32, // only with one piece, like the tail
    tail: u32,     // EPILOGUE_*; only with one piece
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef PAIRS
@group(0) @binding(1) var<storage, read> a: array<vec2f>;      // [m, k / 2] or [k, m / 2]
@group(0) @binding(2) var<storage, read> b: array<vec2f>;      // [k, n / 2] or [n, k / 2]
#else
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [m, k] or [k, m]
@group(0) @binding(2) var<storage, read> b: array<f32>;        // [k, n] or [n, k]
#endif
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [n] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<f32>;     // [m, n] if the tail is a gate
@group(0) @binding(5) var<storage, read_write> c: array<f32>;  // [pieces of k, m, n]

// Where column j of a piece of the result begins.
fn result_at(piece: u32, j: u32) -> u32 {
    return piece * params.m * params.n + j;
}

// Stores the sum of row i and column j, which begins at `column`.
fn store(column: u32, i: u32, j: u32, sum: f32) {
    var value = sum;
    if params.has_bias == 1u {
        value += bias[j];
    }
    let at = column + i * params.n;
    if params.tail != 0u {
        var g = 0.0;
        if params.tail >= EPILOGUE_GATE {
            g = gate[at];
        }
        value = epilogue(params.tail, value, g);
    }
    c[at] = value;
}

#ifdef TILED
#ifdef COOPERATIVE
#include "common/cooperative_product.wgsl"
#else
#include "common/tiled_product.wgsl"
#endif

fn left_along_k() -> bool {
    return params.a_k == 1u;
}

fn right_along_k() -> bool {
    return params.b_k == 1u;
}

// Rows of a and columns of b are known by where they begin, terms by k.
fn left_lines(i: vec4u) -> vec4u {
    return i * params.a_i;
}

fn right_lines(j: vec4u) -> vec4u {
    return j * params.b_j;
}

fn term_of(k: u32) -> u32 {
    return k;
}

fn next_term(k: u32) -> u32 {
    return k + STEP;
}

fn left(lines: vec4u, k: u32) -> vec4f {
    let at = lines + k * params.a_k;
    return vec4f(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn right(lines: vec4u, k: u32) -> vec4f {
    let at = lines + k * params.b_k;
    return vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
#ifdef COOPERATIVE
        , @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32
#endif
) {
    let first = group.z * params.piece;
    let last = min(first + params.piece, params.k);
    product(group.xy, lane, vec2u(params.n, params.m), first, last, group.z
#ifdef COOPERATIVE
        , subgroup, subgroups
#endif
    );
}
#else
const SIDE = 8u; // invocations in a row of the workgroup

// Which of its columns is the lane's j-th, from the workgroup's first.
fn column_of(j: u32, lane: u32) -> u32 {
#ifdef RIGHT_COLUMNS
    return (j / 2u) * 2u * SIDE + 2u * lane + j % 2u;
#else
    return j * SIDE + lane;
#endif
}

// Which of the lane's rows of sums is row `row` of its tile.
fn sums_of(row: u32) -> u32 {
#ifdef LEFT_ROWS
    return (row / 16u) * 16u + (row % 2u) * 8u + (row % 16u) / 2u;
#else
    return row;
#endif
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
#ifdef SUBGROUP
        , @builtin(subgroup_invocation_id) subgroup_lane: u32
#endif
) {
    // A lane's own columns lie SIDE apart (or in pairs), its rows are consecutive. Lanes of
    // a subgroup of 8 share their rows.
    let column = lane % SIDE;
    let j_0 = group.x * SIDE * COLUMNS;
    let i_0 = (group.y * (LANES / SIDE) + lane / SIDE) * ROWS * 8u;
    let first = group.z * params.piece;
    let last = min(first + params.piece, params.k);
#repeat j 0 COLUMNS
    let b_$j = min(j_0 + column_of($ju, column), params.n - 1u) * params.b_j;
#end
#repeat s 0 ROWS
#ifdef SUBGROUP
#ifdef LEFT_ROWS
    let a_$s = min(i_0 + ${$s/2*16}u + 2u * subgroup_lane, params.m - 2u);
#else
    let a_$s = min(i_0 + $su * 8u + subgroup_lane, params.m - 1u) * params.a_i;
#endif
#endif
#repeat l 0 8
#ifndef SUBGROUP
    let a_$s_$l = min(i_0 + $su * 8u + $lu, params.m - 1u) * params.a_i;
#endif
#repeat j 0 COLUMNS
    var sum_$s_$l_$j = 0.0;
#end
#end
#end
    // UNROLL terms at a time: a sum is written back once for all of them, which
    // counts where the compiler keeps registers in memory (software Vulkan).
    for (var k = first; k < last; k += UNROLL) {
#ifdef PAIRS
#ifdef RIGHT_COLUMNS
#repeat q 0 COLUMNS/2
        let columns_$q_0 = b[(b_${2*$q} + k * params.b_k) / 2u];
        let columns_$q_1 = b[(b_${2*$q} + (k + 1u) * params.b_k) / 2u];
#end
#repeat j 0 COLUMNS
        let v_$j_0 = columns_${$j/2}_0[$j % 2];
        let v_$j_1 = columns_${$j/2}_1[$j % 2];
#end
#else
#repeat j 0 COLUMNS
        let terms_$j = b[(b_$j + k) / 2u];
        let v_$j_0 = terms_$j.x;
        let v_$j_1 = terms_$j.y;
#end
#endif
#ifdef LEFT_ROWS
#repeat t 0 ROWS/2
        let rows_$t_0 = a[(a_${2*$t} + k * params.a_k) / 2u];
        let rows_$t_1 = a[(a_${2*$t} + (k + 1u) * params.a_k) / 2u];
#end
#repeat s 0 ROWS
        let share_$s_0 = rows_${$s/2}_0[$s % 2];
        let share_$s_1 = rows_${$s/2}_1[$s % 2];
#end
#else
#repeat s 0 ROWS
        let share_$s = a[(a_$s + k) / 2u];
        let share_$s_0 = share_$s.x;
        let share_$s_1 = share_$s.y;
#end
#endif
#else
#repeat u 0 UNROLL
        let used_$u = k + $uu < last;
        let k_$u = select(first, k + $uu, used_$u);
#repeat j 0 COLUMNS
        let v_$j_$u = b[b_$j + k_$u * params.b_k];
#end
#repeat s 0 ROWS
#ifdef SUBGROUP
        let share_$s_$u = select(0.0, a[a_$s + k_$u * params.a_k], used_$u);
#endif
#end
#end
#endif
#repeat s 0 ROWS
#repeat l 0 8
        {
#repeat u 0 UNROLL
#ifdef SUBGROUP
            let w_$u = subgroupBroadcast(share_$s_$u, $lu);
#else
            let w_$u = select(0.0, a[a_$s_$l + k_$u * params.a_k], used_$u);
#endif
#end
#repeat j 0 COLUMNS
            {
                var sum = sum_$s_$l_$j;
#repeat u 0 UNROLL
                sum = fma(w_$u, v_$j_$u, sum);
#end
                sum_$s_$l_$j = sum;
            }
#end
        }
#end
#end
    }

    // One store for all sums, in a loop: written out, compilers take long over them.
    var sums: array<f32, 8u * ROWS * COLUMNS>;
#repeat s 0 ROWS
#repeat l 0 8
#repeat j 0 COLUMNS
    sums[($su * 8u + $lu) * COLUMNS + $ju] = sum_$s_$l_$j;
#end
#end
#end
    let rows = min(8u * ROWS, max(params.m, i_0) - i_0);
    for (var i = 0u; i < rows; i += 1u) {
        for (var q = 0u; q < COLUMNS; q += 1u) {
            let j = j_0 + column_of(q, column);
            if j < params.n {
                store(result_at(group.z, j), i_0 + i, j, sums[sums_of(i) * COLUMNS + q]);
            }
        }
    }
}
#endif
