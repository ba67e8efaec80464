// conv2d: forward pass and input gradient (unit stride) of kernels of KERNEL x KERNEL taps
//   y[n, m, i, j] = sum over (c, a, b) of
//       w(m, c, a, b) x(n, c, i STRIDE + a - pad, j STRIDE + b - pad)
// (+ bias[m], then a pointwise tail). The input gradient is the same sum over the
// gradient of the output, with the kernel turned half round (w_row, w_column) and
// pad = KERNEL - 1 - pad of the layer.
//   PADDED    the window may leave x, and x may be upsampled
//   SUBGROUP  lanes load one weight each and share it (subgroups of 8)
// Tile: per invocation a run of RUN pixels down a column x 8 EIGHTS channels, in
// registers. The pixels of a run share their windows: WINDOW loads of x serve
// RUN KERNEL taps, which counts where loads are dear (software Vulkan: a load is
// done lane by lane). Neighbouring lanes take neighbouring columns.

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
    upsample_log2: u32, // x is repeated 2^that times along each axis
    runs: u32,          // in a column of y
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
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [M, C, KERNEL, KERNEL] or [C, M, KERNEL, KERNEL]
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
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
#ifdef SUBGROUP
        , @builtin(subgroup_invocation_id) subgroup_lane: u32
#endif
) {
    let in_plane = params.in_height * params.in_width;
    let unit = group.x * LANES + lane;
    let live = unit < params.images * params.runs * params.out_width;
    let here = select(0u, unit, live);
    let column = here % params.out_width;
    let image = here / params.out_width / params.runs;
    let row = (here / params.out_width % params.runs) * RUN;
    let m_first = group.y * EIGHTS * 8u;
    let base = image * params.in_channels * in_plane;

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
#repeat s 0 EIGHTS
#ifdef SUBGROUP
    let w_$s = params.w_first + i32(min(m_first + $su * 8u + subgroup_lane, params.out_channels - 1u)) * params.w_m;
#else
#repeat l 0 8
    let w_$s_$l = params.w_first + i32(min(m_first + $su * 8u + $lu, params.out_channels - 1u)) * params.w_m;
#end
#endif
#repeat l 0 8
#repeat t 0 RUN
    var sum_$s_$l_$t = 0.0;
#end
#end
#end

    for (var b = 0u; b < KERNEL; b += 1u) {
#ifdef PADDED
        let x_column = i32(column * STRIDE + b) - i32(params.pad);
        let within = x_column >= 0 && x_column < i32(params.in_width << params.upsample_log2);
        var at = base + select(0u, u32(x_column) >> params.upsample_log2, within);
#else
        var at = base + column * STRIDE + b;
#endif
        var w_at = i32(b) * params.w_column;
        for (var c = 0u; c < params.in_channels; c += 1u) {
#repeat r 0 RUN*STRIDE+KERNEL-STRIDE
#ifdef PADDED
            let v_$r = select(0.0, x[at + at_row_$r], inside_$r && within);
#else
            let v_$r = x[at + at_row_$r];
#endif
#end
#ifdef SUBGROUP
#repeat s 0 EIGHTS
#repeat a 0 KERNEL
            let share_$s_$a = w[u32(w_$s + w_at + $a * params.w_row)];
#end
#end
#endif
#repeat s 0 EIGHTS
#repeat l 0 8
            {
#repeat a 0 KERNEL
#ifdef SUBGROUP
                let weight_$a = subgroupBroadcast(share_$s_$a, $lu);
#else
                let weight_$a = w[u32(w_$s_$l + w_at + $a * params.w_row)];
#endif
#end
#repeat t 0 RUN
                {
                    var sum = sum_$s_$l_$t;
#repeat a 0 KERNEL
                    sum = fma(weight_$a, v_${$t*STRIDE+$a}, sum);
#end
                    sum_$s_$l_$t = sum;
                }
#end
            }
#end
#end
            at += in_plane;
            w_at += params.w_c;
        }
    }

    // One store for all sums, in a loop: written out, compilers take long over them.
    var sums: array<f32, 8u * EIGHTS * RUN>;
#repeat s 0 EIGHTS
#repeat l 0 8
#repeat t 0 RUN
    sums[($su * 8u + $lu) * RUN + $tu] = sum_$s_$l_$t;
#end
#end
#end
    if !live {
        return;
    }
    let plane = params.out_height * params.out_width;
    let at_y = (image * params.out_channels + m_first) * plane + row * params.out_width + column;
    let channels = min(8u * EIGHTS, params.out_channels - m_first);
    let rows = min(RUN, params.out_height - row);
    for (var m = 0u; m < channels; m += 1u) {
        for (var t = 0u; t < rows; t += 1u) {
            store(at_y + m * plane + t * params.out_width, m_first + m, sums[m * RUN + t]);
        }
    }
}
