// random_resized_crops: which window of which bank picture each sample is overlaid
// with: the picture uniform, the window's area uniform in 8 % to 100 % of the
// picture, its aspect ratio log-uniform in 3/4..4/3, its place uniform, mirrored
// half the time. A window that does not fit is drawn again, ten times at most; then
// it is the whole picture (its ratio, 1, is within the range).
// Random words: sample b owns the eleven Philox blocks from 11 b on: one for picture,
// flip and place, one for each attempt.
// Tile: one sample per invocation.
// Source: torchvision's RandomResizedCrop and RandomHorizontalFlip (SPEC.md A.3).

#include "common/linear_index.wgsl"
#include "common/philox.wgsl"

struct Params {
    batch: u32,     // B
    pictures: u32,  // P
    size: u32,      // S
    seed_low: u32,
    seed_high: u32,
    stream: u32,
}

const CROP_FIELDS = 6u;
const ATTEMPTS = 10u;
const SMALLEST_AREA = 0.08;
const LOG_LARGEST_RATIO = 0.28768207245178085; // ln(4/3) = -ln(3/4)

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;         // [1]
@group(0) @binding(2) var<storage, read_write> crops: array<f32>;  // [B, CROP_FIELDS]: picture, top, left, height, width, flip

fn words(block: u32) -> vec4u {
    let counter = vec4u(block, step[0], params.stream, 0u);
    return philox4x32_10(counter, vec2u(params.seed_low, params.seed_high));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let sample = linear_index(group, groups, lane, 64u);
    if sample < params.batch {
        let first_block = sample * (ATTEMPTS + 1u);
        var height = params.size;
        var width = params.size;
        for (var attempt = 0u; attempt < ATTEMPTS; attempt++) {
            let drawn = words(first_block + 1u + attempt);
            let scale = SMALLEST_AREA + (1.0 - SMALLEST_AREA) * unit_interval(drawn.x);
            let ratio = exp(LOG_LARGEST_RATIO * (2.0 * unit_interval(drawn.y) - 1.0));
            let side = f32(params.size);
            let w = u32(floor(side * sqrt(scale * ratio) + 0.5));
            let h = u32(floor(side * sqrt(scale / ratio) + 0.5));
            if w >= 1u && w <= params.size && h >= 1u && h <= params.size {
                height = h;
                width = w;
                break;
            }
        }
        let drawn = words(first_block);
        let at = CROP_FIELDS * sample;
        crops[at] = f32(below(drawn.x, params.pictures));
        crops[at + 1u] = f32(below(drawn.z, params.size - height + 1u));
        crops[at + 2u] = f32(below(drawn.w, params.size - width + 1u));
        crops[at + 3u] = f32(height);
        crops[at + 4u] = f32(width);
        crops[at + 5u] = f32(drawn.y >> 31u);
    }
}
