// squashed_gaussian: a sample of tanh(N(mean, std)), its log-density, the
// deterministic action and the bounded log_std (SAC; SPEC.md A.1).
// Tile: one row (sample) per invocation; its actions are summed first to last.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"
#include "common/squash.wgsl"

const HALF_LN_2_PI = 0.9189385332;

struct Params {
    rows: u32,         // B
    actions: u32,      // A
    log_std_min: f32,
    log_std_max: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw: array<f32>;            // [B, 2A]: means, raw log_std
@group(0) @binding(2) var<storage, read> noise: array<f32>;          // [B, A]
@group(0) @binding(3) var<storage, read_write> action: array<f32>;   // [B, A]
@group(0) @binding(4) var<storage, read_write> log_prob: array<f32>; // [B, 1]
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;     // [B, A]
@group(0) @binding(6) var<storage, read_write> log_std: array<f32>;  // [B, A]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let row = linear_index(group, groups, lane, 64u);
    if row >= params.rows {
        return;
    }
    let half_range = 0.5 * (params.log_std_max - params.log_std_min);
    var total = 0.0;
    for (var j = 0u; j < params.actions; j += 1u) {
        let at = row * params.actions + j;
        let m = raw[2u * row * params.actions + j];
        let r = raw[(2u * row + 1u) * params.actions + j];
        let e = noise[at];
        let s = params.log_std_min + half_range * (safe_tanh(r) + 1.0);
        let a = safe_tanh(m + e * safe_exp(s));
        total += -0.5 * e * e - s - HALF_LN_2_PI - squash_log_slope(a);
        action[at] = a;
        mean[at] = safe_tanh(m);
        log_std[at] = s;
    }
    log_prob[row] = total;
}
