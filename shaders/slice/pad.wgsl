// slice: its gradient, columns start..start + width of y[outer, whole] from x, the
// others zero.
// Tile: one element of y per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // outer * whole
    whole: u32,
    width: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [outer, width]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [outer, whole]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let column = i % params.whole;
    var value = 0.0;
    if column >= params.start && column < params.start + params.width {
        value = x[(i / params.whole) * params.width + column - params.start];
    }
    y[i] = value;
}
