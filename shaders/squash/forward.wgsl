// squash: a = tanh(u), and the log-density of a from that of u (SAC; SPEC.md A.1).
// Tile: one row (sample) per invocation; its actions are summed first to last.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"
#include "common/squash.wgsl"

struct Params {
    rows: u32,     // B
    actions: u32,  // A
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;              // [B, A]
@group(0) @binding(2) var<storage, read> density: array<f32>;        // [B, 1]: log-density of u
@group(0) @binding(3) var<storage, read_write> action: array<f32>;   // [B, A]
@group(0) @binding(4) var<storage, read_write> log_prob: array<f32>; // [B, 1]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let row = linear_index(group, groups, lane, 64u);
    if row >= params.rows {
        return;
    }
    var total = density[row];
    for (var j = 0u; j < params.actions; j += 1u) {
        let at = row * params.actions + j;
        let a = safe_tanh(u[at]);
        action[at] = a;
        total -= squash_log_slope(a);
    }
    log_prob[row] = total;
}
