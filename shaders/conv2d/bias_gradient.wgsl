// conv2d: gradient of the bias where the weights' kernel does not sum it beside:
//   db[m] = sum over (n, i, j) of g(n, m, i, j)
// Tile: one channel per workgroup; lanes stride over its pixels, image by image, and
// their sums are added in lane order.

#include "common/linear_index.wgsl"

struct Params {
    images: u32,
    channels: u32, // M
    plane: u32,    // pixels of one channel of g
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [images, M, plane]
@group(0) @binding(2) var<storage, read_write> db: array<f32>;  // [M]

var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    // Workgroups beyond the last channel repeat it, and store nothing.
    let place = linear_group(group, groups);
    let m = min(place, params.channels - 1u);
    var sum = 0.0;
    for (var image = 0u; image < params.images; image += 1u) {
        let first = (image * params.channels + m) * params.plane;
        for (var p = lane; p < params.plane; p += LANES) {
            sum += g[first + p];
        }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane == 0u && place < params.channels {
        var total = sums[0];
        for (var l = 1u; l < LANES; l += 1u) {
            total += sums[l];
        }
        db[m] = total;
    }
}
