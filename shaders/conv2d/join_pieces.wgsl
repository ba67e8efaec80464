// conv2d: gradient of the weights, second pass: adds the pieces in order.
// Tile: one weight per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // weights
    pieces: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;   // [pieces, count]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;  // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    var total = partial[i];
    for (var s = 1u; s < params.pieces; s += 1u) {
        total += partial[s * params.count + i];
    }
    dw[i] = total;
}
