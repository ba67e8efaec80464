// binary: y = f(a, b), pointwise with broadcasting over up to four dimensions; f is
// the permutation. Broadcast dimensions have stride 0. With QUADS a four of y is one of a
// and of b, or one element of either for all four.
// LESS is 1 where a < b, 1/2 where they are equal (ties share a gradient), else 0; FIRST is a
// alone, which broadcasts it.
// Tile: `each` elements per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // elements, or fours
    each: u32,
    same: u32,   // 1 if a and b have y's shape: no index arithmetic needed
    size_1: u32, // y is [size_0, size_1, size_2, size_3]
    size_2: u32,
    size_3: u32, // in elements, or fours
    a_0: u32, a_1: u32, a_2: u32, a_3: u32, // strides of a in elements
    b_0: u32, b_1: u32, b_2: u32, b_3: u32, // strides of b
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Lane>;        // broadcasts to y's shape
@group(0) @binding(2) var<storage, read> b: array<Lane>;        // broadcasts to y's shape
@group(0) @binding(3) var<storage, read_write> y: array<Lane>;  // [size_0, size_1, size_2, size_3]

fn f(u: Lane, v: Lane) -> Lane {
#ifdef ADD
    return u + v;
#endif
#ifdef SUB
    return u - v;
#endif
#ifdef MUL
    return u * v;
#endif
#ifdef DIV
    return u / v;
#endif
#ifdef MIN
    return min(u, v);
#endif
#ifdef MAX
    return max(u, v);
#endif
#ifdef LESS
    return select(select(Lane(0.0), Lane(0.5), u == v), Lane(1.0), u < v);
#endif
#ifdef EQUAL
    return select(Lane(0.0), Lane(1.0), u == v);
#endif
#ifdef FIRST
    return u;
#endif
}

// What y has of operands from these elements on.
fn of_a(at: u32) -> Lane {
#ifdef QUADS
    if params.a_3 == 0u {
        return Lane(a[at / 4u][at % 4u]);
    }
    return a[at / 4u];
#else
    return a[at];
#endif
}

fn of_b(at: u32) -> Lane {
#ifdef QUADS
    if params.b_3 == 0u {
        return Lane(b[at / 4u][at % 4u]);
    }
    return b[at / 4u];
#else
    return b[at];
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        if params.same == 1u {
            y[i] = f(a[i], b[i]);
            continue;
        }
        let i_3 = i % params.size_3 * u32(LANE_ELEMENTS);
        let row = i / params.size_3;
        let i_2 = row % params.size_2;
        let plane = row / params.size_2;
        let i_1 = plane % params.size_1;
        let i_0 = plane / params.size_1;
        let at_a = i_0 * params.a_0 + i_1 * params.a_1 + i_2 * params.a_2 + i_3 * params.a_3;
        let at_b = i_0 * params.b_0 + i_1 * params.b_1 + i_2 * params.b_2 + i_3 * params.b_3;
        y[i] = f(of_a(at_a), of_b(at_b));
    }
}
