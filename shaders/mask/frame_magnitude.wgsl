// frame_magnitude: y = max over the 3 channels of a frame of |x|.
// Tile: a part of a frame per workgroup of 64, `each` pixels or fours per invocation.

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
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [B, F, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let part = plane_part(linear_group(group, groups), lane, params.planes, params.parts,
        params.pixels, params.each);
    let base = part.plane * params.pixels;
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        let red = base * CHANNELS + i;
        var top = abs(x[red]);
        for (var c = 1u; c < CHANNELS; c += 1u) {
            top = max(top, abs(x[red + c * params.pixels]));
        }
        y[base + i] = top;
    }
}
