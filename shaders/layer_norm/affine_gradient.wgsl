// layer_norm: the gradients of gain and bias, the sums over rows of g * n and of g,
// n = (x - mean) / deviation; here over one piece of the rows, first to last.
// Tile: one column of one piece per invocation.

#include "common/linear_index.wgsl"

struct Params {
    rows: u32,
    width: u32,
    piece: u32,  // rows of a piece
    count: u32,  // pieces * width
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;            // [rows, width]
@group(0) @binding(2) var<storage, read> x: array<f32>;            // [rows, width]
@group(0) @binding(3) var<storage, read> statistics: array<f32>;   // [rows, 2]: mean, 1 / deviation
@group(0) @binding(4) var<storage, read_write> dgain: array<f32>;  // [pieces, width]
@group(0) @binding(5) var<storage, read_write> dbias: array<f32>;  // [pieces, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let column = i % params.width;
    let start = (i / params.width) * params.piece;
    let end = min(start + params.piece, params.rows);
    var of_gain = 0.0;
    var of_bias = 0.0;
    for (var row = start; row < end; row += 1u) {
        let at = row * params.width + column;
        of_gain += g[at] * (x[at] - statistics[2u * row]) * statistics[2u * row + 1u];
        of_bias += g[at];
    }
    dgain[i] = of_gain;
    dbias[i] = of_bias;
}
