// unary: dx = g * f'(x), pointwise; f is the permutation. `saved` is f(x) where
// the derivative is simplest in it (relu, tanh, sigmoid, exp, sqrt), else x.
// relu_guided is guided backpropagation's rule: max(0, g * 1[x > 0]).
// Tile: one element per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,
}

const SMALLEST_NORMAL = 1.17549435e-38;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [count]
@group(0) @binding(2) var<storage, read> saved: array<f32>;     // [count]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [count]

fn gradient(r: f32, s: f32) -> f32 {
#ifdef RELU
    return select(0.0, r, s > 0.0);
#endif
#ifdef RELU_GUIDED
    return select(0.0, max(r, 0.0), s > 0.0);
#endif
#ifdef TANH
    return r * (1.0 - s * s);
#endif
#ifdef SIGMOID
    return r * s * (1.0 - s);
#endif
#ifdef EXP
    return r * s;
#endif
#ifdef LOG
    return r / max(s, SMALLEST_NORMAL);
#endif
#ifdef SQUARE
    return 2.0 * r * s;
#endif
#ifdef SQRT
    return select(0.0, 0.5 * r / max(s, SMALLEST_NORMAL), s > 0.0);
#endif
#ifdef ABS
    return r * sign(s);
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        dx[i] = gradient(g[i], saved[i]);
    }
}
