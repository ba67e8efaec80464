// tick: adds 1 to a counter.
// Tile: one workgroup of one invocation.

@group(0) @binding(0) var<storage, read_write> counter: array<u32>; // [1]

@compute @workgroup_size(1)
fn main() {
    counter[0] += 1u;
}
