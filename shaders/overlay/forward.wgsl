// overlay: half of each picture, half of a picture from a bank, on the 0..255 scale:
// y = 255 (0.5 x / 255 + 0.5 p) = 0.5 x + 0.5 (255 p). p is a window of a bank
// picture at the size of x (bilinear, half-pixel centres, clamped to the window),
// maybe mirrored, the same for all frames of a sample.
// Tile: one output pixel per invocation.
// Source: SODA's random overlay (SPEC.md A.3).

#include "common/linear_index.wgsl"
#include "common/resize_axis.wgsl"

struct Params {
    channels: u32, // 3 F
    height: u32,   // H
    width: u32,    // W
    pictures: u32, // P
    size: u32,     // S
    count: u32,    // B * 3 F * H * W
}

const COLOURS = 3u;
const CROP_FIELDS = 6u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, 3 F, H, W]
@group(0) @binding(2) var<storage, read> bank: array<u32>;     // [P, 3, S, S], four bytes to a word
@group(0) @binding(3) var<storage, read> crops: array<f32>;    // [B, 6]: picture, top, left, height, width, flip
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, 3 F, H, W]

// A field of a crop as an integer in least..=most.
fn field(sample: u32, index: u32, least: u32, most: u32) -> u32 {
    let value = clamp(crops[CROP_FIELDS * sample + index], f32(least), f32(most));
    return clamp(u32(value), least, most);
}

fn texel(plane: u32, row: u32, column: u32) -> f32 {
    let byte = (plane * params.size + row) * params.size + column;
    return f32(extractBits(bank[byte / 4u], 8u * (byte % 4u), 8u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let column = index % params.width;
        let row = index / params.width % params.height;
        let channel = index / (params.width * params.height) % params.channels;
        let sample = index / (params.width * params.height * params.channels);

        let picture = field(sample, 0u, 0u, params.pictures - 1u);
        let top = field(sample, 1u, 0u, params.size - 1u);
        let left = field(sample, 2u, 0u, params.size - 1u);
        let height = field(sample, 3u, 1u, params.size - top);
        let width = field(sample, 4u, 1u, params.size - left);
        let flip = crops[CROP_FIELDS * sample + 5u] > 0.5;

        let rows = half_pixel_tap(row, height, params.height);
        let columns = half_pixel_tap(select(column, params.width - 1u - column, flip), width, params.width);
        let plane = picture * COLOURS + channel % COLOURS;
        let a = texel(plane, top + rows.low, left + columns.low);
        let b = texel(plane, top + rows.low, left + columns.high);
        let c = texel(plane, top + rows.high, left + columns.low);
        let d = texel(plane, top + rows.high, left + columns.high);
        let above = a + columns.fraction * (b - a);
        let below = c + columns.fraction * (d - c);
        let pixel = above + rows.fraction * (below - above);
        y[index] = 0.5 * x[index] + 0.5 * pixel;
    }
}
