// mse: the sum (times scale) of (a - b)^2 over each piece. Lanes stride over the
// piece; their partial sums are joined in order.
// Tile: one piece per workgroup of 64.

#include "common/linear_index.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    count: u32,   // elements
    piece: u32,   // elements of a piece
    pieces: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [count]
@group(0) @binding(2) var<storage, read> b: array<f32>;        // [count]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [pieces]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last piece repeat it, and store nothing.
    let place = linear_group(group, groups);
    let start = min(place, params.pieces - 1u) * params.piece;
    let end = min(start + params.piece, params.count);
    var partial = 0.0;
    for (var i = start + lane; i < end; i += LANES) {
        let d = a[i] - b[i];
        partial += d * d;
    }
    let total = row_sum(partial, lane, 0u);
    if lane == 0u && place < params.pieces {
        y[place] = total * params.scale;
    }
}
