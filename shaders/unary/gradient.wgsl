// unary: dx = g * f'(x), pointwise; f is the permutation. `saved` is f(x) where
// the derivative is simplest in it (relu, tanh, sigmoid, exp, sqrt), else x.
// relu_guided is guided backpropagation's rule: max(0, g * 1[x > 0]).
// Tile: `each` elements per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"
#include "common/normal.wgsl"

struct Params {
    count: u32, // elements, or fours
    each: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Lane>;         // [count]
@group(0) @binding(2) var<storage, read> saved: array<Lane>;     // [count]
@group(0) @binding(3) var<storage, read_write> dx: array<Lane>;  // [count]

fn gradient(r: Lane, s: Lane) -> Lane {
#ifdef RELU
    return select(Lane(0.0), r, s > Lane(0.0));
#endif
#ifdef RELU_GUIDED
    return select(Lane(0.0), max(r, Lane(0.0)), s > Lane(0.0));
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
    // Below the smallest normal number f is constant.
    return select(Lane(0.0), r / max(s, Lane(SMALLEST_NORMAL)), s >= Lane(SMALLEST_NORMAL));
#endif
#ifdef SQUARE
    return 2.0 * r * s;
#endif
#ifdef SQRT
    return select(Lane(0.0), 0.5 * r / max(s, Lane(SMALLEST_NORMAL)), s > Lane(0.0));
#endif
#ifdef ABS
    return r * sign(s);
#endif
#ifdef GELU
    return r * (normal_integral(s) + s * normal_density(s));
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        dx[i] = gradient(g[i], saved[i]);
    }
}
