// layer_norm: the gradient of x. With n = (x - mean) / deviation and h = g * gain:
// dx = (h - mean(h) - n * mean(h * n)) / deviation.
// Tile: one row per workgroup of 64; lanes stride over the row. With ROWS, for software
// devices: one row per invocation.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"
#ifndef ROWS
#include "common/row_sum.wgsl"
#endif

struct Params {
    rows: u32,
    width: u32,  // of a row, in elements or fours
    inverse_width: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<Lane>;         // [rows, width]
@group(0) @binding(2) var<storage, read> x: array<Lane>;         // [rows, width]
@group(0) @binding(3) var<storage, read> gain: array<Lane>;      // [width]
@group(0) @binding(4) var<storage, read> statistics: array<f32>; // [rows, 2]: mean, 1 / deviation
@group(0) @binding(5) var<storage, read_write> dx: array<Lane>;  // [rows, width]

#ifdef ROWS

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let row = linear_index(group, groups, lane, ROWS);
    if row >= params.rows {
        return;
    }
    let base = row * params.width;
    let mean = statistics[2u * row];
    let scale = statistics[2u * row + 1u];
    var sum_h = Lane();
    var sum_hn = Lane();
    for (var j = 0u; j < params.width; j += 1u) {
        let h = g[base + j] * gain[j];
        sum_h += h;
        sum_hn += h * ((x[base + j] - mean) * scale);
    }
    let mean_h = lane_sum(sum_h) * params.inverse_width;
    let mean_hn = lane_sum(sum_hn) * params.inverse_width;
    for (var j = 0u; j < params.width; j += 1u) {
        let n = (x[base + j] - mean) * scale;
        dx[base + j] = scale * (g[base + j] * gain[j] - mean_h - n * mean_hn);
    }
}

#else

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last row repeat it, and store nothing.
    let place = linear_group(group, groups);
    let row = min(place, params.rows - 1u);
    let base = row * params.width;
    let mean = statistics[2u * row];
    let scale = statistics[2u * row + 1u];
    var sum_h = 0.0;
    var sum_hn = 0.0;
    for (var j = lane; j < params.width; j += LANES) {
        let h = g[base + j] * gain[j];
        sum_h += h;
        sum_hn += h * (x[base + j] - mean) * scale;
    }
    let mean_h = row_sum(sum_h, lane, 0u) * params.inverse_width;
    let mean_hn = row_sum(sum_hn, lane, 1u) * params.inverse_width;
    if place < params.rows {
        for (var j = lane; j < params.width; j += LANES) {
            let n = (x[base + j] - mean) * scale;
            dx[base + j] = scale * (g[base + j] * gain[j] - mean_h - n * mean_hn);
        }
    }
}

#endif
