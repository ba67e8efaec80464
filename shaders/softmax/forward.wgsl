// softmax: y = e^(x - max) / sum of them, over each row.
// Tile: one row per workgroup of 64; lanes stride over the row.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, width]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows, width]

var<workgroup> largest: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last row repeat it, and store nothing.
    let place = linear_group(group, groups);
    let base = min(place, params.rows - 1u) * params.width;
    // Lanes without an element of their own look at the last.
    var top = x[base + min(lane, params.width - 1u)];
    for (var j = lane + LANES; j < params.width; j += LANES) {
        top = max(top, x[base + j]);
    }
    largest[lane] = top;
    workgroupBarrier();
    for (var l = 0u; l < LANES; l += 1u) {
        top = max(top, largest[l]);
    }
    var partial = 0.0;
    for (var j = lane; j < params.width; j += LANES) {
        partial += safe_exp(x[base + j] - top);
    }
    // At least 1: the largest element's own term.
    let total = row_sum(partial, lane, 0u);
    if place < params.rows {
        for (var j = lane; j < params.width; j += LANES) {
            y[base + j] = safe_exp(x[base + j] - top) / total;
        }
    }
}
