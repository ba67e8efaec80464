// attention: o = softmax(scale q k^T) v for each batch row and head, scores never
// stored. Kept for the gradient, for each query: the largest score times log2 e, and
// 1 / the sum of 2^(score - largest).
// Method: the running softmax of FlashAttention-2 (Dao, 2023).
// Tile: WIDE queries per invocation, with their heads and sums in registers; keys pass
// by. QUADS fours of a head: smaller heads are filled up.
//   SUBGROUP  a workgroup is one subgroup of 8. Eight keys at a time: each lane loads
//             one and shares it, for loads are dear on software Vulkan
//   TILED     ROWS queries per workgroup in workgroup memory, PASSING keys at a time:
//             ROW_TILE x PASSING_TILE scores per invocation in registers (BLOCKED), or
//             matrices of SIZE x SIZE that a subgroup multiplies at once (COOPERATIVE),
//             which tests multiply in plain loops (EMULATED)
//   else      every lane loads every key; nothing is assumed of subgroups

#include "common/attention.wgsl"

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;              // [B, queries, q_row]
@group(0) @binding(2) var<storage, read> k: array<vec4f>;              // [B, keys, k_row]
@group(0) @binding(3) var<storage, read> v: array<vec4f>;              // [B, keys, v_row]
@group(0) @binding(4) var<storage, read_write> o: array<vec4f>;        // [B, queries, o_row]
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2f>;  // [B, heads, queries]: largest, 1 / sum

#ifdef TILED
const SCORE = 0u; // q k^T
const PAIRS = 1u;
const OF_V = 0u;  // softmax v

fn counts() -> vec2u {
    return vec2u(params.queries, params.keys);
}

fn own(pair: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    return params.scale_log2e * q[q_at(group.z, group.y) + row * params.q_row + four];
}

fn passing(kind: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    if kind == SCORE {
        return k[k_at(group.z, group.y) + row * params.k_row + four];
    }
    return v[v_at(group.z, group.y) + row * params.v_row + four];
}

#ifdef BLOCKED
#include "common/attention_blocks.wgsl"
const_assert OF_V == 0u;

// Of the keys that each of a row's lanes has seen: the largest score, later the sum.
var<workgroup> tops: array<f32, SIDE * ROWS>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let lane = lane_of(index);
#repeat i 0 ROW_TILE
    var largest_$i = LEAST_SCORE;
    var total_$i = 0.0;
#end
    for (var first = 0u; first < params.keys; first += PASSING) {
        add_scores(lane, group, SCORE, first);
        // Keys beyond the last repeat it: they do not change the largest score.
#repeat i 0 ROW_TILE
        var top_$i = largest_$i;
#repeat s 0 PASSING_TILE
        top_$i = max(top_$i, score_$i_$s);
#end
        tops[lane.place * ROWS + lane.row + $iu * SIDE] = top_$i;
#end
        // All tops are there, and all have read the left tile.
        workgroupBarrier();
        for (var other = 0u; other < SIDE; other += 1u) {
#repeat i 0 ROW_TILE
            top_$i = max(top_$i, tops[other * ROWS + lane.row + $iu * SIDE]);
#end
        }
#repeat i 0 ROW_TILE
        let shrink_$i = two_to(largest_$i - top_$i);
        largest_$i = top_$i;
        total_$i *= shrink_$i;
#repeat c 0 QUADS/SIDE
        sum_0_$i_$c *= shrink_$i;
#end
#repeat b 0 PASSING_TILE/4
        {
#repeat e 0 4
            let there_$e = first + passing_row(${$b*4+$e}u, lane.place) < params.keys;
            let p_$e = select(0.0, two_to(score_$i_${$b*4+$e} - top_$i), there_$e);
            score_$i_${$b*4+$e} = 0.0;
#end
            share(lane, $iu, $bu, vec4f(p_0, p_1, p_2, p_3));
            total_$i += (p_0 + p_1) + (p_2 + p_3);
        }
#end
#end
        add_result_0(lane, group, first);
    }
    // All have read the last tops.
#repeat i 0 ROW_TILE
    tops[lane.place * ROWS + lane.row + $iu * SIDE] = total_$i;
#end
    workgroupBarrier();
