// layer_norm: the gradient of x. With n = (x - mean) / deviation and h = g * gain:
// dx = (h - mean(h) - n * mean(h * n)) / deviation.
// Tile: one row per workgroup of 64; lanes stride over the row.

#include "common/linear_index.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    rows: u32,
    width: u32,
    inverse_width: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;          // [rows, width]
@group(0) @binding(2) var<storage, read> x: array<f32>;          // [rows, width]
@group(0) @binding(3) var<storage, read> gain: array<f32>;       // [width]
@group(0) @binding(4) var<storage, read> statistics: array<f32>; // [rows, 2]: mean, 1 / deviation
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;   // [rows, width]

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
