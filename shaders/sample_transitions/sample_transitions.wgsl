// sample_transitions: draws B transitions uniformly with replacement from a ring of
// rows and takes them apart. Row: F + 1 frame slots (oldest first; the first F are
// the observation, the last F the next one), reward, not_done, action.
// Random numbers: Philox4x32-10, counter (draw / 4, step, stream, 0), key = seed.
// Tile: one transition per invocation.

#include "common/linear_index.wgsl"
#include "common/philox.wgsl"

struct Params {
    batch: u32,      // B
    frames: u32,     // F: frames in a stack
    action_dim: u32, // A
    capacity: u32,   // rows of the ring
    seed_low: u32,
    seed_high: u32,
    stream: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;               // [1]: counter of updates
@group(0) @binding(2) var<storage, read> ring: array<u32>;               // [2]: oldest row, rows held (at least 1)
@group(0) @binding(3) var<storage, read> rows: array<u32>;               // [capacity, F + 3 + A]
@group(0) @binding(4) var<storage, read_write> obs_slots: array<u32>;    // [B, F]
@group(0) @binding(5) var<storage, read_write> next_slots: array<u32>;   // [B, F]
@group(0) @binding(6) var<storage, read_write> action: array<f32>;       // [B, A]
@group(0) @binding(7) var<storage, read_write> reward: array<f32>;       // [B, 1]
@group(0) @binding(8) var<storage, read_write> not_done: array<f32>;     // [B, 1]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, 64u);
    if i >= params.batch {
        return;
    }
    let words = philox4x32_10(vec4u(i / 4u, step[0], params.stream, 0u), vec2u(params.seed_low, params.seed_high));
    let held = max(ring[1], 1u);
    let draw = below(words[i % 4u], held);
    let row = ((ring[0] + draw) % params.capacity) * (params.frames + 3u + params.action_dim);
    for (var f = 0u; f < params.frames; f += 1u) {
        obs_slots[i * params.frames + f] = rows[row + f];
        next_slots[i * params.frames + f] = rows[row + f + 1u];
    }
    let rest = row + params.frames + 1u;
    reward[i] = bitcast<f32>(rows[rest]);
    not_done[i] = bitcast<f32>(rows[rest + 1u]);
    for (var a = 0u; a < params.action_dim; a += 1u) {
        action[i * params.action_dim + a] = bitcast<f32>(rows[rest + 2u + a]);
    }
}
