// occlusion_map: what a pixel is worth is the mean, over the windows that cover it, of
// the value of the whole picture less that of the picture with the window covered.
// Tile: one pixel of one group of channels per invocation; windows in their order.
// Source: SPEC.md E.4.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,         // G * height * width
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    stride_down: u32,
    stride_along: u32,
    rows: u32,
    columns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;   // [1 + G * rows * columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [G, height, width]

// The first and the last of `places` windows that cover position i.
fn covering(i: u32, window: u32, stride: u32, places: u32) -> vec2u {
    var first = 0u;
    if i >= window {
        first = (i - window) / stride + 1u;
    }
    return vec2u(first, min(i / stride, places - 1u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let pixels = params.height * params.width;
    let channels = i / pixels;
    let pixel = i % pixels;
    let row = pixel / params.width;
    let column = pixel % params.width;
    let down = covering(row, params.window_height, params.stride_down, params.rows);
    let along = covering(column, params.window_width, params.stride_along, params.columns);
    // The score of the whole picture stands first.
    let first = 1u + channels * params.rows * params.columns;
    var sum = 0.0;
    for (var r = down.x; r <= down.y; r += 1u) {
        for (var c = along.x; c <= along.y; c += 1u) {
            sum += scores[0] - scores[first + r * params.columns + c];
        }
    }
    let windows = (down.y - down.x + 1u) * (along.y - along.x + 1u);
    y[i] = sum / f32(windows);
}
