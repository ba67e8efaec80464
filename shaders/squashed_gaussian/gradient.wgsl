// squashed_gaussian: the gradient of the raw means and log_std, given those of any
// of the four results. A result without a gradient has its flag 0 and any buffer
// bound in place of it.
// Tile: one action of one row per invocation.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"
#include "common/squash.wgsl"

struct Params {
    count: u32,        // B * A
    actions: u32,      // A
    log_std_min: f32,
    log_std_max: f32,
    has_action: u32,   // 1 where the gradient is given, else 0
    has_log_prob: u32,
    has_mean: u32,
    has_log_std: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw: array<f32>;         // [B, 2A]: means, raw log_std
@group(0) @binding(2) var<storage, read> noise: array<f32>;       // [B, A]
@group(0) @binding(3) var<storage, read> action: array<f32>;      // [B, A]
@group(0) @binding(4) var<storage, read> g_action: array<f32>;    // [B, A]
@group(0) @binding(5) var<storage, read> g_log_prob: array<f32>;  // [B, 1]
@group(0) @binding(6) var<storage, read> g_mean: array<f32>;      // [B, A]
@group(0) @binding(7) var<storage, read> g_log_std: array<f32>;   // [B, A]
@group(0) @binding(8) var<storage, read_write> draw: array<f32>;  // [B, 2A]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let row = i / params.actions;
    let at_mean = i + row * params.actions;
    let at_log_std = at_mean + params.actions;

    var g_a = 0.0;
    var g_l = 0.0;
    var g_m = 0.0;
    var g_s = 0.0;
    if params.has_action == 1u { g_a = g_action[i]; }
    if params.has_log_prob == 1u { g_l = g_log_prob[row]; }
    if params.has_mean == 1u { g_m = g_mean[i]; }
    if params.has_log_std == 1u { g_s = g_log_std[i]; }

    let half_range = 0.5 * (params.log_std_max - params.log_std_min);
    let t = safe_tanh(raw[at_log_std]);
    let sigma = safe_exp(params.log_std_min + half_range * (t + 1.0));
    let m = safe_tanh(raw[at_mean]);
    let du = squash_gradient(action[i], g_a, g_l);
    draw[at_mean] = du + g_m * (1.0 - m * m);
    draw[at_log_std] = (du * noise[i] * sigma - g_l + g_s) * half_range * (1.0 - t * t);
}
