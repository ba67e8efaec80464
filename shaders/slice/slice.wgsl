// slice: columns start..start + width of x[outer, whole].
// Tile: one element of y per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // outer * width
    whole: u32,
    width: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [outer, whole]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [outer, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        y[i] = x[(i / params.width) * params.whole + params.start + i % params.width];
    }
}
