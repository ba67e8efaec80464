// clip_norm: y = x * min(1, max_norm / (norm + 1e-6)), as PyTorch's clip_grad_norm_.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,
    max_norm: f32,
}

const GUARD = 1e-6; // added to the norm

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [count]
@group(0) @binding(2) var<storage, read> norm: array<f32>;     // [1]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        // |x| is at most the norm, so x / norm does not overflow; max_norm / norm, which for a
        // norm near f32's largest number is a denormal that a device may flush to 0, is never
        // formed.
        let guarded = norm[0] + GUARD;
        y[i] = select(x[i], x[i] / guarded * params.max_norm, guarded > params.max_norm);
    }
}
