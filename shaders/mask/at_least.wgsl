// at_least: y = 1 where x >= its row's threshold, else 0.
// Tile: a part of a row per workgroup of 64, `each` elements or fours per invocation.

#include "common/lane.wgsl"
#include "common/plane.wgsl"

struct Params {
    planes: u32, // rows
    parts: u32,  // of a row
    pixels: u32, // elements of a row, or fours
    each: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;         // [planes, pixels]
@group(0) @binding(2) var<storage, read> threshold: array<f32>;  // [planes]
@group(0) @binding(3) var<storage, read_write> y: array<Lane>;   // [planes, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let part = plane_part(linear_group(group, groups), lane, params.planes, params.parts,
        params.pixels, params.each);
    let least = Lane(threshold[min(part.plane, params.planes - 1u)]);
    let base = part.plane * params.pixels;
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        y[base + i] = select(Lane(0.0), Lane(1.0), x[base + i] >= least);
    }
}
