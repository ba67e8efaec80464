// shift: dx of the shifted window: each source pixel sums the outputs that took it,
// row by row (more than one only at the edges, where pixels are repeated).
// Tile: one source pixel per invocation.

#include "common/linear_index.wgsl"

struct Params {
    channels: u32, // C
    height: u32,   // H
    width: u32,    // W
    pad: u32,
    count: u32,    // B * C * H * W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [B, C, H, W]
@group(0) @binding(2) var<storage, read> offsets: array<u32>;   // [B, 2]: (x, y)
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [B, C, H, W]

// First pixel and end of the outputs that took source pixel p of an axis of n.
fn takers(p: u32, given: u32, n: u32) -> vec2u {
    let offset = min(given, 2u * params.pad);
    let first = select(max(p + params.pad, offset) - offset, 0u, p == 0u);
    let end = select(max(p + params.pad + 1u, offset) - offset, n, p == n - 1u);
    return vec2u(first, min(end, n));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let column = index % params.width;
        let row = index / params.width % params.height;
        let plane = index / (params.width * params.height);
        let sample = plane / params.channels;
        let rows = takers(row, offsets[2u * sample + 1u], params.height);
        let columns = takers(column, offsets[2u * sample], params.width);
        var sum = 0.0;
        for (var i = rows.x; i < rows.y; i++) {
            for (var j = columns.x; j < columns.y; j++) {
                sum += g[(plane * params.height + i) * params.width + j];
            }
        }
        dx[index] = sum;
    }
}
