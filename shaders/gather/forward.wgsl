// gather: y[n] = x[rows[n]]; indices beyond the last row read the last. Rows are counted
// in elements, or in fours where QUADS says that they are so many.
//   PAGED  x is some of the rows, from `first` on; the others are left to other dispatches
// Tile: `each` elements of y per invocation, or fours, 64 apart.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,    // N * width
    each: u32,
    width: u32,    // of a row
    sources: u32,  // R
#ifdef PAGED
    first: u32,    // of x, among all rows
    here: u32,     // rows of x
#endif
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Lane>;        // [R, width], with PAGED [here, width]
@group(0) @binding(2) var<storage, read> rows: array<u32>;      // [N]
@group(0) @binding(3) var<storage, read_write> y: array<Lane>;  // [N, width]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let lot = 64u * params.each;
    let first = linear_group(group, groups) * lot + lane;
    let end = min(first + lot, params.count);
    for (var i = first; i < end; i += 64u) {
        let row = min(rows[i / params.width], params.sources - 1u);
#ifdef PAGED
        // Before the first the difference wraps to a huge number.
        let own = row - params.first;
        if own < params.here {
            y[i] = x[own * params.width + i % params.width];
        }
#else
        y[i] = x[row * params.width + i % params.width];
#endif
    }
}
