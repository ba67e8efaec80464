// crop: a square window of each sample: y[b, c, i, j] = x[b, c, i + row_b, j +
// column_b]. Offsets that would leave the picture count as the last that fit.
// Tile: one output pixel per invocation.
// Source: RAD's random crop (SPEC.md A.3).

#include "common/linear_index.wgsl"

struct Params {
    channels: u32, // C
    height: u32,   // H
    width: u32,    // W
    size: u32,     // S
    count: u32,    // B * C * S * S
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, H, W]
@group(0) @binding(2) var<storage, read> offsets: array<u32>;  // [B, 2]: (row, column)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, C, S, S]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let plane = index / (params.size * params.size);
        let sample = plane / params.channels;
        let row = index / params.size % params.size
            + min(offsets[2u * sample], params.height - params.size);
        let column = index % params.size
            + min(offsets[2u * sample + 1u], params.width - params.size);
        y[index] = x[(plane * params.height + row) * params.width + column];
    }
}
