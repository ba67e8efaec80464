// watch: copies `count` scalars into the next row of a ring and counts the run.
// Tile: one workgroup; each invocation copies every 64th scalar.

struct Params {
    count: u32, // scalars
    rows: u32,  // rows of the ring
}

const LANES = 64u;
const SPACING = 64u; // elements between packed scalars

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> packed: array<f32>;       // [count, SPACING]
@group(0) @binding(2) var<storage, read_write> ring: array<u32>;   // [1 + rows * count]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let run = ring[0];
    storageBarrier(); // every lane has read the counter before one of them changes it
    let row = 1u + (run % params.rows) * params.count;
    for (var i = lane; i < params.count; i += LANES) {
        ring[row + i] = bitcast<u32>(packed[i * SPACING]);
    }
    if lane == 0u {
        ring[0] = run + 1u;
    }
}
