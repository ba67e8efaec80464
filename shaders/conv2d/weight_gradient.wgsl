// conv2d: gradient of the weights, first pass
//   partial[s, m, c, tap] = sum over the pixels p of piece s of
//       g(image, m, p) x(image, c, p displaced by tap)
// conv2d/join_pieces adds the pieces in order. Lanes stride over pixels, so both
// operands are read contiguously and every lane keeps its own sums; at the end the
// lanes' sums are joined through workgroup memory, in lane order.
// Tile: CHANNELS channels of g x TAPS taps of one channel of x, per workgroup of 32.
//   TILED  tiles in workgroup memory, for devices where that is quick memory:
//          4 ROW_QUADS ROW_SIDE channels of g x 4 COLUMN_QUADS COLUMN_SIDE pairs of a
//          channel of x and a tap
//   F16    with TILED: operands staged as f16

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
    step_image: u32,   // LANES (TILED: STEP) pixels further on: images, rows, columns
    step_row: u32,
    step_column: u32,
    scale: f32,        // factor of the sums
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;              // [images, M, out_height, out_width]
@group(0) @binding(2) var<storage, read> x: array<f32>;              // [images, C, in_height, in_width]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [pieces, M, C, taps]

#ifdef TILED
#include "common/tiled_product.wgsl"

// Rows are channels of g, columns pairs of a channel of x and a tap, terms pixels of g.

// Where column j of a piece of the result begins.
fn result_at(piece: u32, j: u32) -> u32 {
    return piece * params.out_channels * columns() + j;
}

fn store(column: u32, channel: u32, j: u32, sum: f32) {
    partial[column + channel * columns()] = sum * params.scale;
}

fn columns() -> u32 {
    return params.in_channels * params.kernel_height * params.kernel_width;
}

fn term_of(k: u32) -> Pixel {
    let plane = params.out_height * params.out_width;
    return Pixel(k / plane, k % plane / params.out_width, k % plane % params.out_width);
}

fn next_term(p: Pixel) -> Pixel {
    return advance(p);
}

// Pixels of an image lie next to each other.
fn left_along_k() -> bool {
    return true;
}

fn right_along_k() -> bool {
    return true;
}

fn left_lines(channels: vec4u) -> vec4u {
    return channels * params.out_height * params.out_width;
}

fn left(channels: vec4u, p: Pixel) -> vec4f {
    let image = p.image * params.out_channels * params.out_height * params.out_width;
    let at = channels + image + p.row * params.out_width + p.column;
    return vec4f(g[at.x], g[at.y], g[at.z], g[at.w]);
}

// Four pairs: where their channels begin in x, and where their taps look from pixel
// (0, 0). What lies before the first row or column wraps round and so lies beyond the
// last.
struct Taps {
    base: vec4u,
    row: vec4u,
    column: vec4u,
}

fn right_lines(pairs: vec4u) -> Taps {
    let taps = params.kernel_height * params.kernel_width;
    let tap = pairs % taps;
    let base = pairs / taps * params.in_height * params.in_width;
    return Taps(base, tap / params.kernel_width - params.pad, tap % params.kernel_width - params.pad);
}

fn right(t: Taps, p: Pixel) -> vec4f {
    let row = (t.row + p.row * params.stride) >> vec4u(params.upsample_log2);
    let column = (t.column + p.column * params.stride) >> vec4u(params.upsample_log2);
    let channel = t.base + p.image * params.in_channels * params.in_height * params.in_width;
    let at = channel + row * params.in_width + column;
#ifdef VALID
    return vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
#else
    let inside = (row < vec4u(params.in_height)) & (column < vec4u(params.in_width));
    let source = select(channel, at, inside);
    return select(vec4f(), vec4f(x[source.x], x[source.y], x[source.z], x[source.w]), inside);
#endif
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let pixels = params.images * params.out_height * params.out_width;
    let first = group.z * params.piece;
    let last = min(first + params.piece, pixels);
    product(group.xy, lane, vec2u(columns(), params.out_channels), first, last, group.z);
}
#else
const LANES = 32u;
const SUMS = CHANNELS * TAPS;

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
#endif
