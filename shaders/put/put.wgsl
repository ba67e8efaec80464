// put: table[number * count + i] = part[i], as far as the table goes.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,    // M, elements of a part
    capacity: u32, // N, elements of the table
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> part: array<f32>;          // [M]
@group(0) @binding(2) var<storage, read> number: array<u32>;        // [1]: which part it is
@group(0) @binding(3) var<storage, read_write> table: array<f32>;   // [N]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    let at = number[0] * params.count + i;
    if i < params.count && at < params.capacity {
        table[at] = part[i];
    }
}
