// conv2d: forward pass and input gradient of layers with small square kernels
//   y[n, m, i, j] = sum over (c, a, b) of
//       w(m, c, a, b) x(n, c, i STRIDE + a - pad, j STRIDE + b - pad)
// (+ bias[m], then a pointwise tail). a and b run over KERNEL taps each.
//   PADDED      the window may leave x, and x may be upsampled
//   TRANSPOSED  input gradient of a layer of stride PHASES: x is the gradient of its
//               output. Pixels of y whose row and column leave the same remainders see
//               the same taps, so each workgroup takes one such phase, and (i, j)
//               count within it
//   POOLED      input gradient of a layer that upsamples by 2: the gradients of the
//               copies are summed, which is one convolution of stride 2 with sums of
//               neighbouring weights
// The input gradient of a layer of stride 1 needs none of this: it is the same sum with
// the kernel turned half round (w_row, w_column) and other padding.
// Tile: a workgroup is one subgroup of 8. Per lane a run of RUN pixels down a column x
// CHANNELS channels, in registers. The pixels of a run share their windows, and each
// lane loads one weight in eight and shares it: loads are dear on software Vulkan, where
// they are done lane by lane. Neighbouring lanes take neighbouring columns.

#include "common/epilogue.wgsl"

struct Params {
    images: u32,
    in_channels: u32,   // C: channels of x
    in_height: u32,
    in_width: u32,
    out_channels: u32,  // M: channels of y
    out_height: u32,
    out_width: u32,
    pad: u32,
    y_pad: u32,         // of the layer, where TRANSPOSED
    upsample_log2: u32, // x is repeated 2^that times along each axis
    columns: u32,       // of runs: the width of y, or of a phase of it
    runs: u32,          // in a column
    w_first: i32,       // w(0, 0, 0, 0), and strides of w in elements
    w_m: i32,
    w_c: i32,
    w_row: i32,
    w_column: i32,
    has_bias: u32,
    tail: u32,          // EPILOGUE_*
    scale: f32,         // factor of the sums
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [images, C, in_height, in_width]
// Weights: [M, C, KERNEL, KERNEL], or [C, M, KERNEL, KERNEL] of the layer whose input gradient
// this is; where TRANSPOSED or POOLED [C, M, LAYER_KERNEL, LAYER_KERNEL].
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [M] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<f32>;     // like y, if the tail is a gate
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [images, M, out_height, out_width]

fn store(at: u32, channel: u32, sum: f32) {
    var value = sum * params.scale;
    if params.has_bias == 1u {
        value += bias[channel];
    }
    if params.tail != 0u {
        var g = 0.0;
        if params.tail >= EPILOGUE_GATE {
            g = gate[at];
        }
        value = epilogue(params.tail, value, g);
    }
    y[at] = value;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let in_plane = params.in_height * params.in_width;
    let unit = group.x * LANES + lane;
    let live = unit < params.images * params.runs * params.columns;
    let here = select(0u, unit, live);
    let column = here % params.columns;
    let image = here / params.columns / params.runs;
    let row = (here / params.columns % params.runs) * RUN;
    let m_first = group.y * CHANNELS;
    let base = image * params.in_channels * in_plane;
#ifdef TRANSPOSED
    let phase_row = group.z / PHASES;
    let phase_column = group.z % PHASES;
    // The layer's tap at a = 0 and b = 0; further ones lie PHASES before it.
    let tap_row = phase_row + PHASES * (KERNEL - 1u);
    let tap_column = phase_column + PHASES * (KERNEL - 1u);
    let w_first = params.w_first + i32(tap_row * LAYER_KERNEL + tap_column);
#else
    let w_first = params.w_first;
#endif

    // The rows of x in the run's window. Runs that hang over the edge read some row
    // twice for pixels that are not stored.
#repeat r 0 RUN*STRIDE+KERNEL-STRIDE
#ifdef PADDED
    let row_$r = i32(row * STRIDE + $ru) - i32(params.pad);
    let inside_$r = row_$r >= 0 && row_$r < i32(params.in_height << params.upsample_log2);
    let at_row_$r = select(0u, u32(row_$r) >> params.upsample_log2, inside_$r) * params.in_width;
#else
    let at_row_$r = min(row * STRIDE + $ru, params.in_height - 1u) * params.in_width;
#endif
#end
    // A lane's own channels lie LANES apart.
#repeat s 0 (CHANNELS+LANES-1)/LANES
    let w_$s = w_first + i32(min(m_first + $su * LANES + lane, params.out_channels - 1u)) * params.w_m;
#end
#repeat m 0 CHANNELS
#repeat t 0 RUN
    var sum_$m_$t = 0.0;
#end
#end

    for (var b = 0u; b < KERNEL; b += 1u) {
#ifdef TRANSPOSED
        if tap_column - PHASES * b >= LAYER_KERNEL {
            continue;
        }
#endif
#ifdef PADDED
        let x_column = i32(column * STRIDE + b) - i32(params.pad);
        let within = x_column >= 0 && x_column < i32(params.in_width << params.upsample_log2);
        var at = base + select(0u, u32(x_column) >> params.upsample_log2, within);
#else
        var at = base + column * STRIDE + b;
#endif
#ifdef POOLED
        // The two columns of the layer's kernel that this one sums.
        let near_inside = b < LAYER_KERNEL;
        let far_inside = b > 0u;
        let near = select(0, i32(LAYER_KERNEL - 1u) - i32(b), near_inside);
        let far = select(0, i32(LAYER_KERNEL) - i32(b), far_inside);
        var w_at = 0;
#else
        var w_at = i32(b) * params.w_column;
#endif
        // Tested at the end: left at its beginning, software Vulkan goes through the body
        // once more with no lane at work.
        var c = 0u;
        loop {
#repeat r 0 RUN*STRIDE+KERNEL-STRIDE
#ifdef PADDED
            let v_$r = select(0.0, x[at + at_row_$r], inside_$r && within);
#else
            let v_$r = x[at + at_row_$r];
#endif
#end
#repeat s 0 (CHANNELS+LANES-1)/LANES
#ifdef POOLED
            let tap_$s_0 = 0.0;
            let tap_$s_${LAYER_KERNEL+1} = 0.0;
#repeat a 0 LAYER_KERNEL
            let near_$s_$a = select(0.0, w[u32(w_$s + w_at + $a * params.w_row + near)], near_inside);
            let far_$s_$a = select(0.0, w[u32(w_$s + w_at + $a * params.w_row + far)], far_inside);
            let tap_$s_${$a+1} = near_$s_$a + far_$s_$a;
#end
#repeat a 0 KERNEL
            let share_$s_$a = tap_$s_${LAYER_KERNEL-$a} + tap_$s_${LAYER_KERNEL+1-$a};
#end
#else
#repeat a 0 KERNEL
#ifdef TRANSPOSED
            // Outside, whatever is read there instead is dropped.
            let inside_tap_$s_$a = tap_row - PHASES * $au < LAYER_KERNEL;
            let share_$s_$a = select(0.0, w[u32(w_$s + w_at + $a * params.w_row)], inside_tap_$s_$a);
#else
            let share_$s_$a = w[u32(w_$s + w_at + $a * params.w_row)];
#endif
#end
#endif
#end
#repeat m 0 CHANNELS
            {
#repeat a 0 KERNEL
                let weight_$a = subgroupBroadcast(share_${$m/LANES}_$a, ${$m%LANES}u);
#end
#repeat t 0 RUN
                {
                    var sum = sum_$m_$t;
#repeat a 0 KERNEL
                    sum = fma(weight_$a, v_${$t*STRIDE+$a}, sum);
#end
                    sum_$m_$t = sum;
                }
#end
            }
#end
            at += in_plane;
            w_at += params.w_c;
            continuing {
                c += 1u;
                break if c >= params.in_channels;
            }
        }
    }

    // One store for all sums, in a loop: written out, compilers take long over them.
    var sums: array<f32, CHANNELS * RUN>;
#repeat m 0 CHANNELS
#repeat t 0 RUN
    sums[$mu * RUN + $tu] = sum_$m_$t;
#end
#end
#ifdef TRANSPOSED
    // Rows and columns before the first wrap round and fail the comparisons below.
    let spread = PHASES;
    let y_row = row * PHASES + phase_row - params.y_pad;
    let y_column = column * PHASES + phase_column - params.y_pad;
#else
    let spread = 1u;
    let y_row = row;
    let y_column = column;
#endif
    if !live || y_column >= params.out_width {
        return;
    }
    let plane = params.out_height * params.out_width;
    let at_y = (image * params.out_channels + m_first) * plane + y_column;
    let channels = min(CHANNELS, params.out_channels - m_first);
    for (var m = 0u; m < channels; m += 1u) {
        for (var t = 0u; t < RUN; t += 1u) {
            let i = y_row + t * spread;
            if i < params.out_height {
                store(at_y + m * plane + i * params.out_width, m_first + m, sums[m * RUN + t]);
            }
        }
    }
}