#repeat i 0 ROW_TILE
    {
        let row = lane.row + $iu * SIDE;
        let query = first_row(group) + row;
        var total = 0.0;
        for (var other = 0u; other < SIDE; other += 1u) {
            total += tops[other * ROWS + row];
        }
        let kept = vec2f(largest_$i, 1.0 / total);
        if query < params.queries {
            let at_o = o_at(group.z, group.y) + query * params.o_row;
#repeat c 0 QUADS/SIDE
            if lane.place + $cu * SIDE < params.quads {
                o[at_o + lane.place + $cu * SIDE] = sum_0_$i_$c * kept.y;
            }
#end
            if lane.place == 0u {
                statistics[row_at(group, query)] = kept;
            }
        }
    }
#end
}
#else
const RESULTS = 1u;
#include "common/attention_tiles.wgsl"

// Of the keys that each of a row's lanes has seen: the largest score, and the sum.
var<workgroup> tops: array<f32, LANES>;
var<workgroup> totals: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, unit: Unit) {
    let row = unit.lane % ROWS;
    let piece = unit.lane / ROWS;
    // All lanes of a row know them.
    var largest = LEAST_SCORE;
    var total = 0.0;
    for (var first = 0u; first < params.keys; first += PASSING) {
        add_scores(unit, group, first);
        // Keys beyond the last repeat it: they do not change the largest score.
        var top = largest;
        for (var p = piece; p < PASSING; p += PIECES) {
            top = max(top, sums[p * ROWS + row]);
        }
        tops[unit.lane] = top;
        workgroupBarrier();
        for (var other = 0u; other < PIECES; other += 1u) {
            top = max(top, tops[other * ROWS + row]);
        }
        let shrink = two_to(largest - top);
        largest = top;
        var seen = 0.0;
        for (var p = piece; p < PASSING; p += PIECES) {
            let power = select(0.0, two_to(sums[p * ROWS + row] - top), first + p < params.keys);
            // The sum is of shares as they are staged: values that are all alike then come
            // out as they are, and in gradients cancel against the row's term.
            let share = staged(power);
            sums[p * ROWS + row] = 0.0;
            operands[SHARES_AT + row * SHARE_ROW + p] = share;
            seen += f32(share);
        }
        totals[unit.lane] = seen;
        if shrink < 1.0 {
            for (var c = piece; c < SLICE; c += PIECES) {
                sums[RESULTS_AT + row * RESULT_ROW + c] *= shrink;
            }
        }
        add_results(unit, group, first);
        total *= shrink;
        for (var other = 0u; other < PIECES; other += 1u) {
            total += totals[other * ROWS + row];
        }
    }
    let query = first_row(group) + row;
    if query < params.queries {
        let kept = vec2f(largest, 1.0 / total);
        let slice = first_element(group) / 4u;
        let at = o_at(group.z, group.y) + query * params.o_row + slice;
        for (var four = piece; four < slice_quads(group); four += PIECES) {
            o[at + four] = summed(OF_V, row, four) * kept.y;
        }
        if piece == 0u && slice == 0u {
            statistics[row_at(group, query)] = kept;
        }
    }
}
#endif
#else
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u,
#ifdef SUBGROUP
        @builtin(subgroup_invocation_id) lane: u32
#else
        @builtin(local_invocation_index) lane: u32
