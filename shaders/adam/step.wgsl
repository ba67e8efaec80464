// adam: moments and parameters of a whole arena (Kingma and Ba 2015; eps outside
// the root, as in PyTorch; weight decay apart from the gradients, Loshchilov and
// Hutter 2019). Runs after adam/tick.
// Tile: one element per invocation, or four.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // elements, or fours
    rate_1: f32, // 1 - beta1
    rate_2: f32, // 1 - beta2
    keep_2: f32, // beta2
    eps: f32,
    weight_decay: f32,
}

const CORRECTION_1 = 1u; // words of `time`
const CORRECTION_2 = 2u;
const LR = 3u;

// All state is bound for writing, `time` too: it may lie in one buffer.
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<Lane>;    // [count]
@group(0) @binding(2) var<storage, read> g: array<Lane>;          // [count]
@group(0) @binding(3) var<storage, read_write> m: array<Lane>;    // [count]
@group(0) @binding(4) var<storage, read_write> v: array<Lane>;    // [count]
@group(0) @binding(5) var<storage, read_write> time: array<u32>; // [>= 4], read only

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let gradient = g[i];
    let first = m[i] + (gradient - m[i]) * params.rate_1;
    let second = v[i] * params.keep_2 + gradient * gradient * params.rate_2;
    m[i] = first;
    v[i] = second;
    let lr = bitcast<f32>(time[LR]);
    let step_size = lr / bitcast<f32>(time[CORRECTION_1]);
    let spread = sqrt(second) / sqrt(bitcast<f32>(time[CORRECTION_2])) + params.eps;
    p[i] = p[i] * (1.0 - lr * params.weight_decay) - step_size * (first / spread);
}
