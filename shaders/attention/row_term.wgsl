// attention: the term of each row in the gradient of a softmax, the sum over the head
// of the gradient times the result: D = sum of g o.
// Tile: one query of one head per invocation.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,   // B * queries * heads
    queries: u32,
    heads: u32,
    quads: u32,   // fours of a head
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;             // [B, queries, heads * quads]
@group(0) @binding(2) var<storage, read> o: array<vec4f>;             // [B, queries, heads * quads]
@group(0) @binding(3) var<storage, read_write> row_term: array<f32>;  // [B, heads, queries]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    var total = 0.0;
    for (var four = 0u; four < params.quads; four += 1u) {
        total += dot(g[i * params.quads + four], o[i * params.quads + four]);
    }
    let head = i % params.heads;
    let row = i / params.heads;
    let batch = row / params.queries;
    row_term[(batch * params.heads + head) * params.queries + row % params.queries] = total;
}
