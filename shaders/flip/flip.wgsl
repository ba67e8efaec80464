// flip: images mirrored left to right where their sample says so. It is its own gradient.
// Tile: one pixel per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // B * image
    image: u32,  // C * H * W
    width: u32,  // W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [B, C, H, W]
@group(0) @binding(2) var<storage, read> mirrored: array<u32>;  // [B]: not 0 where mirrored
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [B, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let column = i % params.width;
    let opposite = i - column + params.width - 1u - column;
    y[i] = x[select(i, opposite, mirrored[i / params.image] != 0u)];
}
