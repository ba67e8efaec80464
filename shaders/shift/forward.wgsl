// shift: pictures padded by `pad` with their edge pixels, then cut to their own
// size at (x, y) of each sample: y[b, c, i, j] = x[b, c, clamp(i + y_b - pad),
// clamp(j + x_b - pad)]. Offsets beyond 2 pad count as 2 pad.
// Tile: one output pixel per invocation.
// Source: DrQ's random shift (SPEC.md A.3).

#include "common/linear_index.wgsl"

struct Params {
    channels: u32, // C
    height: u32,   // H
    width: u32,    // W
    pad: u32,
    count: u32,    // B * C * H * W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, H, W]
@group(0) @binding(2) var<storage, read> offsets: array<u32>;  // [B, 2]: (x, y)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, C, H, W]

// The source of pixel i of an axis of n pixels.
fn source(i: u32, offset: u32, n: u32) -> u32 {
    let padded = i + min(offset, 2u * params.pad);
    return min(max(padded, params.pad) - params.pad, n - 1u);
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
        let i = source(row, offsets[2u * sample + 1u], params.height);
        let j = source(column, offsets[2u * sample], params.width);
        y[index] = x[(plane * params.height + i) * params.width + j];
    }
}
