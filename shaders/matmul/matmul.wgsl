// matmul: c[i, j] = sum over k of a(i, k) b(k, j), + bias[j], then a pointwise tail.
// Both operands are addressed by strides, so transposes are free.
// Tile: TILE x TILE results per invocation in registers (no workgroup memory:
// barriers are dear on software Vulkan); 8 x 8 invocations per workgroup, so
// 8 TILE x 8 TILE results. With splits > 1 workgroup z sums its own piece of k into
// `c[z, i, j]` and matmul/join adds the pieces in order.

#include "common/epilogue.wgsl"

struct Params {
    m: u32,
    n: u32,
    k: u32,
    a_i: u32, // strides of a and b in elements
    a_k: u32,
    b_k: u32,
    b_j: u32,
    piece: u32,    // of k, for each split
    splits: u32,
    has_bias: u32,
    tail: u32,     // EPILOGUE_*; only with one split
}

const SIDE = 8u; // invocations along each side of a workgroup

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [m, k] or [k, m]
@group(0) @binding(2) var<storage, read> b: array<f32>;        // [k, n] or [n, k]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [n] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<f32>;     // [m, n] if the tail is a gate
@group(0) @binding(5) var<storage, read_write> c: array<f32>;  // [splits, m, n]

fn store(split: u32, i: u32, j: u32, sum: f32) {
    if i < params.m && j < params.n {
        var value = sum;
        if params.has_bias == 1u && split == 0u {
            value += bias[j];
        }
        let at = i * params.n + j;
        if params.tail != 0u {
            var g = 0.0;
            if params.tail >= EPILOGUE_GATE {
                g = gate[at];
            }
            value = epilogue(params.tail, value, g);
        }
        c[split * params.m * params.n + at] = value;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    // Neighbouring lanes take neighbouring columns; a lane's own columns lie SIDE
    // apart, its rows are consecutive.
    let j_0 = group.x * SIDE * TILE + lane % SIDE;
    let i_0 = (group.y * SIDE + lane / SIDE) * TILE;
    let first = group.z * params.piece;
    let last = min(first + params.piece, params.k);
#repeat i 0 TILE
    let a_$i = min(i_0 + $iu, params.m - 1u) * params.a_i;
    let b_$i = min(j_0 + $iu * SIDE, params.n - 1u) * params.b_j;
#repeat j 0 TILE
    var sum_$i_$j = 0.0;
#end
#end
    for (var k = first; k < last; k += 1u) {
        let at_a = k * params.a_k;
        let at_b = k * params.b_k;
#repeat i 0 TILE
        let u_$i = a[a_$i + at_a];
        let v_$i = b[b_$i + at_b];
#end
#repeat i 0 TILE
#repeat j 0 TILE
        sum_$i_$j = fma(u_$i, v_$j, sum_$i_$j);
#end
#end
    }
#repeat i 0 TILE
#repeat j 0 TILE
    store(group.z, i_0 + $iu, j_0 + $ju * SIDE, sum_$i_$j);
#end
#end
}
