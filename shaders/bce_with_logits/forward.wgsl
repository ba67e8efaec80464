// bce_with_logits: the sum (times scale) over each piece of the binary cross-entropy
// of targets and sigmoid(x). It is |x| * (1 - t where x >= 0, else t) + ln(1 + e^-|x|):
// nothing overflows or cancels, however sure the logit.
// Tile: one piece per workgroup of 64; lanes stride over it.

#include "common/linear_index.wgsl"
#include "common/pointwise.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    count: u32,   // elements: B * C * plane
    piece: u32,   // elements of a piece
    pieces: u32,
    plane: u32,   // elements of a channel
    shared_by: u32, // neighbouring channels with the same targets
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, plane]
@group(0) @binding(2) var<storage, read> targets: array<f32>;  // [B, C / shared_by, plane]
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
        let t = targets[i / params.plane / params.shared_by * params.plane + i % params.plane];
        let v = x[i];
        partial += abs(v) * select(t, 1.0 - t, v >= 0.0) + softplus(-abs(v));
    }
    let total = row_sum(partial, lane, 0u);
    if lane == 0u && place < params.pieces {
        y[place] = total * params.scale;
    }
}
