// bce_with_logits: the gradient of the logits, scale * g * (sigmoid(x) - t). The
// scalar g is read from its buffer.
// Tile: one element per invocation.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"

struct Params {
    count: u32,     // elements: B * C * plane
    plane: u32,     // elements of a channel
    shared_by: u32, // neighbouring channels with the same targets
    scale: f32,     // 1 / count
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [1]
@group(0) @binding(2) var<storage, read> x: array<f32>;         // [B, C, plane]
@group(0) @binding(3) var<storage, read> targets: array<f32>;   // [B, C / shared_by, plane]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;  // [B, C, plane]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let t = targets[i / params.plane / params.shared_by * params.plane + i % params.plane];
    // sigmoid(x) - t without loss where they nearly agree.
    let v = x[i];
    let tail = safe_sigmoid(-abs(v));
    dx[i] = params.scale * g[0] * select(tail - t, (1.0 - t) - tail, v >= 0.0);
}
