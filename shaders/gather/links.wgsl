// gather: who gathered each row, as linked lists in ascending order. links[r] for a
// row r < R is the first n with rows[n] = r; links[R + n] is the next n' > n with
// the same row; `gathered`, the number of indices, ends a list.
// Tile: one link per invocation, which scans the indices until it finds it.

#include "common/linear_index.wgsl"

struct Params {
    sources: u32,  // R
    gathered: u32, // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;         // [N]
@group(0) @binding(2) var<storage, read_write> links: array<u32>;  // [R + N]

fn row_of(n: u32) -> u32 {
    return min(rows[n], params.sources - 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.sources + params.gathered {
        return;
    }
    var row = i;
    var n = 0u;
    if i >= params.sources {
        row = row_of(i - params.sources);
        n = i - params.sources + 1u;
    }
    while n < params.gathered {
        if row_of(n) == row {
            break;
        }
        n += 1u;
    }
    links[i] = n;
}
