// mask_fill: y = x where the mask of its frame is 1, else the fill.
// Tile: a part of a frame per workgroup of 64, `each` pixels or fours per invocation, all
// channels of them.

#include "common/lane.wgsl"
#include "common/plane.wgsl"

struct Params {
    planes: u32, // B * F
    parts: u32,  // of a frame
    pixels: u32, // H * W, or fours
    each: u32,
}

const CHANNELS = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [B, F, CHANNELS, pixels]
@group(0) @binding(2) var<storage, read> mask: array<Lane>;     // [B, F, pixels], 0 or 1
@group(0) @binding(3) var<storage, read> fill: array<f32>;      // [1]
@group(0) @binding(4) var<storage, read_write> y: array<Lane>;  // [B, F, CHANNELS, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let part = plane_part(linear_group(group, groups), lane, params.planes, params.parts,
        params.pixels, params.each);
    let base = part.plane * params.pixels;
    let filled = Lane(fill[0]);
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        let kept = mask[base + i] == Lane(1.0);
        let red = base * CHANNELS + i;
        for (var c = 0u; c < CHANNELS; c += 1u) {
            let at = red + c * params.pixels;
            y[at] = select(filled, x[at], kept);
        }
    }
}
