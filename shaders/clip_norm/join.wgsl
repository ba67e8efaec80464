// clip_norm: the norm of all pieces from their scaled sums of squares. Lanes stride
// over the pieces, then lane 0 joins them in order.
// Tile: one workgroup of 64.

#include "common/norm.wgsl"

struct Params {
    pieces: u32,
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> largest: array<f32>;     // [pieces]
@group(0) @binding(2) var<storage, read> squares: array<f32>;     // [pieces]
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;  // [1]

var<workgroup> magnitude: array<f32, LANES>;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var top = 0.0;
    for (var i = lane; i < params.pieces; i += LANES) {
        top = max(top, largest[i]);
    }
    magnitude[lane] = top;
    workgroupBarrier();
    top = magnitude[0];
    for (var l = 1u; l < LANES; l += 1u) {
        top = max(top, magnitude[l]);
    }
    var total = 0.0;
    for (var i = lane; i < params.pieces; i += LANES) {
        total += squares[i] * scaled_square(largest[i], top);
    }
    partial[lane] = total;
    workgroupBarrier();
    if lane == 0u {
        for (var l = 1u; l < LANES; l += 1u) {
            total += partial[l];
        }
        // A norm beyond f32 is its largest number, not infinity. What a NaN comes to differs by
        // device.
        let root = sqrt(total);
        norm[0] = select(top * root, LARGEST, root > LARGEST / max(top, 1.0));
    }
}
