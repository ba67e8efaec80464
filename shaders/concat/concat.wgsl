// concat: up to four tensors side by side along one axis of y. More parts take more
// dispatches, each writing the columns start..start + width_0 + … of y. A part that
// is not used has width 0 and any buffer bound in place of it. All are counted in
// elements, or in fours where QUADS says that they are so many.
// Tile: `each` elements per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // written: outer * (width_0 + width_1 + width_2 + width_3)
    each: u32,
    whole: u32,  // of y per index of outer
    start: u32,  // where in those these parts start
    width_0: u32, width_1: u32, width_2: u32, width_3: u32, // of a part per index of outer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> part_0: array<Lane>;   // [outer, width_0]
@group(0) @binding(2) var<storage, read> part_1: array<Lane>;   // [outer, width_1]
@group(0) @binding(3) var<storage, read> part_2: array<Lane>;   // [outer, width_2]
@group(0) @binding(4) var<storage, read> part_3: array<Lane>;   // [outer, width_3]
@group(0) @binding(5) var<storage, read_write> y: array<Lane>;  // [outer, whole]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let end_1 = params.width_0 + params.width_1;
    let end_2 = end_1 + params.width_2;
    let width = end_2 + params.width_3;
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        let outer = i / width;
        let column = i % width;
        var value = Lane();
        if column < params.width_0 {
            value = part_0[outer * params.width_0 + column];
        } else if column < end_1 {
            value = part_1[outer * params.width_1 + column - params.width_0];
        } else if column < end_2 {
            value = part_2[outer * params.width_2 + column - end_1];
        } else {
            value = part_3[outer * params.width_3 + column - end_2];
        }
        y[outer * params.whole + params.start + column] = value;
    }
}
