// conv2d: gradients of weights and bias, second pass: adds the pieces in order.
// Tile: one weight or bias per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,         // weights
    bias_count: u32,    // M, or 0 where there is no bias to sum
    pieces: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;        // [pieces, count]
@group(0) @binding(2) var<storage, read> partial_bias: array<f32>;   // [pieces, bias_count]
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;       // [count]
@group(0) @binding(4) var<storage, read_write> db: array<f32>;       // [bias_count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i < params.count {
        var total = partial[i];
        for (var s = 1u; s < params.pieces; s += 1u) {
            total += partial[s * params.count + i];
        }
        dw[i] = total;
    } else if i - params.count < params.bias_count {
        let m = i - params.count;
        var total = partial_bias[m];
        for (var s = 1u; s < params.pieces; s += 1u) {
            total += partial_bias[s * params.bias_count + m];
        }
        db[m] = total;
    }
}
