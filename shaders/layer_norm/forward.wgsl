// layer_norm: y = (x - mean) / sqrt(variance + eps) * gain + bias over each row,
// with the biased variance (Ba et al. 2016). The mean is subtracted before squaring:
// no cancellation where it is large. Mean and 1 / sqrt(...) are kept for the gradient.
// Tile: one row per workgroup of 64; lanes stride over the row. With ROWS, for software
// devices, where barriers are dear and neighbouring addresses gain nothing: one row per
// invocation, and moments of blocks are joined, so that it is read twice, not thrice.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"
#ifdef ROWS
#include "common/moments.wgsl"
#else
#include "common/row_sum.wgsl"
#endif

struct Params {
    rows: u32,
    width: u32,  // of a row, in elements or fours
    inverse_width: f32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;               // [rows, width]
@group(0) @binding(2) var<storage, read> gain: array<Lane>;            // [width]
@group(0) @binding(3) var<storage, read> bias: array<Lane>;            // [width]
@group(0) @binding(4) var<storage, read_write> y: array<Lane>;         // [rows, width]
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>; // [rows, 2]: mean, 1 / deviation

#ifdef ROWS

// Elements, or fours, whose mean is taken before they are squared.
const BLOCK = 4u;

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let row = linear_index(group, groups, lane, ROWS);
    if row >= params.rows {
        return;
    }
    let base = row * params.width;
    let end = base + params.width;
    let whole = end - params.width % BLOCK;
    var moments = Moments(0.0, 0.0, 0.0);
    for (var at = base; at < whole; at += BLOCK) {
#repeat i 0 4
        let x_$i = x[at + $iu];
#end
        let mean = lane_sum((x_0 + x_1) + (x_2 + x_3)) / (f32(BLOCK) * LANE_ELEMENTS);
#repeat i 0 4
        let d_$i = x_$i - mean;
#end
        let squares = lane_sum((d_0 * d_0 + d_1 * d_1) + (d_2 * d_2 + d_3 * d_3));
        moments = joined(moments, Moments(f32(BLOCK) * LANE_ELEMENTS, mean, squares));
    }
    for (var at = whole; at < end; at += 1u) {
        let x_0 = x[at];
        let mean = lane_sum(x_0) / LANE_ELEMENTS;
        let d_0 = x_0 - mean;
        moments = joined(moments, Moments(LANE_ELEMENTS, mean, lane_sum(d_0 * d_0)));
    }
    let mean = moments.mean;
    let scale = 1.0 / sqrt(moments.squares * params.inverse_width + params.eps);
    for (var j = 0u; j < params.width; j += 1u) {
        y[base + j] = (x[base + j] - mean) * scale * gain[j] + bias[j];
    }
    statistics[2u * row] = mean;
    statistics[2u * row + 1u] = scale;
}

#else

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

#endif
