// reduce: x[outer, row, inner] -> y[outer, pieces, inner]: the sum (times scale) or
// maximum of each piece of a row, first element to last.
// Tile: one result per invocation, or with QUADS, where inner is so many, a four.

#include "common/linear_index.wgsl"
#include "common/combine.wgsl"

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [outer, row, inner]
@group(0) @binding(2) var<storage, read_write> y: array<Lane>;  // [outer, pieces, inner]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let in_row = i % params.inner;
    let piece = (i / params.inner) % params.pieces;
    let outer = i / (params.inner * params.pieces);
    let start = piece * params.piece;
    let end = min(start + params.piece, params.row);
    let base = outer * params.row * params.inner + in_row;
    var total = x[base + start * params.inner];
    for (var r = start + 1u; r < end; r += 1u) {
        total = combine(total, x[base + r * params.inner]);
    }
    y[i] = total * params.scale;
}
