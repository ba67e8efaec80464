// stack_frames: gathers frame stacks from one page of a frame store, as f32 in
// 0..255, each stack displaced by its own shift: the page padded by `pad` with its
// border pixels, then the exact window at (x, y) (SPEC.md A.3).
// Tile: one frame of one stack per workgroup of 64, whose lanes stride over its pixels;
// with QUADS, for software devices, over its rows, four pixels at a time (sides are
// whole fours): no division for each pixel, and two loads for four. Frames in other
// pages are left to the other pages' dispatches.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    stacks: u32,      // B
    frames: u32,      // F: frames in a stack
    planes: u32,      // C: of a frame
    side: u32,        // S: height and width
    first_slot: u32,  // of this page
    last_slot: u32,   // one beyond the last of this page
    pad: u32,
    has_offsets: u32,
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> page: array<u32>;     // u8[slots, C, S, S]
@group(0) @binding(2) var<storage, read> slots: array<u32>;    // [B, F]
@group(0) @binding(3) var<storage, read> offsets: array<u32>;  // [B, 2]: x, y in 0..=2 pad
@group(0) @binding(4) var<storage, read_write> y: array<Lane>; // [B, C F, S, S]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let item = linear_group(group, groups);
    if item >= params.stacks * params.frames {
        return;
    }
    let slot = slots[item];
    if slot < params.first_slot || slot >= params.last_slot {
        return;
    }
    let side = params.side;
    let plane = side * side;
    let source = (slot - params.first_slot) * params.planes * plane; // in bytes
    let target_base = item * params.planes * plane;
    var shift_x = 0;
    var shift_y = 0;
    if params.has_offsets == 1u {
        let stack = item / params.frames;
        shift_x = i32(offsets[2u * stack]) - i32(params.pad);
        shift_y = i32(offsets[2u * stack + 1u]) - i32(params.pad);
    }
    let last = i32(side) - 1;
#ifdef QUADS
    let quads = side / 4u;
    for (var r = lane; r < params.planes * side; r += LANES) {
        let channel = r / side;
        let row = clamp(i32(r - channel * side) + shift_y, 0, last);
        let start = source + channel * plane + u32(row) * side;
        for (var q = 0u; q < quads; q += 1u) {
            let columns = vec4i(i32(4u * q) + shift_x) + vec4i(0, 1, 2, 3);
            let bytes = start + vec4u(clamp(columns, vec4i(0), vec4i(last)));
            // Four neighbours lie in one word or in two.
            let words = bytes / 4u;
            let of_first = vec4u(page[words.x]);
            let four = select(vec4u(page[words.w]), of_first, words == vec4u(words.x));
            y[target_base / 4u + r * quads + q] = vec4f((four >> (8u * (bytes % 4u))) & vec4u(255u));
        }
    }
#else
    for (var i = lane; i < params.planes * plane; i += LANES) {
        let channel = i / plane;
        let pixel = i % plane;
        let row = clamp(i32(pixel / side) + shift_y, 0, last);
        let column = clamp(i32(pixel % side) + shift_x, 0, last);
        let byte = source + channel * plane + u32(row) * side + u32(column);
        y[target_base + i] = f32((page[byte / 4u] >> (8u * (byte % 4u))) & 255u);
    }
#endif
}
