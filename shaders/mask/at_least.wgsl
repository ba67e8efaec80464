// at_least: y = 1 where x >= its row's threshold, else 0.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // rows * pixels
    pixels: u32, // elements of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [rows, pixels]
@group(0) @binding(2) var<storage, read> threshold: array<f32>;  // [rows]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;    // [rows, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        y[i] = select(0.0, 1.0, x[i] >= threshold[i / params.pixels]);
    }
}
