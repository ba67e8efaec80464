// layer_norm: the gradients of gain and bias, the sums over rows of g * n and of g,
// n = (x - mean) / deviation; here over one piece of the rows, first to last.
// Tile: one column, or four, of one piece per invocation.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    rows: u32,
    width: u32,  // of a row, in elements or fours
    piece: u32,  // rows of a piece
    count: u32,  // pieces * width
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Lane>;           // [rows, width]
@group(0) @binding(2) var<storage, read> x: array<Lane>;           // [rows, width]
@group(0) @binding(3) var<storage, read> statistics: array<f32>;   // [rows, 2]: mean, 1 / deviation
@group(0) @binding(4) var<storage, read_write> dgain: array<Lane>; // [pieces, width]
@group(0) @binding(5) var<storage, read_write> dbias: array<Lane>; // [pieces, width]

const BLOCK = 4u;

fn normal(row: u32, column: u32) -> Lane {
    return (x[row * params.width + column] - statistics[2u * row]) * statistics[2u * row + 1u];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, LANES);
    if i >= params.count {
        return;
    }
    let column = i % params.width;
    let start = (i / params.width) * params.piece;
    let end = min(start + params.piece, params.rows);
    var of_gain = Lane();
    var of_bias = Lane();
    // Several rows at a time: where every write to what lives on is masked (software
    // Vulkan), that is most of the work.
    let whole = end - (end - start) % BLOCK;
    for (var row = start; row < whole; row += BLOCK) {
#repeat r 0 4
        let g_$r = g[(row + $ru) * params.width + column];
        let n_$r = normal(row + $ru, column);
#end
        of_gain += (g_0 * n_0 + g_1 * n_1) + (g_2 * n_2 + g_3 * n_3);
        of_bias += (g_0 + g_1) + (g_2 + g_3);
    }
    for (var row = whole; row < end; row += 1u) {
        let g_0 = g[row * params.width + column];
        of_gain += g_0 * normal(row, column);
        of_bias += g_0;
    }
    dgain[i] = of_gain;
    dbias[i] = of_bias;
}
