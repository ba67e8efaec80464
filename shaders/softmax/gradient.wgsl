// softmax: dx = y * (g - sum over the row of g * y).
// Tile: one row per workgroup of 64; lanes stride over the row.

#include "common/linear_index.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [rows, width]
@group(0) @binding(2) var<storage, read> y: array<f32>;         // [rows, width]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [rows, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last row repeat it, and store nothing.
    let place = linear_group(group, groups);
    let base = min(place, params.rows - 1u) * params.width;
    var partial = 0.0;
    for (var j = lane; j < params.width; j += LANES) {
        partial += g[base + j] * y[base + j];
    }
    let total = row_sum(partial, lane, 0u);
    if place < params.rows {
        for (var j = lane; j < params.width; j += LANES) {
            dx[base + j] = y[base + j] * (g[base + j] - total);
        }
    }
}
