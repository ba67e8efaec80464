// clip_norm: the largest magnitude and the scaled sum of squares (common/norm.wgsl)
// of each piece of x. Lanes stride over the piece, then lane 0 joins them in order.
// Tile: one piece per workgroup of 64.

#include "common/linear_index.wgsl"
#include "common/norm.wgsl"

struct Params {
    count: u32,  // elements of x
    piece: u32,  // elements of a piece
    pieces: u32,
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [count]
@group(0) @binding(2) var<storage, read_write> largest: array<f32>;  // [pieces]
@group(0) @binding(3) var<storage, read_write> squares: array<f32>;  // [pieces]

var<workgroup> magnitude: array<f32, LANES>;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let piece = linear_group(group, groups);
    let start = min(piece, params.pieces - 1u) * params.piece;
    let end = min(start + params.piece, params.count);
    var top = 0.0;
    for (var i = start + lane; i < end; i += LANES) {
        top = max(top, abs(x[i]));
    }
    magnitude[lane] = top;
    workgroupBarrier();
    top = magnitude[0];
    for (var l = 1u; l < LANES; l += 1u) {
        top = max(top, magnitude[l]);
    }
    var total = 0.0;
    for (var i = start + lane; i < end; i += LANES) {
        total += scaled_square(x[i], top);
    }
    partial[lane] = total;
    workgroupBarrier();
    if lane == 0u && piece < params.pieces {
        for (var l = 1u; l < LANES; l += 1u) {
            total += partial[l];
        }
        largest[piece] = top;
        squares[piece] = total;
    }
}
