// crop: dx is the window's gradient at its place, zero around it.
// Tile: one source pixel per invocation.

#include "common/linear_index.wgsl"

struct Params {
    channels: u32, // C
    height: u32,   // H
    width: u32,    // W
    size: u32,     // S
    count: u32,    // B * C * H * W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [B, C, S, S]
@group(0) @binding(2) var<storage, read> offsets: array<u32>;   // [B, 2]: (row, column)
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [B, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let plane = index / (params.width * params.height);
        let sample = plane / params.channels;
        // Before the window these wrap around to numbers beyond its size.
        let i = index / params.width % params.height
            - min(offsets[2u * sample], params.height - params.size);
        let j = index % params.width
            - min(offsets[2u * sample + 1u], params.width - params.size);
        var value = 0.0;
        if i < params.size && j < params.size {
            value = g[(plane * params.size + i) * params.size + j];
        }
        dx[index] = value;
    }
}
