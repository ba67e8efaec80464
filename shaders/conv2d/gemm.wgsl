// conv2d: forward pass and input gradient as one implicit matrix product
//   y[n, m, p] = sum over (c, tap) of w(m, c, tap) x(n, c, p displaced by tap)
// (+ bias[m], then a pointwise tail), where p runs over the pixels of y. The
// permutations differ in how a pixel and a tap become an address in x:
//   FORWARD         x is the layer's input, y its output
//   INPUT_GRADIENT  x is the gradient of the output, y that of the input
//   VALID           forward without padding or upsampling: no bounds to check
//   SUBGROUP        lanes load one weight each and share it (subgroups of 8)
// Tile: 8 EIGHTS channels x PIXELS pixels per invocation, in registers; a workgroup
// of 64 takes 64 PIXELS neighbouring pixels (over images) and 8 EIGHTS channels.

#include "common/epilogue.wgsl"

struct Params {
    images: u32,
    in_channels: u32,  // C: channels of x
    in_height: u32,
    in_width: u32,
    out_channels: u32, // M: channels of y
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    pad: u32,
    upsample: u32,     // the layer's input is repeated that often along each axis
    w_m: u32,          // strides of w in elements; taps are contiguous
    w_c: u32,
    has_bias: u32,
    tail: u32,         // EPILOGUE_*
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [images, C, in_height, in_width]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [M, C, taps] or [C, M, taps]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [M] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<f32>;     // like y, if the tail is a gate
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [images, M, out_height, out_width]

fn store(image: u32, channel: u32, in_plane: u32, sum: f32) {
    let plane = params.out_height * params.out_width;
    let at = (image * params.out_channels + channel) * plane + in_plane;
    var value = sum;
    if params.has_bias == 1u {
        value += bias[channel];
    }
    var g = 0.0;
    if params.tail >= EPILOGUE_GATE {
        g = gate[at];
    }
    y[at] = epilogue(params.tail, value, g);
}

#ifndef VALID
// Where tap (dy, dx) of pixel (py, px) lies in a plane of x, or -1 outside.
// `sub` counts the positions of an upsampled input pixel.
fn place(py: i32, px: i32, dy: i32, dx: i32, sub_y: i32, sub_x: i32) -> i32 {
    let height = i32(params.in_height);
    let width = i32(params.in_width);
    let stride = i32(params.stride);
    let up = i32(params.upsample);
#ifdef FORWARD
    let iy = py * stride + dy - i32(params.pad);
    let ix = px * stride + dx - i32(params.pad);
    let inside = iy >= 0 && ix >= 0 && iy < height * up && ix < width * up;
    return select(-1, (iy / up) * width + ix / up, inside);
#else
    // The output pixel o for which o * stride + tap - pad is this input pixel.
    let oy = py * up + sub_y + i32(params.pad) - dy;
    let ox = px * up + sub_x + i32(params.pad) - dx;
    let ry = oy / stride;
    let rx = ox / stride;
    let inside = oy >= 0 && ox >= 0 && ry * stride == oy && rx * stride == ox && ry < height && rx < width;
    return select(-1, ry * width + rx, inside);
#endif
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
#ifdef SUBGROUP
        , @builtin(subgroup_invocation_id) subgroup_lane: u32
#endif
) {
    let plane = params.out_height * params.out_width;
    let count = params.images * plane;
    let in_plane = params.in_height * params.in_width;
    let m_first = group.y * EIGHTS * 8u;
    let first = group.x * LANES * PIXELS + lane;
#repeat t 0 PIXELS
    let p_$t = min(first + $tu * LANES, count - 1u);
    let image_$t = p_$t / plane;
    let pixel_$t = p_$t % plane;
#ifdef VALID
    let base_$t = image_$t * params.in_channels * in_plane
        + (pixel_$t / params.out_width) * params.stride * params.in_width
        + (pixel_$t % params.out_width) * params.stride;
#else
    let py_$t = i32(pixel_$t / params.out_width);
    let px_$t = i32(pixel_$t % params.out_width);
    let base_$t = image_$t * params.in_channels * in_plane;
#endif
#repeat s 0 EIGHTS
#repeat l 0 8
    var sum_$s_$l_$t = 0.0;
#end
#end
#end
#repeat s 0 EIGHTS
#ifdef SUBGROUP
    let w_$s = min(m_first + $su * 8u + subgroup_lane, params.out_channels - 1u) * params.w_m;
#else
#repeat l 0 8
    let w_$s_$l = min(m_first + $su * 8u + $lu, params.out_channels - 1u) * params.w_m;
#end
#endif
#end

#ifdef INPUT_GRADIENT
    for (var sub = 0u; sub < params.upsample * params.upsample; sub += 1u) {
    let sub_y = i32(sub / params.upsample);
    let sub_x = i32(sub % params.upsample);
#endif
    for (var dy = 0u; dy < params.kernel_height; dy += 1u) {
        for (var dx = 0u; dx < params.kernel_width; dx += 1u) {
            let tap = dy * params.kernel_width + dx;
#ifdef VALID
            let tap_at = dy * params.in_width + dx;
#repeat t 0 PIXELS
            var at_$t = base_$t + tap_at;
#end
#else
#ifdef FORWARD
            let sub_y = 0;
            let sub_x = 0;
#endif
#repeat t 0 PIXELS
            let place_$t = place(py_$t, px_$t, i32(dy), i32(dx), sub_y, sub_x);
            let inside_$t = place_$t >= 0;
            var at_$t = base_$t + u32(max(place_$t, 0));
#end
#endif
            for (var c = 0u; c < params.in_channels; c += 1u) {
                let at_w = c * params.w_c + tap;
#repeat t 0 PIXELS
#ifdef VALID
                let x_$t = x[at_$t];
#else
                let x_$t = select(0.0, x[at_$t], inside_$t);
#endif
                at_$t += in_plane;
#end
#repeat s 0 EIGHTS
#ifdef SUBGROUP
                let share_$s = w[w_$s + at_w];
#endif
#repeat l 0 8
#ifdef SUBGROUP
                let weight_$s_$l = subgroupBroadcast(share_$s, $lu);
#else
                let weight_$s_$l = w[w_$s_$l + at_w];
#endif
#repeat t 0 PIXELS
                sum_$s_$l_$t = fma(weight_$s_$l, x_$t, sum_$s_$l_$t);
#end
#end
#end
            }
        }
    }
#ifdef INPUT_GRADIENT
    }
#endif

#repeat t 0 PIXELS
    if first + $tu * LANES < count {
#repeat s 0 EIGHTS
#repeat l 0 8
        if m_first + $su * 8u + $lu < params.out_channels {
            store(image_$t, m_first + $su * 8u + $lu, pixel_$t, sum_$s_$l_$t);
        }
#end
#end
    }
#end
}
