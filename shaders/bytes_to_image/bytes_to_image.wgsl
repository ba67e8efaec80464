// bytes_to_image: bytes as floats, 0..255.
// Tile: one word of four bytes per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32, // elements
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;        // [count], four bytes to a word
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    let end = min(4u * index + 4u, params.count);
    for (var i = 4u * index; i < end; i++) {
        y[i] = f32(extractBits(x[index], 8u * (i % 4u), 8u));
    }
}
