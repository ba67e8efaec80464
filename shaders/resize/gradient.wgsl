// resize: dx: each source pixel sums the outputs made of it, row by row, with the
// weight that it had in them.
// Tile: one source pixel per invocation.

#include "common/linear_index.wgsl"
#include "common/resize_axis.wgsl"

struct Params {
    in_height: u32,  // H
    in_width: u32,   // W
    out_height: u32, // h
    out_width: u32,  // w
    count: u32,      // B * C * H * W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;         // [B, C, h, w]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [B, C, H, W]

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

// First and end of a range of outputs that holds all those made of source pixel p:
// those whose position lies above p - 1 and below p + 1, and at most two more at
// either end, whose weight is 0.
fn users(p: u32, pixels: u32, out: u32) -> vec2u {
#ifdef NEAREST
    return vec2u((p * out + pixels - 1u) / pixels, min(((p + 1u) * out + pixels - 1u) / pixels, out));
#endif
#ifdef HALF_PIXEL
    let first = (max(2u * p, 1u) - 1u) * out / (2u * pixels);
    let last = (2u * p + 3u) * out / (2u * pixels) + 1u;
    return vec2u(select(max(first, 1u) - 1u, 0u, p == 0u), min(last + 1u, out));
#endif
#ifdef ALIGNED
    if pixels == 1u {
        return vec2u(0u, out);
    }
    let first = (max(p, 1u) - 1u) * (out - 1u) / (pixels - 1u);
    let last = (p + 1u) * (out - 1u) / (pixels - 1u) + 1u;
    return vec2u(first, min(last + 1u, out));
#endif
}

// The weight of source pixel p in an output.
fn weight(t: Tap, p: u32) -> f32 {
    return select(0.0, 1.0 - t.fraction, t.low == p) + select(0.0, t.fraction, t.high == p);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index < params.count {
        let row = index / params.in_width % params.in_height;
        let column = index % params.in_width;
        let plane = index / (params.in_width * params.in_height);
        let rows = users(row, params.in_height, params.out_height);
        let columns = users(column, params.in_width, params.out_width);
        var sum = 0.0;
        for (var i = rows.x; i < rows.y; i++) {
            let row_weight = weight(axis(i, params.in_height, params.out_height), row);
            for (var j = columns.x; j < columns.y; j++) {
                let column_weight = weight(axis(j, params.in_width, params.out_width), column);
                sum += row_weight * column_weight * g[(plane * params.out_height + i) * params.out_width + j];
            }
        }
        dx[index] = sum;
    }
}
