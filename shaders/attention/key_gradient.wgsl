// attention: the gradients of k and v. With p = 2^(score - largest) / sum recomputed
// and the row's term D = sum of g o (row_term.wgsl):
//   dv = p^T g,  ds = p (g v^T - D),  dk = scale ds^T q
// Method: FlashAttention-2 (Dao, 2023), one kernel over keys, so that every sum has
// one owner and one order.
// Tile: WIDE keys per invocation; queries pass by. QUADS fours of a head: smaller heads
// are filled up.
//   SUBGROUP  a workgroup is one subgroup of 8. Eight queries at a time: each lane
//             loads one and shares it, for loads are dear on software Vulkan
//   TILED     ROWS keys per workgroup in workgroup memory, PASSING queries at a time:
//             ROW_TILE x PASSING_TILE scores per invocation in registers (BLOCKED), or
//             matrices of SIZE x SIZE that a subgroup multiplies at once (COOPERATIVE),
//             which tests multiply in plain loops (EMULATED)
//   else      every lane loads every query; nothing is assumed of subgroups

#include "common/attention.wgsl"

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;           // [B, queries, o_row]: gradient of o
@group(0) @binding(2) var<storage, read> q: array<vec4f>;           // [B, queries, q_row]
@group(0) @binding(3) var<storage, read> k: array<vec4f>;           // [B, keys, k_row]
@group(0) @binding(4) var<storage, read> v: array<vec4f>;           // [B, keys, v_row]
@group(0) @binding(5) var<storage, read> statistics: array<vec2f>;  // [B, heads, queries]: largest, 1 / sum
@group(0) @binding(6) var<storage, read> row_term: array<f32>;      // [B, heads, queries]
@group(0) @binding(7) var<storage, read_write> dk: array<vec4f>;    // like k, with v where both share rows
@group(0) @binding(8) var<storage, read_write> dv: array<vec4f>;    // like v, if not in dk

// Queries are loaded times scale log2 e, as in the other kernels, so that scores are rounded
// alike; ln 2 leaves the scale.
const LN_2 = 0.6931471805599453;

fn store(at_k: u32, at_v: u32, of_k: vec4f, of_v: vec4f) {
    dk[at_k] = LN_2 * of_k;
    // Rows of k that hold more than k hold v too.
    if params.k_row != params.o_row {
        dk[at_v] = of_v;
    } else {
        dv[at_v] = of_v;
    }
}

#ifdef TILED
const SCORE = 0u;  // k q^T
const CHANGE = 1u; // v g^T
const PAIRS = 2u;
const OF_V = 0u;   // p^T g
const OF_K = 1u;   // ds^T q

fn counts() -> vec2u {
    return vec2u(params.keys, params.queries);
}

fn own(pair: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    if pair == SCORE {
        return k[k_at(group.z, group.y) + row * params.k_row + four];
    }
    return v[v_at(group.z, group.y) + row * params.v_row + four];
}

fn passing(kind: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    if kind == CHANGE || kind == PAIRS + OF_V {
        return g[o_at(group.z, group.y) + row * params.o_row + four];
    }
    return params.scale_log2e * q[q_at(group.z, group.y) + row * params.q_row + four];
}

#ifdef BLOCKED
#include "common/attention_blocks.wgsl"
const_assert OF_V == 0u && OF_K == 1u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let lane = lane_of(index);
    for (var first = 0u; first < params.queries; first += PASSING) {
        add_scores(lane, group, SCORE, first);
#repeat s 0 PASSING_TILE
        let query_$s = first + passing_row($su, lane.place);
        let kept_at_$s = row_at(group, min(query_$s, params.queries - 1u));
        let kept_$s = statistics[kept_at_$s];
        let share_$s = select(0.0, kept_$s.y, query_$s < params.queries);
#repeat i 0 ROW_TILE
        let p_$i_$s = share_$s * two_to(score_$i_$s - kept_$s.x);
        score_$i_$s = 0.0;
#end
#end
        // All have read the left tile.
        workgroupBarrier();
#repeat i 0 ROW_TILE
#repeat b 0 PASSING_TILE/4
        share(lane, $iu, $bu, vec4f(p_$i_${$b*4}, p_$i_${$b*4+1}, p_$i_${$b*4+2}, p_$i_${$b*4+3}));
#end
#end
        add_result_0(lane, group, first);
        add_scores(lane, group, CHANGE, first);
#repeat s 0 PASSING_TILE
        let term_$s = row_term[kept_at_$s];
#end
        // And again.
        workgroupBarrier();
#repeat i 0 ROW_TILE
#repeat b 0 PASSING_TILE/4
        {
#repeat e 0 4
            let ds_$e = p_$i_${$b*4+$e} * (score_$i_${$b*4+$e} - term_${$b*4+$e});
            score_$i_${$b*4+$e} = 0.0;
#end
            share(lane, $iu, $bu, vec4f(ds_0, ds_1, ds_2, ds_3));
        }
#end
#end
        add_result_1(lane, group, first);
    }
