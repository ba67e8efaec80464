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
//   TILED           tiles of channels and pixels in workgroup memory, for devices where
//                   that is quick memory; the sum runs over channels and taps as one k
//   F16             with TILED: operands staged as f16
// Tile: 8 EIGHTS channels x PIXELS pixels per invocation, in registers; a workgroup
// of 64 takes 64 PIXELS neighbouring pixels (over images) and 8 EIGHTS channels. With
// TILED: 4 ROW_QUADS ROW_SIDE channels x 4 COLUMN_QUADS COLUMN_SIDE pixels per workgroup.

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
    // LANES pixels further on: images, rows, columns; with TILED STEP terms further on:
    // channels, rows and columns of the kernel.
    step_image: u32,
    step_row: u32,
    step_column: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [images, C, in_height, in_width]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [M, C, taps] or [C, M, taps]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [M] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<f32>;     // like y, if the tail is a gate
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [images, M, out_height, out_width]

// Where pixel j of the first channel lies.
fn result_at(piece: u32, j: u32) -> u32 {
    let plane = params.out_height * params.out_width;
    return j / plane * params.out_channels * plane + j % plane;
}

// Stores the sum of a channel at a pixel that lies at `pixel` in the first channel.
fn store(pixel: u32, channel: u32, j: u32, sum: f32) {
    let at = pixel + channel * params.out_height * params.out_width;
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

#ifdef TILED
#include "common/tiled_product.wgsl"

// Rows are channels of y, columns its pixels. A term is a channel of x (as `image`) and
// a row and a column of the kernel. The gradient of an upsampled input adds what all
// repetitions of a pixel get: there every tap stands for one tap of each of them, and
// rows and columns of the kernel count both.

fn kernel_height() -> u32 {
#ifdef INPUT_GRADIENT
    return params.kernel_height << params.upsample_log2;
#else
    return params.kernel_height;
#endif
}

fn kernel_width() -> u32 {
#ifdef INPUT_GRADIENT
    return params.kernel_width << params.upsample_log2;
#else
    return params.kernel_width;
#endif
}

fn term_of(k: u32) -> Pixel {
    let within = k % (kernel_height() * kernel_width());
    return Pixel(k / (kernel_height() * kernel_width()), within / kernel_width(), within % kernel_width());
}

fn next_term(t: Pixel) -> Pixel {
    return moved(t, kernel_height(), kernel_width());
}

// Weights of a channel lie next to each other, pixels of an image do.
fn left_along_k() -> bool {
    return true;
}

fn right_along_k() -> bool {
    return false;
}

fn left_lines(channels: vec4u) -> vec4u {
    return channels * params.w_m;
}

fn left(channels: vec4u, t: Pixel) -> vec4f {
#ifdef INPUT_GRADIENT
    let tap = (t.row >> params.upsample_log2) * params.kernel_width + (t.column >> params.upsample_log2);
#else
    let tap = t.row * params.kernel_width + t.column;
#endif
    let at = channels + t.image * params.w_c + tap;
    return vec4f(w[at.x], w[at.y], w[at.z], w[at.w]);
}

// Four pixels of y: where their images begin in x, and where tap (0, 0) looks there.
// What lies before the first row or column wraps round and so lies beyond the last.
struct Pixels {
    base: vec4u,
    row: vec4u,
    column: vec4u,
}

fn right_lines(pixels: vec4u) -> Pixels {
    let plane = params.out_height * params.out_width;
    let within = pixels % plane;
    let row = within / params.out_width;
    let column = within % params.out_width;
    let base = pixels / plane * params.in_channels * params.in_height * params.in_width;
#ifdef INPUT_GRADIENT
    let repeats = 1u << params.upsample_log2;
    return Pixels(base, row * repeats + params.pad, column * repeats + params.pad);
#else
    return Pixels(base, row * params.stride - params.pad, column * params.stride - params.pad);
#endif
}

fn right(p: Pixels, t: Pixel) -> vec4f {
#ifdef INPUT_GRADIENT
    // Output pixel o sees this input pixel through tap d if o * stride + d = here.
    let repeat = (1u << params.upsample_log2) - 1u;
    let here_row = p.row + (t.row & repeat) - (t.row >> params.upsample_log2);
    let here_column = p.column + (t.column & repeat) - (t.column >> params.upsample_log2);
#ifdef UNIT_STRIDE
    let row = here_row;
    let column = here_column;
    let seen = vec4<bool>(true);
#else
    let row = here_row / params.stride;
    let column = here_column / params.stride;
    let seen = (row * params.stride == here_row) & (column * params.stride == here_column);
#endif
#else
    let row = (p.row + t.row) >> vec4u(params.upsample_log2);
    let column = (p.column + t.column) >> vec4u(params.upsample_log2);
    let seen = vec4<bool>(true);
#endif
    let channel = p.base + t.image * params.in_height * params.in_width;
    let at = channel + row * params.in_width + column;
#ifdef VALID
    return vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
#else
    let inside = seen & (row < vec4u(params.in_height)) & (column < vec4u(params.in_width));
    let source = select(channel, at, inside);
    return select(vec4f(), vec4f(x[source.x], x[source.y], x[source.z], x[source.w]), inside);
#endif
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let pixels = params.images * params.out_height * params.out_width;
    let terms = params.in_channels * kernel_height() * kernel_width();
    product(group.xy, lane, vec2u(pixels, params.out_channels), 0u, terms, 0u);
}
#else
const LANES = 64u;

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
    // Tested at the end: left at its beginning, software Vulkan goes through a loop's body
    // once more with no lane at work.
    var dy = 0u;
    loop {
        var dx = 0u;
        loop {
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
            var c = 0u;
            loop {
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
                continuing {
                    c += UNROLL;
                    break if c >= params.in_channels;
                }
            }
            continuing {
                dx += 1u;
                break if dx >= params.kernel_width;
            }
        }
        continuing {
            dy += 1u;
            break if dy >= params.kernel_height;
        }
    }
#ifdef INPUT_GRADIENT
    }
    }
#endif

#repeat t 0 PIXELS
    if live_$t {
        let stored_at_$t = image_$t * params.out_channels * plane + row_$t * params.out_width + column_$t;
#repeat s 0 EIGHTS
#repeat l 0 8
        if m_first + $su * 8u + $lu < params.out_channels {
            store(stored_at_$t, m_first + $su * 8u + $lu, 0u, sum_$s_$l_$t);
        }
#end
#end
    }
#end
}
#endif
