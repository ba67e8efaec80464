// gather: y[n] = x[rows[n]]; indices beyond the last row read the last.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,    // N * width
    width: u32,    // elements of a row
    sources: u32,  // R
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [R, width]
@group(0) @binding(2) var<storage, read> rows: array<u32>;     // [N]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [N, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        let row = min(rows[i / params.width], params.sources - 1u);
        y[i] = x[row * params.width + i % params.width];
    }
}