#repeat i 0 ROW_TILE
    {
        let key = first_row(group) + lane.row + $iu * SIDE;
        if key < params.keys {
            let at_k = k_at(group.z, group.y) + key * params.k_row;
            let at_v = v_at(group.z, group.y) + key * params.v_row;
#repeat c 0 QUADS/SIDE
            if lane.place + $cu * SIDE < params.quads {
                let four = lane.place + $cu * SIDE;
                store(at_k + four, at_v + four, sum_1_$i_$c, sum_0_$i_$c);
            }
#end
        }
    }
#end
}
#else
const RESULTS = 2u;
#include "common/attention_tiles.wgsl"

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, unit: Unit) {
    let row = unit.lane % ROWS;
    let piece = unit.lane / ROWS;
    for (var first = 0u; first < params.queries; first += PASSING) {
        add_scores(unit, group, first);
        for (var p = piece; p < PASSING; p += PIECES) {
            let at = p * ROWS + row;
            let change_at = CHANGE * SCORES_APART + at;
            let query = row_at(group, min(first + p, params.queries - 1u));
            let kept = statistics[query];
            let power = kept.y * two_to(sums[at] - kept.x);
            let p_there = select(0.0, power, first + p < params.queries);
            let ds = p_there * (sums[change_at] - row_term[query]);
            sums[at] = 0.0;
            sums[change_at] = 0.0;
            let share = SHARES_AT + row * SHARE_ROW + p;
            operands[share + OF_V * SHARES_APART] = staged(p_there);
            operands[share + OF_K * SHARES_APART] = staged(ds);
        }
        add_results(unit, group, first);
    }
    let key = first_row(group) + row;
    if key < params.keys {
        let slice = first_element(group) / 4u;
        let at_k = k_at(group.z, group.y) + key * params.k_row + slice;
        let at_v = v_at(group.z, group.y) + key * params.v_row + slice;
        for (var four = piece; four < slice_quads(group); four += PIECES) {
            store(at_k + four, at_v + four, summed(OF_K, row, four), summed(OF_V, row, four));
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
    let key = group.x * LANES * WIDE + lane;
    let q_head = q_at(batch, head);
    let g_head = o_at(batch, head);
    let row_head = (batch * params.heads + head) * params.queries;
    var keys: array<Held, WIDE * QUADS>;
    var values: array<vec4f, WIDE * QUADS>;
    // Compilers do not know the bound, and so keep this a loop.
    for (var w = 0u; w < min(WIDE, params.keys); w += 1u) {
        let row = min(key + w * LANES, params.keys - 1u);
        let at_k = k_at(batch, head) + row * params.k_row;
        let at_v = v_at(batch, head) + row * params.v_row;
        for (var i = 0u; i < params.quads; i += 1u) {
            keys[w * QUADS + i] = held(k[at_k + i]);
            values[w * QUADS + i] = vec4f(held(v[at_v + i]));
        }
    }
    var of_k: array<vec4f, WIDE * QUADS>;
    var of_v: array<vec4f, WIDE * QUADS>;
#ifdef SUBGROUP
#repeat i 0 QUADS
    var q_$i = vec4f();
    var g_$i = vec4f();
#end
    var first = 0u;
    loop {
        let query = min(first + lane, params.queries - 1u);
        let at_q = q_head + query * params.q_row;
        let at_g = g_head + query * params.o_row;
        let kept = statistics[row_head + query];
        let term = row_term[row_head + query];
        // A load is much code, so this is a loop, which compilers must not unroll: fours come
        // in at one end and are pushed on.
        var i = 0u;
        loop {
#repeat j 0 STEP
            let new_q_$j = params.scale_log2e * q[at_q + min(i + $ju, params.quads - 1u)];
            let new_g_$j = g[at_g + min(i + $ju, params.quads - 1u)];
#end
#repeat i 0 QUADS-STEP
            q_$i = q_${$i+STEP};
            g_$i = g_${$i+STEP};
#end
#repeat j 0 STEP
            q_${QUADS-STEP+$j} = new_q_$j;
            g_${QUADS-STEP+$j} = new_g_$j;
#end
            continuing {
                i += STEP;
                break if i >= max(QUADS, params.quads);
            }
        }
#repeat w 0 WIDE
#repeat l 0 8
        var score_$l_$w = 0.0;
        var change_$l_$w = 0.0;
#end
#end
#repeat s 0 QUADS/STEP
        loop { // once
#repeat l 0 8
#repeat j 0 STEP
            {
                let share_q = subgroupBroadcast(q_${$s*STEP+$j}, $lu);
                let share_g = subgroupBroadcast(g_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                score_$l_$w += dot(share_q, keys[${$w*QUADS+$s*STEP+$j}u]);
                change_$l_$w += dot(share_g, values[${$w*QUADS+$s*STEP+$j}u]);
#end
            }
#end
#end
            continuing {
                break if once();
            }
        }
#end
#repeat l 0 8
        let largest_$l = subgroupBroadcast(kept.x, $lu);
        let share_$l = select(0.0, subgroupBroadcast(kept.y, $lu), first + $lu < params.queries);
        let term_$l = subgroupBroadcast(term, $lu);
#repeat w 0 WIDE
        let p_$l_$w = share_$l * two_to(score_$l_$w - largest_$l);
        let ds_$l_$w = p_$l_$w * (change_$l_$w - term_$l);
#end
#end
#repeat s 0 QUADS/STEP
        loop { // once
#repeat j 0 STEP
            {
#repeat w 0 WIDE
                var next_k_$w = of_k[${$w*QUADS+$s*STEP+$j}u];
                var next_v_$w = of_v[${$w*QUADS+$s*STEP+$j}u];
#end
#repeat l 0 8
                {
                    let share_q = subgroupBroadcast(q_${$s*STEP+$j}, $lu);
                    let share_g = subgroupBroadcast(g_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                    next_k_$w += ds_$l_$w * share_q;
                    next_v_$w += p_$l_$w * share_g;
#end
                }
#end
#repeat w 0 WIDE
                of_k[${$w*QUADS+$s*STEP+$j}u] = next_k_$w;
                of_v[${$w*QUADS+$s*STEP+$j}u] = next_v_$w;
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
            break if first >= params.queries;
        }
    }
#else
    for (var query = 0u; query < params.queries; query += 1u) {
        let at_q = q_head + query * params.q_row;
        let at_g = g_head + query * params.o_row;
        let kept = statistics[row_head + query];
        var score = 0.0;
        var change = 0.0;
        for (var i = 0u; i < QUADS; i += 1u) {
            let here = min(i, params.quads - 1u);
            score += dot(vec4f(held(params.scale_log2e * q[at_q + here])), vec4f(keys[i]));
            change += dot(g[at_g + here], values[i]);
        }
        let p = kept.y * two_to(score - kept.x);
        let ds = p * (change - row_term[row_head + query]);
        for (var i = 0u; i < QUADS; i += 1u) {
            let here = min(i, params.quads - 1u);
            of_k[i] += ds * vec4f(held(params.scale_log2e * q[at_q + here]));
            of_v[i] += p * g[at_g + here];
        }
    }
#endif
    for (var w = 0u; w < WIDE; w += 1u) {
        let row = key + w * LANES;
        if row < params.keys {
            let at_k = k_at(batch, head) + row * params.k_row;
            let at_v = v_at(batch, head) + row * params.v_row;
            for (var i = 0u; i < params.quads; i += 1u) {
                store(at_k + i, at_v + i, of_k[w * QUADS + i], of_v[w * QUADS + i]);
            }
        }
    }
}
#endif
