// rise_masked: copies of a picture, each times its mask. All channels share a mask.
// Tile: one pixel of one mask per invocation, all its channels.
// Source: Petsiuk, Das, Saenko, "RISE" (2018).

#include "common/linear_index.wgsl"

struct Params {
    count: u32,       // M * height * width
    channels: u32,
    height: u32,
    width: u32,
    cells: u32,
    cell_height: u32,
    cell_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [channels, height, width]
@group(0) @binding(2) var<storage, read> grids: array<u32>;    // [M, cells * cells + 2]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [M, channels, height, width]

#include "common/rise_mask.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let pixels = params.height * params.width;
    let mask = i / pixels;
    let pixel = i % pixels;
    let row = pixel / params.width;
    let column = pixel % params.width;
    let kept = rise_mask(mask, row, column);
    let picture = mask * params.channels * pixels;
    for (var c = 0u; c < params.channels; c += 1u) {
        let at = c * pixels + pixel;
        y[picture + at] = x[at] * kept;
    }
}
