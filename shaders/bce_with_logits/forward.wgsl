// bce_with_logits: the sum (times scale) over each piece of the binary cross-entropy
// of targets and sigmoid(x). It is |x| * (1 - t where x >= 0, else t) + ln(1 + e^-|x|):
// nothing overflows or cancels, however sure the logit.
// Tile: a part of a plane of targets per workgroup of 64, `each` targets or fours per
// invocation, for all channels that share them.

#include "common/lane.wgsl"
#include "common/plane.wgsl"
#include "common/pointwise.wgsl"
#include "common/row_sum.wgsl"

struct Params {
    planes: u32,    // of targets
    parts: u32,     // of a plane
    pixels: u32,    // elements of a plane, or fours
    each: u32,
    shared_by: u32, // neighbouring channels with the same targets
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [planes, shared_by, pixels]
@group(0) @binding(2) var<storage, read> targets: array<Lane>;  // [planes, pixels]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [planes, parts]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let place = linear_group(group, groups);
    let part = plane_part(place, lane, params.planes, params.parts, params.pixels, params.each);
    let base = part.plane * params.pixels;
    var partial = Lane(0.0);
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        let t = targets[base + i];
        var c = 0u;
        loop {
            let v = x[(part.plane * params.shared_by + c) * params.pixels + i];
            partial += abs(v) * select(t, 1.0 - t, v >= Lane(0.0)) + softplus(-abs(v));
            continuing {
                c += 1u;
                break if c >= params.shared_by;
            }
        }
    }
    // Workgroups beyond the last plane take part in the sum, for its barrier, and store nothing.
    let total = row_sum(lane_sum(partial), lane, 0u);
    if lane == 0u && part.plane < params.planes {
        y[place] = total * params.scale;
    }
}
