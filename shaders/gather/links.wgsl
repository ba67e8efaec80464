// gather: who gathered each row, as linked lists in ascending order. links[r] for a
// row r < R is the first n with rows[n] = r; links[R + n] is the next n' > n with
// the same row; `gathered`, the number of indices, ends a list.
// Tile: one link per invocation, which scans the indices until it finds it: with QUADS,
// where they are so many, four at a time.

#include "common/linear_index.wgsl"

struct Params {
    sources: u32,  // R
    gathered: u32, // N
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef QUADS
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;       // [N]
#else
@group(0) @binding(1) var<storage, read> rows: array<u32>;         // [N]
#endif
@group(0) @binding(2) var<storage, read_write> links: array<u32>;  // [R + N]

fn row_of(n: u32) -> u32 {
#ifdef QUADS
    return min(rows[n / 4u][n % 4u], params.sources - 1u);
#else
    return min(rows[n], params.sources - 1u);
#endif
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
#ifdef QUADS
    while n < params.gathered {
        let of_four = min(rows[n / 4u], vec4u(params.sources - 1u));
        let found = (of_four == vec4u(row)) & (vec4u(0u, 1u, 2u, 3u) >= vec4u(n % 4u));
        let four = n - n % 4u;
        if any(found) {
            n = four + select(select(select(3u, 2u, found.z), 1u, found.y), 0u, found.x);
            break;
        }
        n = four + 4u;
    }
#else
    while n < params.gathered {
        if row_of(n) == row {
            break;
        }
        n += 1u;
    }
#endif
    links[i] = n;
}
