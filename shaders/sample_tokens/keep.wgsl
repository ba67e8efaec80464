// sample_tokens, second pass, and keep_least: the K tokens of the least keys are kept, in the order of
// their keys.
// Tile: one token per invocation, which looks for its rank among the tokens of its sample.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // B T
    tokens: u32, // T
    keep: u32,   // K
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<f32>;            // [B, T]
@group(0) @binding(2) var<storage, read_write> kept: array<u32>;      // [B K]: rows of [B T, ...]
@group(0) @binding(3) var<storage, read_write> restored: array<u32>;  // [B T]: rows of [B K + 1, ...]
@group(0) @binding(4) var<storage, read_write> masked: array<f32>;    // [B, T]: 1 where not kept

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let sample = i / params.tokens;
    let base = sample * params.tokens;
    let own = keys[i];
    var rank = 0u;
    for (var other = base; other < base + params.tokens; other += 1u) {
        let value = keys[other];
        if value < own || (value == own && other < i) {
            rank += 1u;
        }
    }
    let samples = params.count / params.tokens;
    if rank < params.keep {
        kept[sample * params.keep + rank] = i;
        restored[i] = sample * params.keep + rank;
        masked[i] = 0.0;
    } else {
        restored[i] = samples * params.keep;
        masked[i] = 1.0;
    }
}
