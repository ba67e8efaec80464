// affine: y = scale * x + shift, pointwise.
// Tile: one element per invocation, or four.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32, // elements, or fours
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [count]
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        y[i] = params.scale * x[i] + params.shift;
    }
}
