// slice: columns start..start + width of x[outer, whole]. All are counted in elements, or
// in fours where QUADS says that they are so many.
// Tile: `each` elements of y per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // outer * width
    each: u32,
    whole: u32,
    width: u32,
    start: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [outer, whole]
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [outer, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        y[i] = x[(i / params.width) * params.whole + params.start + i % params.width];
    }
}
