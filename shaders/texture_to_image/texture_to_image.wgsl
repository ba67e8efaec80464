// texture_to_image: red, green and blue of a texture on the 0..255 scale, clamped;
// at another size by area: each output pixel is the mean of the texels under it.
// Tile: one output pixel (three channels) per invocation.

#include "common/linear_index.wgsl"

struct Params {
    in_height: u32,  // H
    in_width: u32,   // W
    out_height: u32, // h
    out_width: u32,  // w
}

const WHITE = 255.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var texture: texture_2d<f32>;            // H x W
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [1, 3, h, w]

// How much of texel p output pixel i covers, in parts of `out` to the texel.
fn overlap(p: u32, i: u32, pixels: u32, out: u32) -> f32 {
    return f32(min((p + 1u) * out, (i + 1u) * pixels) - max(p * out, i * pixels));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = linear_index(group, groups, lane, 64u);
    let area = params.out_width * params.out_height;
    if index < area {
        let i = index / params.out_width;
        let j = index % params.out_width;
        let first_row = i * params.in_height / params.out_height;
        let end_row = ((i + 1u) * params.in_height + params.out_height - 1u) / params.out_height;
        let first_column = j * params.in_width / params.out_width;
        let end_column = ((j + 1u) * params.in_width + params.out_width - 1u) / params.out_width;
        var sum = vec3f(0.0);
        for (var row = first_row; row < end_row; row++) {
            var row_sum = vec3f(0.0);
            for (var column = first_column; column < end_column; column++) {
                let colour = clamp(textureLoad(texture, vec2u(column, row), 0).rgb, vec3f(0.0), vec3f(1.0));
                row_sum += overlap(column, j, params.in_width, params.out_width) * colour;
            }
            sum += overlap(row, i, params.in_height, params.out_height) * row_sum;
        }
        let colour = WHITE * sum / (f32(params.in_height) * f32(params.in_width));
        y[index] = colour.r;
        y[area + index] = colour.g;
        y[2u * area + index] = colour.b;
    }
}
