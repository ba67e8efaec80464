// conv2d: forward pass and input gradient as one implicit matrix product
//   y[n, m, p] = sum over (c, tap) of w(m, c, tap) x(n, c, p displaced by tap)
// (+ bias[m], then a pointwise tail), where p runs over the pixels of y. The
// permutations differ in how a pixel and a tap become an address in x:
//   VALID           x is the layer's input, y its output; no padding or upsampling, so
//                   there are no bounds to check
//   PADDED          the same with padding and upsampling
//   INPUT_GRADIENT  x is the gradient of the output, y that of the input
//   UNIT_STRIDE     input gradient of stride 1
//   SUBGROUP        lanes load one weight each and share it (subgroups of 8)
// Tile: 8 EIGHTS channels x PIXELS pixels per invocation, in registers; a workgroup
// of 64 takes 64 PIXELS neighbouring pixels (over images) and 8 EIGHTS channels.

#include "common/epilogue.wgsl"
#include "common/pixel.wgsl"

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
    upsample_log2: u32, // the layer's input is repeated 2^that times along each axis
    w_m: u32,          // strides of w in elements; taps are contiguous
    w_c: u32,
    has_bias: u32,
    tail: u32,         // EPILOGUE_*
    scale: f32,        // factor of the sums
    step_image: u32,   // LANES pixels further on: images, rows, columns
    step_row: u32,
    step_column: u32,
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
    var value = sum * params.scale;
    if params.has_bias == 1u {
        value += bias[channel];
    }
    var g = 0.0;
    if params.tail >= EPILOGUE_GATE {
        g = gate[at];
    }
    y[at] = epilogue(params.tail, value, g);
}

// Integer divisions are dear (one lane at a time on software Vulkan): a pixel's
// place is divided out once and then moved along, and taps are found without any.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
#ifdef SUBGROUP
        , @builtin(subgroup_invocation_id) subgroup_lane: u32
