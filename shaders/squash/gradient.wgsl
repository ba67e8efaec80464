// squash: the gradient of u, given those of the action and of the log-density. One
// of them may be missing: its flag is then 0 and any buffer bound in place of it.
// Tile: one action of one row per invocation.

#include "common/linear_index.wgsl"
#include "common/squash.wgsl"

struct Params {
    count: u32,        // B * A
    actions: u32,      // A
    has_action: u32,   // 1 where the gradient is given, else 0
    has_log_prob: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> action: array<f32>;      // [B, A]
@group(0) @binding(2) var<storage, read> g_action: array<f32>;    // [B, A]
@group(0) @binding(3) var<storage, read> g_log_prob: array<f32>;  // [B, 1]
@group(0) @binding(4) var<storage, read_write> du: array<f32>;    // [B, A]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    var g_a = 0.0;
    var g_l = 0.0;
    if params.has_action == 1u { g_a = g_action[i]; }
    if params.has_log_prob == 1u { g_l = g_log_prob[i / params.actions]; }
    du[i] = squash_gradient(action[i], g_a, g_l);
}
