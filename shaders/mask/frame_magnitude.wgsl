// frame_magnitude: y = max over the 3 channels of a frame of |x|.
// Tile: one pixel per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // B * F * pixels
    pixels: u32, // H * W
}

const CHANNELS = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, F, CHANNELS, pixels]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B, F, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let first = (i / params.pixels) * CHANNELS * params.pixels + i % params.pixels;
    var top = abs(x[first]);
    for (var c = 1u; c < CHANNELS; c += 1u) {
        top = max(top, abs(x[first + c * params.pixels]));
    }
    y[i] = top;
}
