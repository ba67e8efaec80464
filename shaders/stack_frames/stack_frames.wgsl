// stack_frames: gathers frame stacks from one page of a frame store, as f32 in
// 0..255, of each stack a window at its own place, where border pixels are repeated
// beyond the frame: y[b, c, i, j] = frame[c, clamp(i + origin + row_b), clamp(j + origin +
// column_b)]. A shift is a window as large as the frame whose origin is before it, a crop
// a smaller one (SPEC.md A.3). Places beyond `most` count as that.
// Tile: one frame of one stack per workgroup of 64, whose lanes stride over the window's
// pixels; with QUADS, for software devices, over its rows, four pixels at a time (windows
// are whole fours): no division for each pixel, and two loads for four. Frames in other
// pages are left to the other pages' dispatches.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    stacks: u32,      // B
    frames: u32,      // F: frames in a stack
    planes: u32,      // C: of a frame
    side: u32,        // S: height and width of a frame
    size: u32,        // W: of the window
    first_slot: u32,  // of this page
    last_slot: u32,   // one beyond the last of this page
    origin: i32,      // row and column of the window at place 0
    most: u32,        // the last place, down and along
    row_at: u32,      // which of a stack's two offsets is the row's; the other the column's
    has_offsets: u32,
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> page: array<u32>;     // u8[slots, C, S, S]
@group(0) @binding(2) var<storage, read> slots: array<u32>;    // [B, F]
@group(0) @binding(3) var<storage, read> offsets: array<u32>;  // [B, 2]: places, 0..=most
@group(0) @binding(4) var<storage, read_write> y: array<Lane>; // [B, C F, W, W]

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
    let size = params.size;
    let window = size * size;
    let source = (slot - params.first_slot) * params.planes * plane; // in bytes
    let target_base = item * params.planes * window;
    var top = params.origin;
    var left = params.origin;
    if params.has_offsets == 1u {
        let stack = item / params.frames;
        top += i32(min(offsets[2u * stack + params.row_at], params.most));
        left += i32(min(offsets[2u * stack + 1u - params.row_at], params.most));
    }
    let last = i32(side) - 1;
#ifdef QUADS
    let quads = size / 4u;
    for (var r = lane; r < params.planes * size; r += LANES) {
        let channel = r / size;
        let row = clamp(i32(r - channel * size) + top, 0, last);
        let start = source + channel * plane + u32(row) * side;
        for (var q = 0u; q < quads; q += 1u) {
            let columns = vec4i(i32(4u * q) + left) + vec4i(0, 1, 2, 3);
            let bytes = start + vec4u(clamp(columns, vec4i(0), vec4i(last)));
            // Four neighbours lie in one word or in two.
            let words = bytes / 4u;
            let of_first = vec4u(page[words.x]);
            let four = select(vec4u(page[words.w]), of_first, words == vec4u(words.x));
            y[target_base / 4u + r * quads + q] = vec4f((four >> (8u * (bytes % 4u))) & vec4u(255u));
        }
    }
#else
    for (var i = lane; i < params.planes * window; i += LANES) {
        let channel = i / window;
        let pixel = i % window;
        let row = clamp(i32(pixel / size) + top, 0, last);
        let column = clamp(i32(pixel % size) + left, 0, last);
        let byte = source + channel * plane + u32(row) * side + u32(column);
        y[target_base + i] = f32((page[byte / 4u] >> (8u * (byte % 4u))) & 255u);
    }
#endif
}
