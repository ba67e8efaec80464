// random_conv: each sample under a 3x3 convolution of its own, the same for all its
// frames, on the 0..255 scale: y = 255 sigmoid(k * (x / 255)), border pixels repeated.
// Tile: the three colours of one pixel of one frame per invocation.
// Source: SVEA's random convolution (SPEC.md A.3).

#include "common/linear_index.wgsl"

struct Params {
    frames: u32, // F
    height: u32, // H
    width: u32,  // W
    count: u32,  // B * F * H * W
}

const COLOURS = 3u;
const SIDE = 3u; // of a kernel
const KERNEL = COLOURS * COLOURS * SIDE * SIDE;
const STEEPEST = 80.0; // e^80 is in f32's range still; beyond it no byte would change
const WHITE = 255.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, 3 F, H, W]
@group(0) @binding(2) var<storage, read> kernels: array<f32>;  // [B, 3, 3, 3, 3]: out, in, row, column
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, 3 F, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    if index >= params.count {
        return;
    }
    let plane = params.height * params.width;
    let pixel = index % plane;
    let frame = index / plane; // of all samples
    let first = frame * COLOURS * plane;
    let kernel = frame / params.frames * KERNEL;
    let row = i32(pixel / params.width);
    let column = i32(pixel % params.width);
    let last = vec2i(i32(params.height), i32(params.width)) - 1;
    var sums = vec3f(0.0);
    for (var c = 0u; c < COLOURS; c += 1u) {
        for (var k = 0u; k < SIDE * SIDE; k += 1u) {
            let near = vec2i(row + i32(k / SIDE) - 1, column + i32(k % SIDE) - 1);
            let at = vec2u(clamp(near, vec2i(0), last));
            let value = x[first + c * plane + at.x * params.width + at.y] / WHITE;
            let tap = kernel + c * SIDE * SIDE + k;
            let weights = vec3f(
                kernels[tap],
                kernels[tap + COLOURS * SIDE * SIDE],
                kernels[tap + 2u * COLOURS * SIDE * SIDE],
            );
            sums = fma(weights, vec3f(value), sums);
        }
    }
    let bounded = clamp(sums, vec3f(-STEEPEST), vec3f(STEEPEST));
    let lit = WHITE / (1.0 + exp(-bounded));
    y[first + pixel] = lit.x;
    y[first + plane + pixel] = lit.y;
    y[first + 2u * plane + pixel] = lit.z;
}
