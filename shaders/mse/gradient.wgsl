// mse: the gradient of a, scale * g * (a - b), and with BOTH that of b, its negative.
// The scalar g is read from its buffer.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,
    scale: f32,  // 2 / count
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [1]
@group(0) @binding(2) var<storage, read> a: array<f32>;         // [count]
@group(0) @binding(3) var<storage, read> b: array<f32>;         // [count]
@group(0) @binding(4) var<storage, read_write> da: array<f32>;  // [count]
#ifdef BOTH
@group(0) @binding(5) var<storage, read_write> db: array<f32>;  // [count]
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let d = params.scale * g[0] * (a[i] - b[i]);
    da[i] = d;
#ifdef BOTH
    db[i] = -d;
#endif
}
