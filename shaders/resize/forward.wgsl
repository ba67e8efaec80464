// resize: pictures at another size, by nearest neighbour or bilinear with half-pixel
// centres (HALF_PIXEL) or aligned corners (ALIGNED); see common/resize_axis.wgsl.
// Tile: one output pixel per invocation.

#include "common/linear_index.wgsl"
#include "common/resize_axis.wgsl"

struct Params {
    in_height: u32,  // H
    in_width: u32,   // W
    out_height: u32, // h
    out_width: u32,  // w
    count: u32,      // B * C * h * w
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B, C, h, w]

fn axis(i: u32, pixels: u32, out: u32) -> Tap {
#ifdef NEAREST
    return nearest_tap(i, pixels, out);
#endif
#ifdef HALF_PIXEL
    return half_pixel_tap(i, pixels, out);
#endif
#ifdef ALIGNED
    return aligned_tap(i, pixels, out);
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let plane = index / (params.out_width * params.out_height);
        let rows = axis(index / params.out_width % params.out_height, params.in_height, params.out_height);
        let columns = axis(index % params.out_width, params.in_width, params.out_width);
        let upper = (plane * params.in_height + rows.low) * params.in_width;
#ifdef NEAREST
        y[index] = x[upper + columns.low];
#else
        let lower = (plane * params.in_height + rows.high) * params.in_width;
        let above = x[upper + columns.low] * (1.0 - columns.fraction) + x[upper + columns.high] * columns.fraction;
        let below = x[lower + columns.low] * (1.0 - columns.fraction) + x[lower + columns.high] * columns.fraction;
        y[index] = above * (1.0 - rows.fraction) + below * rows.fraction;
#endif
    }
}
