// conv2d: gradient of the weights, first pass
//   partial[s, m, c, tap] = sum over the pixels p of piece s of
//       g(image, m, p) x(image, c, p displaced by tap)
// conv2d/join_pieces adds the pieces in order. Lanes stride over pixels, so both
// operands are read contiguously and every lane keeps its own sums; at the end the
// lanes' sums are joined through workgroup memory, in lane order.
// Tile: CHANNELS channels of g x TAPS taps of one channel of x, per workgroup of 32.

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
    // divided out once and then moved along.
    let start = first + lane;
    var image = start / plane;
    var row = (start % plane) / params.out_width;
    var column = (start % plane) % params.out_width;
    for (var p = start; p < last; p += LANES) {
        let py = i32(row * params.stride);
        let px = i32(column * params.stride);
        let pixel = row * params.out_width + column;
        let at_g = image * params.out_channels * plane + pixel;
        let at_x = (image * params.in_channels + c) * in_plane;
#repeat m 0 CHANNELS
        let r_$m = g[at_g + g_$m];
#end
#repeat t 0 TAPS
        {
            let iy = py + dy_$t;
            let ix = px + dx_$t;
#ifdef VALID
            let v = x[at_x + u32(iy * width + ix)];
#else
            let inside = iy >= 0 && ix >= 0 && iy < rows && ix < columns;
            let source = (iy >> params.upsample_log2) * width + (ix >> params.upsample_log2);
            let at = select(0, source, inside);
            let v = select(0.0, x[at_x + u32(at)], inside);
#endif
#repeat m 0 CHANNELS
            sum_$m_$t = fma(r_$m, v, sum_$m_$t);
#end
        }
#end
        image += params.step_image;
        row += params.step_row;
        column += params.step_column;
        if column >= params.out_width {
            column -= params.out_width;
            row += 1u;
        }
        if row >= params.out_height {
            row -= params.out_height;
            image += 1u;
        }
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
