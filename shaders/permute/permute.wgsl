// permute: y is x with its dimensions in another order.
// The dimensions that stay beside each other were merged on the CPU; of the rest there
// are at most six, missing ones have size 1 and stride 0. With QUADS the last stays the
// last, and all are counted in fours.
// Tile: `each` elements of y per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,
    each: u32,
    size_1: u32,   // of y's dimensions, from the second on
    size_2: u32,
    size_3: u32,
    size_4: u32,
    size_5: u32,
    stride_0: u32, // in x, of y's dimensions
    stride_1: u32,
    stride_2: u32,
    stride_3: u32,
    stride_4: u32,
    stride_5: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [count]
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        var rest = i;
        var at = 0u;
        // From the last dimension, which is quickest, to the first.
#repeat d 1 6
        at += (rest % params.size_${6-$d}) * params.stride_${6-$d};
        rest = rest / params.size_${6-$d};
#end
        y[i] = x[at + rest * params.stride_0];
    }
}
