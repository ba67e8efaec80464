// mask_fill: y = x where the mask of its frame is 1, else the fill.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // B * F * CHANNELS * pixels
    pixels: u32, // H * W
}

const CHANNELS = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, F, CHANNELS, pixels]
@group(0) @binding(2) var<storage, read> mask: array<f32>;     // [B, F, pixels], 0 or 1
@group(0) @binding(3) var<storage, read> fill: array<f32>;     // [1]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, F, CHANNELS, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        let frame = i / (CHANNELS * params.pixels);
        let kept = mask[frame * params.pixels + i % params.pixels] == 1.0;
        y[i] = select(fill[0], x[i], kept);
    }
}
