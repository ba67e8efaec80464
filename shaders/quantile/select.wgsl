// quantile: x[rows, row] -> y[rows]: the order statistics `below` and `below + 1` of
// each row, interpolated by `weight`. Radix selection: bits are made to sort as
// integers, then four rounds count one byte each among the elements that agree with
// the bytes found so far. The next order statistic is the same number if there are
// more of it, else the smallest one above it.
// Integer counts and minima do not depend on their order: the result is exact.
// Tile: one row per workgroup of 64. With ROWS, for software devices, where barriers and
// atomics are dear: one row per invocation, which counts in an array of its own.

#include "common/linear_index.wgsl"

#ifdef QUADS
alias Bits = vec4u;
#else
alias Bits = u32;
#endif

struct Params {
    rows: u32,
    row: u32,    // of a row, in elements or fours
    below: u32,  // index of the lower order statistic, from 0
    weight: f32, // share of the upper one, in 0..1
}

const BINS = 256u;  // values of a byte
const SIGN = 0x80000000u;
const NOTHING = 0xFFFFFFFFu; // above the key of every number
const BYTE_BITS = 8u;
const BYTES = 4u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Bits>;       // [rows, row], bits of f32
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows]

#ifndef ROWS
const LANES = 64u;
const SHARE = BINS / LANES;

var<workgroup> histogram: array<atomic<u32>, BINS>;
var<workgroup> partial: array<u32, LANES>; // elements in each lane's share of the bins
var<workgroup> found: u32;                 // the byte of this round
var<workgroup> remaining: u32;             // rank among the elements of that byte
var<workgroup> equal: u32;                 // elements of that byte
var<workgroup> next: atomic<u32>;          // smallest key above the selected one
#endif

// Integers in the order of the floats that these are the bits of.
fn key_of(bits: u32) -> u32 {
    return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}

fn value_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & ~SIGN, (key & SIGN) != 0u));
}

// The quantile between the selected element, of which there are `equal`, and the next,
// which is `above` or, where the rank is not the last of the equal ones, the same.
fn quantile(selected: u32, rank: u32, equal: u32, above: u32) -> f32 {
    let a = value_of(selected);
    var b = a;
    // Nothing lies above the last element; its weight is 0.
    if params.weight > 0.0 && rank + 1u >= equal {
        b = value_of(above);
    }
    // Interpolated from the nearer end.
    let w = params.weight;
    return select(b - (b - a) * (1.0 - w), a + w * (b - a), w < 0.5);
}

#ifdef ROWS

#ifdef QUADS
fn keys_of(bits: Bits) -> vec4u {
    return select(bits | vec4u(SIGN), ~bits, (bits & vec4u(SIGN)) != vec4u(0u));
}
#endif

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_index(group, groups, lane, ROWS);
    if i >= params.rows {
        return;
    }
    let base = i * params.row;
    var histogram: array<u32, BINS>;
    var selected = 0u; // the bytes found so far
    var decided = 0u;  // a mask of them
    var rank = params.below;
    var equal = 0u;
    for (var round = 0u; round < BYTES; round += 1u) {
        let shift = BYTE_BITS * (BYTES - 1u - round);
        for (var b = 0u; b < BINS; b += 1u) {
            histogram[b] = 0u;
        }
        for (var e = base; e < base + params.row; e += 1u) {
#ifdef QUADS
            let keys = keys_of(x[e]);
            let counts = select(vec4u(0u), vec4u(1u), (keys & vec4u(decided)) == vec4u(selected));
            let bytes = (keys >> vec4u(shift)) & vec4u(BINS - 1u);
#repeat k 0 4
            histogram[bytes[$k]] += counts[$k];
#end
#else
            let key = key_of(x[e]);
            histogram[(key >> shift) & (BINS - 1u)] += u32((key & decided) == selected);
#endif
        }
        var before = 0u;
        var found = 0u;
        var remaining = 0u;
        for (var b = 0u; b < BINS; b += 1u) {
            let count = histogram[b];
            if rank >= before && rank < before + count {
                found = b;
                remaining = rank - before;
                equal = count;
            }
            before += count;
        }
        selected |= found << shift;
        decided |= (BINS - 1u) << shift;
        rank = remaining;
    }
    var above = NOTHING;
    for (var e = base; e < base + params.row; e += 1u) {
#ifdef QUADS
        let keys = keys_of(x[e]);
        let higher = select(vec4u(NOTHING), keys, keys > vec4u(selected));
        above = min(above, min(min(higher.x, higher.y), min(higher.z, higher.w)));
#else
        let key = key_of(x[e]);
        above = min(above, select(NOTHING, key, key > selected));
#endif
    }
    y[i] = quantile(selected, rank, equal, above);
}

#else

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let i = linear_group(group, groups);
    let base = min(i, params.rows - 1u) * params.row;
    var selected = 0u; // the bytes found so far
    var decided = 0u;  // a mask of them
    var rank = params.below;
    for (var round = 0u; round < BYTES; round += 1u) {
        let shift = BYTE_BITS * (BYTES - 1u - round);
        for (var b = lane; b < BINS; b += LANES) {
            atomicStore(&histogram[b], 0u);
        }
        workgroupBarrier();
        for (var e = lane; e < params.row; e += LANES) {
            let key = key_of(x[base + e]);
            if (key & decided) == selected {
                atomicAdd(&histogram[(key >> shift) & (BINS - 1u)], 1u);
            }
        }
        workgroupBarrier();
        var own = 0u;
        for (var b = lane * SHARE; b < (lane + 1u) * SHARE; b += 1u) {
            own += atomicLoad(&histogram[b]);
        }
        partial[lane] = own;
        workgroupBarrier();
        var before = 0u;
        for (var l = 0u; l < lane; l += 1u) {
            before += partial[l];
        }
        // Exactly one lane's bins hold the rank.
        if rank >= before && rank < before + own {
            for (var b = lane * SHARE; b < (lane + 1u) * SHARE; b += 1u) {
                let count = atomicLoad(&histogram[b]);
                if rank >= before && rank < before + count {
                    found = b;
                    remaining = rank - before;
                    equal = count;
                }
                before += count;
            }
        }
        workgroupBarrier();
        selected |= found << shift;
        decided |= (BINS - 1u) << shift;
        rank = remaining;
    }

    if lane == 0u {
        atomicStore(&next, NOTHING);
    }
    workgroupBarrier();
    for (var e = lane; e < params.row; e += LANES) {
        let key = key_of(x[base + e]);
        if key > selected {
            atomicMin(&next, key);
        }
    }
    workgroupBarrier();
    if lane == 0u && i < params.rows {
        y[i] = quantile(selected, rank, equal, atomicLoad(&next));
    }
}

#endif
