// conv2d: gradients of weights and bias for kernels of KERNEL x KERNEL taps, first pass
//   partial[s, m, c, a, b] = sum over the pixels (n, i, j) of piece s of
//       g(n, m, i, j) x(n, c, i STRIDE + a - pad, j STRIDE + b - pad)
//   partial_bias[s, m] = sum over the same pixels of g(n, m, i, j)
// conv2d/join_pieces adds the pieces in order.
//   PADDED  the window may leave x, and x may be upsampled
// Tile: a workgroup is one subgroup of 8. Per lane one channel of x, its own, x
// CHANNELS channels of g x all taps, in registers; at each step a run of RUN pixels down
// a column of g with the window of x that they share. Each lane loads one channel of g
// in eight and shares it.

struct Params {
    images: u32,
    in_channels: u32,   // C
    in_height: u32,     // of x, before upsampling
    in_width: u32,
    out_channels: u32,  // M
    out_height: u32,    // of g
    out_width: u32,
    pad: u32,
    upsample_log2: u32, // x is repeated 2^that times along each axis first
    runs: u32,          // in a column of g
    piece: u32,         // runs (over columns, then down, then over images) in a piece
    scale: f32,         // factor of the sums
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;              // [images, M, out_height, out_width]
@group(0) @binding(2) var<storage, read> x: array<f32>;              // [images, C, in_height, in_width]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;       // [pieces, M, C, KERNEL, KERNEL]
@group(0) @binding(4) var<storage, read_write> partial_bias: array<f32>;  // [pieces, M]

const TAPS = KERNEL * KERNEL;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let plane = params.out_height * params.out_width;
    let in_plane = params.in_height * params.in_width;
    let c = group.x * LANES + lane;
    let x_channel = min(c, params.in_channels - 1u) * in_plane;
    let m_first = group.y * CHANNELS;
    // A lane's own channels of g lie LANES apart.
#repeat s 0 (CHANNELS+LANES-1)/LANES
    var bias_$s = 0.0; // of the lane's own channel
    let g_$s = min(m_first + $su * LANES + lane, params.out_channels - 1u) * plane;
#end
#repeat m 0 CHANNELS
#repeat a 0 KERNEL
#repeat b 0 KERNEL
    var sum_$m_$a_$b = 0.0;
#end
#end
#end

    let first = group.z * params.piece;
    let last = min(first + params.piece, params.images * params.runs * params.out_width);
    var column = first % params.out_width;
    var run = first / params.out_width % params.runs;
    var image = first / params.out_width / params.runs;
    for (var unit = first; unit < last; unit += 1u) {
        let row = run * RUN;
        let at_g = image * params.out_channels * plane + row * params.out_width + column;
        let at_x = image * params.in_channels * in_plane + x_channel;
        // Of a run that hangs over the edge, pixels outside count as zero.
#repeat t 0 RUN
        let used_$t = row + $tu < params.out_height;
        let step_$t = select(0u, $tu * params.out_width, used_$t);
#repeat s 0 (CHANNELS+LANES-1)/LANES
        let share_$s_$t = select(0.0, g[at_g + g_$s + step_$t], used_$t);
        bias_$s += share_$s_$t;
#end
#end
#repeat b 0 KERNEL
#ifdef PADDED
        let x_column_$b = i32(column * STRIDE + $bu) - i32(params.pad);
        let within_$b = x_column_$b >= 0 && x_column_$b < i32(params.in_width << params.upsample_log2);
        let at_column_$b = at_x + select(0u, u32(x_column_$b) >> params.upsample_log2, within_$b);
#else
        let at_column_$b = at_x + column * STRIDE + $bu;
#endif
#end
#repeat r 0 RUN*STRIDE+KERNEL-STRIDE
#ifdef PADDED
        let row_$r = i32(row * STRIDE + $ru) - i32(params.pad);
        let inside_$r = row_$r >= 0 && row_$r < i32(params.in_height << params.upsample_log2);
        let at_row_$r = select(0u, u32(row_$r) >> params.upsample_log2, inside_$r) * params.in_width;
#else
        let at_row_$r = min(row * STRIDE + $ru, params.in_height - 1u) * params.in_width;
#endif
#repeat b 0 KERNEL
#ifdef PADDED
        let v_$r_$b = select(0.0, x[at_column_$b + at_row_$r], inside_$r && within_$b);
#else
        let v_$r_$b = x[at_column_$b + at_row_$r];
#endif
#end
#end
#repeat m 0 CHANNELS
        {
#repeat t 0 RUN
            let g_$t = subgroupBroadcast(share_${$m/LANES}_$t, ${$m%LANES}u);
#end
#repeat a 0 KERNEL
#repeat b 0 KERNEL
            {
                var sum = sum_$m_$a_$b;
#repeat t 0 RUN
                sum = fma(g_$t, v_${$t*STRIDE+$a}_$b, sum);
#end
                sum_$m_$a_$b = sum;
            }
#end
#end
        }
#end
        column += 1u;
        if column == params.out_width {
            column = 0u;
            run += 1u;
        }
        if run == params.runs {
            run = 0u;
            image += 1u;
        }
    }

    // One store for all sums, in a loop: written out, compilers take long over them.
    var sums: array<f32, CHANNELS * TAPS>;
#repeat m 0 CHANNELS
#repeat a 0 KERNEL
#repeat b 0 KERNEL
    sums[$mu * TAPS + $au * KERNEL + $bu] = sum_$m_$a_$b;
#end
#end
#end
    if group.x == 0u {
#repeat s 0 (CHANNELS+LANES-1)/LANES
        if m_first + $su * LANES + lane < params.out_channels {
            partial_bias[group.z * params.out_channels + m_first + $su * LANES + lane] = bias_$s;
        }
#end
    }
    if c >= params.in_channels {
        return;
    }
    let channels = min(CHANNELS, params.out_channels - m_first);
    let at = ((group.z * params.out_channels + m_first) * params.in_channels + c) * TAPS;
    for (var m = 0u; m < channels; m += 1u) {
        for (var tap = 0u; tap < TAPS; tap += 1u) {
            partial[at + m * params.in_channels * TAPS + tap] = sums[m * TAPS + tap] * params.scale;
        }
    }
}
