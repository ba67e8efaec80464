// overlay: half of each picture, half of a picture from a bank, on the 0..255 scale:
// y = 255 (0.5 x / 255 + 0.5 p) = 0.5 x + 0.5 (255 p). p is a window of a bank
// picture at the size of x (bilinear, half-pixel centres, clamped to the window),
// maybe mirrored, the same for all frames of a sample.
// Tile: a part of a colour of a sample per workgroup of 64, `each` pixels or fours of a row
// per invocation, in all frames.
// Source: SODA's random overlay (SPEC.md A.3).

#include "common/lane.wgsl"
#include "common/plane.wgsl"
#include "common/resize_axis.wgsl"

struct Params {
    planes: u32,   // B * COLOURS
    parts: u32,    // of a plane
    pixels: u32,   // H * W, or fours
    each: u32,
    frames: u32,   // F
    height: u32,   // H
    width: u32,    // W
    pictures: u32, // P
    size: u32,     // S
}

const COLOURS = 3u;
const CROP_FIELDS = 6u;
const SHARE = 0.5; // of the picture
const LANE_PIXELS = u32(LANE_ELEMENTS);

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [B, F, COLOURS, pixels]
@group(0) @binding(2) var<storage, read> bank: array<u32>;      // [P, COLOURS, S, S], four bytes to a word
@group(0) @binding(3) var<storage, read> crops: array<f32>;     // [B, CROP_FIELDS]: picture, top, left, height, width, flip
@group(0) @binding(4) var<storage, read_write> y: array<Lane>;  // [B, F, COLOURS, pixels]

// A field of a crop as an integer in least..=most.
fn field(sample: u32, index: u32, least: u32, most: u32) -> u32 {
    let value = clamp(crops[CROP_FIELDS * sample + index], f32(least), f32(most));
    return clamp(u32(value), least, most);
}

fn texel(plane: u32, row: u32, column: u32) -> f32 {
    let byte = (plane * params.size + row) * params.size + column;
    return f32(extractBits(bank[byte / 4u], 8u * (byte % 4u), 8u));
}

// Which part of which picture a sample gets.
struct Window {
    plane: u32, // of the bank
    top: u32,
    left: u32,
    width: u32,
    flip: bool,
}

// The picture under an output pixel, between the rows of `rows`.
fn picture(window: Window, rows: Tap, column: u32) -> f32 {
    let mirrored = select(column, params.width - 1u - column, window.flip);
    let columns = half_pixel_tap(mirrored, window.width, params.width);
    let a = texel(window.plane, window.top + rows.low, window.left + columns.low);
    let b = texel(window.plane, window.top + rows.low, window.left + columns.high);
    let c = texel(window.plane, window.top + rows.high, window.left + columns.low);
    let d = texel(window.plane, window.top + rows.high, window.left + columns.high);
    let above = a + columns.fraction * (b - a);
    let below = c + columns.fraction * (d - c);
    return above + rows.fraction * (below - above);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let part = plane_part(linear_group(group, groups), lane, params.planes, params.parts,
        params.pixels, params.each);
    let sample = min(part.plane, params.planes - 1u) / COLOURS;
    let colour = part.plane % COLOURS;
    let number = field(sample, 0u, 0u, params.pictures - 1u);
    let top = field(sample, 1u, 0u, params.size - 1u);
    let left = field(sample, 2u, 0u, params.size - 1u);
    let height = field(sample, 3u, 1u, params.size - top);
    let width = field(sample, 4u, 1u, params.size - left);
    let flip = crops[CROP_FIELDS * sample + 5u] > 0.5;
    let window = Window(number * COLOURS + colour, top, left, width, flip);

    let row_lanes = params.width / LANE_PIXELS;
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        let rows = half_pixel_tap(i / row_lanes, height, params.height);
        let column = i % row_lanes * LANE_PIXELS;
        var p: Lane; // 255 times the header's
#ifdef QUADS
        for (var k = 0u; k < LANE_PIXELS; k += 1u) {
            p[k] = picture(window, rows, column + k);
        }
#else
        p = picture(window, rows, column);
#endif
        var frame = 0u;
        loop {
            let at = ((sample * params.frames + frame) * COLOURS + colour) * params.pixels + i;
            y[at] = (1.0 - SHARE) * x[at] + SHARE * p;
            continuing {
                frame += 1u;
                break if frame >= params.frames;
            }
        }
    }
}
