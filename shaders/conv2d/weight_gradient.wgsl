// conv2d: gradient of the weights, first pass
//   partial[s, m, c, tap] = sum over the pixels p of piece s of
//       g(image, m, p) x(image, c, p displaced by tap)
// conv2d/join_pieces adds the pieces in order. Lanes stride over pixels, so both
// operands are read contiguously and every lane keeps its own sums; at the end the
// lanes' sums are joined through workgroup memory, in lane order.
// Tile: CHANNELS channels of g x TAPS taps of one channel of x, per workgroup of 32.

#include "common/pixel.wgsl"

struct Params {
    images: u32,
    in_channels: u32,  // C
    in_height: u32,    // of x, before upsampling
    in_width: u32,
    out_channels: u32, // M
    out_height: u32,   // of g
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
    pad: u32,
    upsample_log2: u32, // x is repeated 2^that times along each axis first
    piece: u32,        // pixels (over images) in a piece
    tap_blocks: u32,   // blocks of TAPS taps
    step_image: u32,   // LANES pixels further on: images, rows, columns
    step_row: u32,
    step_column: u32,
    scale: f32,        // factor of the sums
}

const LANES = 32u;
const SUMS = CHANNELS * TAPS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;              // [images, M, out_height, out_width]
@group(0) @binding(2) var<storage, read> x: array<f32>;              // [images, C, in_height, in_width]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [pieces, M, C, taps]

var<workgroup> sums: array<f32, LANES * SUMS>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let taps = params.kernel_height * params.kernel_width;
    let c = group.x / params.tap_blocks;
    let tap_0 = (group.x % params.tap_blocks) * TAPS;
    let m_0 = group.y * CHANNELS;
    let plane = params.out_height * params.out_width;
    let in_plane = params.in_height * params.in_width;
    let rows = i32(params.in_height << params.upsample_log2);
    let columns = i32(params.in_width << params.upsample_log2);
    let width = i32(params.in_width);
    let first = group.z * params.piece;
    let last = min(first + params.piece, params.images * plane);

#repeat t 0 TAPS
    let dy_$t = i32(min(tap_0 + $tu, taps - 1u) / params.kernel_width) - i32(params.pad);
    let dx_$t = i32(min(tap_0 + $tu, taps - 1u) % params.kernel_width) - i32(params.pad);
#repeat m 0 CHANNELS
    var sum_$m_$t = 0.0;
#end
#end
#repeat m 0 CHANNELS
    let g_$m = min(m_0 + $mu, params.out_channels - 1u) * plane;
#end

    // Divisions are dear (one lane at a time on software Vulkan): a lane's pixel is
    // divided out once and then moved along. UNROLL pixels at a time, so that a sum
    // is written back once for all of them.
    let start = first + lane;
    var pixel = Pixel(start / plane, (start % plane) / params.out_width, (start % plane) % params.out_width);
    for (var p = start; p < last; p += UNROLL * LANES) {
#repeat u 0 UNROLL
        let used_$u = p + $uu * LANES < last;
        let image_$u = select(0u, pixel.image, used_$u);
        let row_$u = select(0u, pixel.row, used_$u);
        let column_$u = select(0u, pixel.column, used_$u);
        let py_$u = i32(row_$u * params.stride);
        let px_$u = i32(column_$u * params.stride);
        let at_g_$u = image_$u * params.out_channels * plane + row_$u * params.out_width + column_$u;
        let at_x_$u = (image_$u * params.in_channels + c) * in_plane;
#repeat m 0 CHANNELS
        let r_$m_$u = select(0.0, g[at_g_$u + g_$m], used_$u);
#end
        pixel = advance(pixel);
#end
#repeat t 0 TAPS
        {
#repeat u 0 UNROLL
            let iy_$u = py_$u + dy_$t;
            let ix_$u = px_$u + dx_$t;
#ifdef VALID
            let v_$u = x[at_x_$u + u32(iy_$u * width + ix_$u)];
#else
            let inside_$u = iy_$u >= 0 && ix_$u >= 0 && iy_$u < rows && ix_$u < columns;
            let source_$u = (iy_$u >> params.upsample_log2) * width + (ix_$u >> params.upsample_log2);
            let v_$u = select(0.0, x[at_x_$u + u32(select(0, source_$u, inside_$u))], inside_$u);
#endif
#end
#repeat m 0 CHANNELS
            {
                var sum = sum_$m_$t;
#repeat u 0 UNROLL
                sum = fma(r_$m_$u, v_$u, sum);
#end
                sum_$m_$t = sum;
            }
#end
        }
#end
    }

#repeat m 0 CHANNELS
#repeat t 0 TAPS
    sums[lane * SUMS + $mu * TAPS + $tu] = sum_$m_$t;
#end
#end
    workgroupBarrier();
    for (var i = lane; i < SUMS; i += LANES) {
        let m = m_0 + i / TAPS;
        let tap = tap_0 + i % TAPS;
        if m < params.out_channels && tap < taps {
            var total = sums[i];
            for (var l = 1u; l < LANES; l += 1u) {
                total += sums[l * SUMS + i];
            }
            let weights = params.out_channels * params.in_channels * taps;
            partial[group.z * weights + (m * params.in_channels + c) * taps + tap] = total * params.scale;
        }
    }
}