#endif
) {
    let head = group.y;
    let batch = group.z;
    let query = group.x * LANES * WIDE + lane;
    let k_head = k_at(batch, head);
    let v_head = v_at(batch, head);
    var queries: array<Held, WIDE * QUADS>;
    // Compilers do not know the bound, and so keep this a loop.
    for (var w = 0u; w < min(WIDE, params.queries); w += 1u) {
        let at = q_at(batch, head) + min(query + w * LANES, params.queries - 1u) * params.q_row;
        for (var i = 0u; i < params.quads; i += 1u) {
            queries[w * QUADS + i] = held(params.scale_log2e * q[at + i]);
        }
    }
    var sums: array<vec4f, WIDE * QUADS>;
#ifdef SUBGROUP
#repeat w 0 WIDE
    var largest_$w = LEAST_SCORE;
    var total_$w = 0.0;
#end
#repeat i 0 QUADS
    var row_$i = vec4f();
#end
    var first = 0u;
    loop {
        let key = min(first + lane, params.keys - 1u);
        let at_k = k_head + key * params.k_row;
        let at_v = v_head + key * params.v_row;
        // A load is much code, so this is a loop, which compilers must not unroll: fours come
        // in at one end and are pushed on.
        var i = 0u;
        loop {
#repeat j 0 STEP
            let new_$j = k[at_k + min(i + $ju, params.quads - 1u)];
#end
#repeat i 0 QUADS-STEP
            row_$i = row_${$i+STEP};
#end
#repeat j 0 STEP
            row_${QUADS-STEP+$j} = new_$j;
#end
            continuing {
                i += STEP;
                break if i >= max(QUADS, params.quads);
            }
        }
#repeat l 0 8
#repeat w 0 WIDE
        var score_$l_$w = 0.0;
#end
#end
#repeat s 0 QUADS/STEP
        loop { // once
#repeat l 0 8
#repeat j 0 STEP
            {
                let share = subgroupBroadcast(row_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                score_$l_$w += dot(share, queries[${$w*QUADS+$s*STEP+$j}u]);
#end
            }
#end
#end
            continuing {
                break if once();
            }
        }
#end
#repeat w 0 WIDE
        // Keys beyond the last repeat it: they do not change the largest score.
        var top_$w = max(largest_$w, score_0_$w);
#repeat l 1 8
        top_$w = max(top_$w, score_$l_$w);
#end
        let shrink_$w = two_to(largest_$w - top_$w);
        largest_$w = top_$w;
        total_$w *= shrink_$w;
#repeat l 0 8
        let p_$l_$w = select(0.0, two_to(score_$l_$w - top_$w), first + $lu < params.keys);
#end
        total_$w += ((p_0_$w + p_1_$w) + (p_2_$w + p_3_$w)) + ((p_4_$w + p_5_$w) + (p_6_$w + p_7_$w));
#end
        i = 0u;
        loop {
#repeat j 0 STEP
            let new_$j = v[at_v + min(i + $ju, params.quads - 1u)];
#end
#repeat i 0 QUADS-STEP
            row_$i = row_${$i+STEP};
#end
#repeat j 0 STEP
            row_${QUADS-STEP+$j} = new_$j;
#end
            continuing {
                i += STEP;
                break if i >= max(QUADS, params.quads);
            }
        }
#repeat s 0 QUADS/STEP
        loop { // once
#repeat j 0 STEP
            {
#repeat w 0 WIDE
                var next_$w = sums[${$w*QUADS+$s*STEP+$j}u] * shrink_$w;
#end
#repeat l 0 8
                {
                    let share = subgroupBroadcast(row_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                    next_$w += p_$l_$w * share;
#end
                }
#end
#repeat w 0 WIDE
                sums[${$w*QUADS+$s*STEP+$j}u] = next_$w;
#end
            }
#end
            continuing {
                break if once();
            }
        }
#end
        continuing {
            first += 8u;
            break if first >= params.keys;
        }
    }
    var kept: array<vec2f, WIDE>;
#repeat w 0 WIDE
    kept[$wu] = vec2f(largest_$w, 1.0 / total_$w);
#end
#else
    var largest = LEAST_SCORE;
    var total = 0.0;
    for (var key = 0u; key < params.keys; key += 1u) {
        let at_k = k_head + key * params.k_row;
        let at_v = v_head + key * params.v_row;
        var score = 0.0;
        for (var i = 0u; i < QUADS; i += 1u) {
            score += dot(vec4f(held(k[at_k + min(i, params.quads - 1u)])), vec4f(queries[i]));
        }
        let top = max(largest, score);
        let shrink = two_to(largest - top);
        let p = two_to(score - top);
        largest = top;
        total = total * shrink + p;
        for (var i = 0u; i < QUADS; i += 1u) {
            sums[i] = sums[i] * shrink + p * vec4f(held(v[at_v + min(i, params.quads - 1u)]));
        }
    }
    var kept: array<vec2f, WIDE>;
    kept[0] = vec2f(largest, 1.0 / total);
#endif
    for (var w = 0u; w < WIDE; w += 1u) {
        let row = query + w * LANES;
        if row < params.queries {
            let at = o_at(batch, head) + row * params.o_row;
            for (var i = 0u; i < params.quads; i += 1u) {
                o[at + i] = sums[w * QUADS + i] * kept[w].y;
            }
            statistics[(batch * params.heads + head) * params.queries + row] = kept[w];
        }
    }
}
#endif
