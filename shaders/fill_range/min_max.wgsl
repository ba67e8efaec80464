// fill_range: the minimum of each piece of `low` and the maximum of each piece of
// `high`. Lanes stride over the piece, then lane 0 joins them.
// Tile: one piece per workgroup of 64.

#include "common/lane.wgsl"
#include "common/linear_index.wgsl"

struct Params {
    count: u32,  // elements, or fours
    piece: u32,  // of them in a piece
    pieces: u32,
}

const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> low: array<Lane>;           // [count]
@group(0) @binding(2) var<storage, read> high: array<Lane>;          // [count]
@group(0) @binding(3) var<storage, read_write> minimum: array<f32>;  // [pieces]
@group(0) @binding(4) var<storage, read_write> maximum: array<f32>;  // [pieces]

var<workgroup> lows: array<f32, LANES>;
var<workgroup> highs: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let piece = linear_group(group, groups);
    let start = min(piece, params.pieces - 1u) * params.piece;
    let end = min(start + params.piece, params.count);
    // A lane beyond the end repeats the last element, which changes nothing.
    let first = min(start + lane, end - 1u);
    var least = low[first];
    var most = high[first];
    for (var i = first + LANES; i < end; i += LANES) {
        least = min(least, low[i]);
        most = max(most, high[i]);
    }
    lows[lane] = lane_min(least);
    highs[lane] = lane_max(most);
    workgroupBarrier();
    if lane == 0u && piece < params.pieces {
        var minimum_of_piece = lows[0];
        var maximum_of_piece = highs[0];
        for (var l = 1u; l < LANES; l += 1u) {
            minimum_of_piece = min(minimum_of_piece, lows[l]);
            maximum_of_piece = max(maximum_of_piece, highs[l]);
        }
        minimum[piece] = minimum_of_piece;
        maximum[piece] = maximum_of_piece;
    }
}
