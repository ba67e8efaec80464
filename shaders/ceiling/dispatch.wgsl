// ceiling/dispatch: next to nothing, for the bench: what a dispatch costs by itself.
// It writes one word, so that each waits for the one before it as operations do.
// Tile: one workgroup.

@group(0) @binding(0) var<storage, read_write> y: array<u32>; // [1]

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        y[0] += 1u;
    }
}
