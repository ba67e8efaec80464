// occlude: copies of a picture, each with one window at the baseline. Item 0 is the
// picture itself, item k has window k - 1 covered, those after the last window are the
// picture again. Windows are counted along rows, then down, then from group to group of
// channels; the last of a row or column ends at the border.
// Tile: one element per invocation.
// Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks"
// (2014), with the places of captum's Occlusion (SPEC.md E.4).

#include "common/linear_index.wgsl"

struct Params {
    count: u32,         // M * channels * height * width
    items: u32,         // M, items of a batch
    channels: u32,
    per_group: u32,     // channels that are covered together
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    stride_down: u32,
    stride_along: u32,
    rows: u32,          // windows below each other
    columns: u32,       // windows beside each other
    baseline: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [channels, height, width]
@group(0) @binding(2) var<storage, read> number: array<u32>;   // [1]: of the batch
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [M, channels, height, width]

// Whether a pixel of a channel lies in a window; none does where there is no such window.
fn is_covered(channel: u32, pixel: u32, window: u32) -> bool {
    let places = params.rows * params.columns;
    let channels = window / places;
    let place = window % places;
    let top = place / params.columns * params.stride_down;
    let left = place % params.columns * params.stride_along;
    let row = pixel / params.width;
    let column = pixel % params.width;
    return channel / params.per_group == channels
        && row >= top && row < top + params.window_height
        && column >= left && column < left + params.window_width;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let pixels = params.height * params.width;
    let elements = params.channels * pixels;
    let item = number[0] * params.items + i / elements;
    let element = i % elements;
    var value = x[element];
    if item > 0u && is_covered(element / pixels, element % pixels, item - 1u) {
        value = params.baseline;
    }
    y[i] = value;
}
