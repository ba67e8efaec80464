// rise_sum: the sum of masks, each times its weight, of pieces of neighbouring masks.
// Tile: one pixel of one piece per invocation; masks in their order.
// Source: Petsiuk, Das, Saenko, "RISE" (2018).

#include "common/linear_index.wgsl"

struct Params {
    count: u32,       // pieces * height * width
    masks: u32,       // N
    piece: u32,       // masks of a piece
    height: u32,
    width: u32,
    cells: u32,
    cell_height: u32,
    cell_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;  // [N]
@group(0) @binding(2) var<storage, read> grids: array<u32>;    // [N, cells * cells + 2]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [pieces, height, width]

#include "common/rise_mask.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let pixels = params.height * params.width;
    let piece = i / pixels;
    let pixel = i % pixels;
    let row = pixel / params.width;
    let column = pixel % params.width;
    let first = piece * params.piece;
    let end = min(first + params.piece, params.masks);
    var sum = 0.0;
    for (var mask = first; mask < end; mask += 1u) {
        sum += weights[mask] * rise_mask(mask, row, column);
    }
    y[i] = sum;
}
