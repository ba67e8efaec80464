// unary: y = f(x), pointwise; f is the permutation.
// Tile: `each` elements per invocation, or fours, 64 apart.

#include "common/linear_index.wgsl"
#include "common/normal.wgsl"
#include "common/pointwise.wgsl"

struct Params {
    count: u32, // elements, or fours
    each: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [count]
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [count]

fn f(v: Lane) -> Lane {
#ifdef RELU
    return max(v, Lane(0.0));
#endif
#ifdef TANH
    return safe_tanh(v);
#endif
#ifdef SIGMOID
    return safe_sigmoid(v);
#endif
#ifdef EXP
    return safe_exp(v);
#endif
#ifdef LOG
    return log(max(v, Lane(SMALLEST_NORMAL)));
#endif
#ifdef SQUARE
    return v * v;
#endif
#ifdef SQRT
    return sqrt(max(v, Lane(0.0)));
#endif
#ifdef ABS
    return abs(v);
#endif
#ifdef GELU
    return v * normal_integral(v);
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        y[i] = f(x[i]);
    }
}
