// ema: y = tau * x + keep * y on up to 8 segments of a target, all in one dispatch.
// Tile: one element per invocation, or four, from the first segment's start to the last's end.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

// All counts and places are in elements, or in fours.
struct Params {
    start: u32, // first element of any segment
    count: u32, // elements from there to the end of the last segment
#repeat s 0 8
    online_$s: u32,
    target_$s: u32,
    length_$s: u32, // 0 where there is no such segment
    tau_$s: f32,
    keep_$s: f32,   // 1 - tau
#end
}

// Both are bound for writing: they may lie in one buffer.
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Lane>; // [N], online, read only
@group(0) @binding(2) var<storage, read_write> y: array<Lane>; // [M], target

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let offset = linear_index(group, groups, lane, 64u);
    if offset >= params.count {
        return;
    }
    let i = params.start + offset;
    // Before a segment's start the difference wraps to a huge number.
#repeat s 0 8
    if i - params.target_$s < params.length_$s {
        y[i] = params.tau_$s * x[params.online_$s + (i - params.target_$s)] + params.keep_$s * y[i];
    }
#end
}
