// layer_norm: y = (x - mean) / sqrt(variance + eps) * gain + bias over each row,
// with the biased variance (Ba et al. 2016). The mean is subtracted before squaring:
// no cancellation where it is large. Mean and 1 / sqrt(...) are kept for the gradient.
// Tile: one row per workgroup of 64; lanes stride over the row.

#include "common/linear_index.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    rows: u32,
    width: u32,
    inverse_width: f32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [rows, width]
@group(0) @binding(2) var<storage, read> gain: array<f32>;             // [width]
@group(0) @binding(3) var<storage, read> bias: array<f32>;             // [width]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;          // [rows, width]
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>; // [rows, 2]: mean, 1 / deviation

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last row repeat it, and store nothing.
    let place = linear_group(group, groups);
    let row = min(place, params.rows - 1u);
    let base = row * params.width;
    var partial = 0.0;
    for (var j = lane; j < params.width; j += LANES) {
        partial += x[base + j];
    }
    let mean = row_sum(partial, lane, 0u) * params.inverse_width;
    partial = 0.0;
    for (var j = lane; j < params.width; j += LANES) {
        let d = x[base + j] - mean;
        partial += d * d;
    }
    let variance = row_sum(partial, lane, 1u) * params.inverse_width;
    let scale = 1.0 / sqrt(variance + params.eps);
    if place < params.rows {
        for (var j = lane; j < params.width; j += LANES) {
            y[base + j] = (x[base + j] - mean) * scale * gain[j] + bias[j];
        }
        if lane == 0u {
            statistics[2u * row] = mean;
            statistics[2u * row + 1u] = scale;
        }
    }
}
