// matmul: adds the pieces that splits over k left, in order, then the bias and the
// pointwise tail.
// Tile: one result per invocation.

#include "common/linear_index.wgsl"
#include "common/epilogue.wgsl"

struct Params {
    count: u32,    // m * n
    n: u32,
    splits: u32,
    has_bias: u32,
    tail: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;  // [splits, m, n]
@group(0) @binding(2) var<storage, read> bias: array<f32>;     // [n] if has_bias
@group(0) @binding(3) var<storage, read> gate: array<f32>;     // [m, n] if the tail is a gate
@group(0) @binding(4) var<storage, read_write> c: array<f32>;  // [m, n]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    var total = partial[i];
    for (var s = 1u; s < params.splits; s += 1u) {
        total += partial[s * params.count + i];
    }
    if params.has_bias == 1u {
        total += bias[i % params.n];
    }
    var g = 0.0;
    if params.tail >= EPILOGUE_GATE {
        g = gate[i];
    }
    c[i] = epilogue(params.tail, total, g);
}
