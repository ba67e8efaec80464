// sample_tokens, first pass: which tokens of each modality are proposed, as sort keys.
// With perm = argsort(noise of a modality), token j is proposed iff perm[j] < share,
// where share = round(shares[b, m] keep), halves to even. Its key is then its tie-break,
// else 1 + its tie-break (SPEC.md B.3).
// Tile: one token per invocation. Token i looks for its rank j in its modality and
// writes the key of token j: ranks are a permutation, so each is written once.

#include "common/linear_index.wgsl"

struct Params {
    count: u32,      // B T
    tokens: u32,     // T: of all modalities, one after the other
    modalities: u32, // M, at most 4
    first_1: u32,    // first token of each modality but the first; T where there is none
    first_2: u32,
    first_3: u32,
    keep: f32,       // K
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> noise: array<f32>;       // [B, T]
@group(0) @binding(2) var<storage, read> shares: array<f32>;      // [B, M], of sum 1
@group(0) @binding(3) var<storage, read> tie_break: array<f32>;   // [B, T], in 0..1
@group(0) @binding(4) var<storage, read_write> keys: array<f32>;  // [B, T]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.count {
        return;
    }
    let sample = i / params.tokens;
    let base = sample * params.tokens;
    let token = i - base;
    var modality = 0u;
    var first = 0u;
    var end = params.first_1;
    if token >= params.first_1 {
        modality = 1u;
        first = params.first_1;
        end = params.first_2;
    }
    if token >= params.first_2 {
        modality = 2u;
        first = params.first_2;
        end = params.first_3;
    }
    if token >= params.first_3 {
        modality = 3u;
        first = params.first_3;
        end = params.tokens;
    }
    let own = noise[i];
    var rank = 0u;
    for (var other = first; other < end; other += 1u) {
        let value = noise[base + other];
        // Equal ones in their order.
        if value < own || (value == own && other < token) {
            rank += 1u;
        }
    }
    let share = round(shares[sample * params.modalities + modality] * params.keep);
    let at = base + first + rank;
    keys[at] = select(1.0, 0.0, f32(token - first) < share) + tie_break[at];
}
