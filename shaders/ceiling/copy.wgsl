// ceiling/copy: copies a buffer, for the bench: the most bytes a second between memory
// and shaders.
// Tile: WIDTH vec4 per invocation; neighbouring invocations copy neighbouring ones.

#include "common/linear_index.wgsl"

struct Params {
    count: u32, // in fours, a multiple of 64 * WIDTH
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;       // [count]
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>; // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let first = linear_group(group, groups) * 64u * WIDTH + lane;
    if first >= params.count {
        return;
    }
#repeat w 0 WIDTH
    let v_$w = x[first + ${64*$w}u];
#end
#repeat w 0 WIDTH
    y[first + ${64*$w}u] = v_$w;
#end
}
