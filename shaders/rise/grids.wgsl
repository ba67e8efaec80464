// rise_grids: the random words of masks: cells that are 1 with the probability given,
// then the offsets down and along, uniform within a cell. Word k of mask i is made from
// word k % 4 of the Philox counter (k / 4, i, stream, 0): a mask depends on its number
// alone. CPU twin: RiseMasks::on_cpu.
// Tile: four words of one mask per invocation.

#include "common/linear_index.wgsl"
#include "common/philox.wgsl"

struct Params {
    count: u32,        // M * blocks
    masks: u32,        // M, masks of a batch
    blocks: u32,       // fours of words of a mask
    cells: u32,        // of a side
    cell_height: u32,
    cell_width: u32,
    seed_low: u32,
    seed_high: u32,
    stream: u32,
    probability: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> number: array<u32>;       // [1]: of the batch
@group(0) @binding(2) var<storage, read_write> grids: array<u32>;  // [M, cells * cells + 2]

fn put(mask: u32, k: u32, word: u32) {
    let cells = params.cells * params.cells;
    let at = mask * (cells + 2u) + k;
    if k < cells {
        grids[at] = select(0u, 1u, unit_interval(word) < params.probability);
    } else if k == cells {
        grids[at] = below(word, params.cell_height);
    } else if k == cells + 1u {
        grids[at] = below(word, params.cell_width);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let mask = i / params.blocks;
    let block = i % params.blocks;
    let counter = vec4u(block, number[0] * params.masks + mask, params.stream, 0u);
    let words = philox4x32_10(counter, vec2u(params.seed_low, params.seed_high));
    put(mask, 4u * block, words.x);
    put(mask, 4u * block + 1u, words.y);
    put(mask, 4u * block + 2u, words.z);
    put(mask, 4u * block + 3u, words.w);
}
