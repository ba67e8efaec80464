// bce_with_logits: the gradient of the logits, scale * g * (sigmoid(x) - t). The
// scalar g is read from its buffer.
// Tile: a part of a plane of targets per workgroup of 64, `each` targets or fours per
// invocation, for all channels that share them.

#include "common/lane.wgsl"
#include "common/plane.wgsl"
#include "common/pointwise.wgsl"

struct Params {
    planes: u32,    // of targets
    parts: u32,     // of a plane
    pixels: u32,    // elements of a plane, or fours
    each: u32,
    shared_by: u32, // neighbouring channels with the same targets
    scale: f32,     // 1 / number of logits
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;          // [1]
@group(0) @binding(2) var<storage, read> x: array<Lane>;         // [planes, shared_by, pixels]
@group(0) @binding(3) var<storage, read> targets: array<Lane>;   // [planes, pixels]
@group(0) @binding(4) var<storage, read_write> dx: array<Lane>;  // [planes, shared_by, pixels]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let part = plane_part(linear_group(group, groups), lane, params.planes, params.parts,
        params.pixels, params.each);
    let base = part.plane * params.pixels;
    let factor = params.scale * g[0];
    for (var i = part.first; i < part.end; i += PLANE_LANES) {
        let t = targets[base + i];
        var c = 0u;
        loop {
            let at = (part.plane * params.shared_by + c) * params.pixels + i;
            // sigmoid(x) - t without loss where they nearly agree.
            let v = x[at];
            let tail = safe_sigmoid(-abs(v));
            dx[at] = factor * select(tail - t, (1.0 - t) - tail, v >= Lane(0.0));
            continuing {
                c += 1u;
                break if c >= params.shared_by;
            }
        }
    }
}