#endif
) {
    let plane = params.out_height * params.out_width;
    let in_plane = params.in_height * params.in_width;
    let m_first = group.y * EIGHTS * 8u;
    let first = group.x * LANES * PIXELS + lane;
    let in_image = params.in_channels * in_plane;
    let within = first % plane;
    var pixel = Pixel(first / plane, within / params.out_width, within % params.out_width);
#repeat t 0 PIXELS
    let live_$t = pixel.image < params.images;
    let image_$t = select(0u, pixel.image, live_$t);
    let row_$t = select(0u, pixel.row, live_$t);
    let column_$t = select(0u, pixel.column, live_$t);
    pixel = advance(pixel);
#ifdef VALID
    let base_$t = image_$t * in_image + (row_$t * params.in_width + column_$t) * params.stride;
#else
    let base_$t = image_$t * in_image;
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

#ifndef VALID
#ifdef PADDED
    let in_rows = i32(params.in_height << params.upsample_log2);
    let in_columns = i32(params.in_width << params.upsample_log2);
#else
    let in_rows = i32(params.in_height);
    let in_columns = i32(params.in_width);
#endif
#endif
#ifdef INPUT_GRADIENT
    let repeats = 1u << params.upsample_log2;
    for (var sub_y = 0u; sub_y < repeats; sub_y += 1u) {
    for (var sub_x = 0u; sub_x < repeats; sub_x += 1u) {
    // Output pixel o sees this input pixel through tap d if o * stride + d = here:
    // d must leave the same remainder, and o is the difference of the quotients.
#repeat t 0 PIXELS
    let here_y_$t = (row_$t << params.upsample_log2) + sub_y + params.pad;
    let here_x_$t = (column_$t << params.upsample_log2) + sub_x + params.pad;
#ifdef UNIT_STRIDE
    let quotient_y_$t = i32(here_y_$t);
    let quotient_x_$t = i32(here_x_$t);
#else
    let quotient_y_$t = i32(here_y_$t / params.stride);
    let quotient_x_$t = i32(here_x_$t / params.stride);
    let remainder_y_$t = here_y_$t % params.stride;
    let remainder_x_$t = here_x_$t % params.stride;
#endif
#end
#endif
    for (var dy = 0u; dy < params.kernel_height; dy += 1u) {
        for (var dx = 0u; dx < params.kernel_width; dx += 1u) {
            let tap = dy * params.kernel_width + dx;
#ifdef VALID
            let tap_at = dy * params.in_width + dx;
#repeat t 0 PIXELS
            var at_$t = base_$t + tap_at;
#end
#endif
#ifdef PADDED
#repeat t 0 PIXELS
            let y_$t = i32(row_$t * params.stride + dy) - i32(params.pad);
            let x_$t = i32(column_$t * params.stride + dx) - i32(params.pad);
            let inside_$t = y_$t >= 0 && x_$t >= 0 && y_$t < in_rows && x_$t < in_columns;
            let at_source_$t = u32(y_$t >> params.upsample_log2) * params.in_width + u32(x_$t >> params.upsample_log2);
            var at_$t = base_$t + select(0u, at_source_$t, inside_$t);
#end
#endif
#ifdef INPUT_GRADIENT
#ifdef UNIT_STRIDE
            let tap_y = i32(dy);
            let tap_x = i32(dx);
#else
            let tap_y = i32(dy / params.stride);
            let tap_x = i32(dx / params.stride);
#endif
#repeat t 0 PIXELS
            let y_$t = quotient_y_$t - tap_y;
            let x_$t = quotient_x_$t - tap_x;
            let inside_$t = y_$t >= 0 && x_$t >= 0 && y_$t < in_rows && x_$t < in_columns
#ifndef UNIT_STRIDE
                && remainder_y_$t == dy % params.stride && remainder_x_$t == dx % params.stride
#endif
                ;
            var at_$t = base_$t + select(0u, u32(y_$t) * params.in_width + u32(x_$t), inside_$t);
#end
#endif
            // UNROLL channels at a time: a sum is written back once for all of them,
            // which counts where the compiler keeps registers in memory and masks
            // every write to them (software Vulkan).
            for (var c = 0u; c < params.in_channels; c += UNROLL) {
#repeat u 0 UNROLL
                let used_$u = c + $uu < params.in_channels;
                let channel_$u = select(0u, $uu, used_$u);
#repeat t 0 PIXELS
#ifdef VALID
                let v_$t_$u = x[at_$t + channel_$u * in_plane];
#else
                let v_$t_$u = select(0.0, x[at_$t + channel_$u * in_plane], inside_$t);
#endif
#end
#repeat s 0 EIGHTS
#ifdef SUBGROUP
                let share_$s_$u = select(0.0, w[w_$s + (c + channel_$u) * params.w_c + tap], used_$u);
#endif
#end
#end
#repeat s 0 EIGHTS
#repeat l 0 8
                {
#repeat u 0 UNROLL
#ifdef SUBGROUP
                    let weight_$u = subgroupBroadcast(share_$s_$u, $lu);
#else
                    let weight_$u = select(0.0, w[w_$s_$l + (c + channel_$u) * params.w_c + tap], used_$u);
#endif
#end
#repeat t 0 PIXELS
                    {
                        var sum = sum_$s_$l_$t;
#repeat u 0 UNROLL
                        sum = fma(weight_$u, v_$t_$u, sum);
#end
                        sum_$s_$l_$t = sum;
                    }
#end
                }
#end
#end
#repeat t 0 PIXELS
                at_$t += UNROLL * in_plane;
#end
            }
        }
    }
#ifdef INPUT_GRADIENT
    }
    }
#endif

#repeat t 0 PIXELS
    if live_$t {
#repeat s 0 EIGHTS
#repeat l 0 8
        if m_first + $su * 8u + $lu < params.out_channels {
            store(image_$t, m_first + $su * 8u + $lu, row_$t * params.out_width + column_$t, sum_$s_$l_$t);
        }
#end
#end
    }
#end
}
