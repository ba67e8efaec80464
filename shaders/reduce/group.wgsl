// reduce: x[outer, row, 1] -> y[outer, pieces, 1]: the sum (times scale) or maximum
// of each piece of a contiguous row. Lanes stride over the piece, then lane 0 joins
// their partial results in order.
// Tile: one result per workgroup of 64.

#include "common/linear_index.wgsl"
#include "common/combine.wgsl"

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [outer, row, 1]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [outer, pieces, 1]

var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_group(group, groups);
    let outer = min(i, params.count - 1u) / params.pieces;
    let start = (min(i, params.count - 1u) % params.pieces) * params.piece;
    let end = min(start + params.piece, params.row);
    let base = outer * params.row;
    // Lanes without an element of their own are left out at the end.
    var total = x[base + min(start + lane, end - 1u)];
    for (var r = start + lane + LANES; r < end; r += LANES) {
        total = combine(total, x[base + r]);
    }
    partial[lane] = total;
    workgroupBarrier();
    if lane == 0u && i < params.count {
        let used = min(LANES, end - start);
        for (var l = 1u; l < used; l += 1u) {
            total = combine(total, partial[l]);
        }
        y[i] = total * params.scale;
    }
}
