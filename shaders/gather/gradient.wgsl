// gather: dx[r] = the sum of g[n] over the n that gathered row r, in ascending
// order, by following the links of links.wgsl: a scatter-add without atomics.
// Tile: one element of dx per invocation, or with QUADS, where rows are so many, a four.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,    // R * width
    width: u32,    // of a row, elements or fours
    sources: u32,  // R
    gathered: u32, // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Lane>;        // [N, width]
@group(0) @binding(2) var<storage, read> links: array<u32>;     // [R + N]
@group(0) @binding(3) var<storage, read_write> dx: array<Lane>; // [R, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    var total = Lane();
    for (var n = links[i / params.width]; n < params.gathered; n = links[params.sources + n]) {
        total += g[n * params.width + i % params.width];
    }
    dx[i] = total;
}
