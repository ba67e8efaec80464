// attention: the gradient of q. With p = 2^(score - largest) / sum recomputed and the
// row's term D = sum of g o (row_term.wgsl):
//   ds = p (g v^T - D),  dq = scale ds k
// Method: FlashAttention-2 (Dao, 2023), one kernel over queries, so that every sum has
// one owner and one order.
// Tile: WIDE queries per invocation; keys pass by. QUADS fours of a head: smaller heads
// are filled up.
//   SUBGROUP  a workgroup is one subgroup of 8. Eight keys at a time: each lane loads
//             one and shares it, for loads are dear on software Vulkan
//   TILED     ROWS queries per workgroup in workgroup memory, PASSING keys at a time:
//             ROW_TILE x PASSING_TILE scores per invocation in registers (BLOCKED), or
//             matrices of SIZE x SIZE that a subgroup multiplies at once (COOPERATIVE),
//             which tests multiply in plain loops (EMULATED)
//   else      every lane loads every key; nothing is assumed of subgroups

#include "common/attention.wgsl"

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;           // [B, queries, o_row]: gradient of o
@group(0) @binding(2) var<storage, read> q: array<vec4f>;           // [B, queries, q_row]
@group(0) @binding(3) var<storage, read> k: array<vec4f>;           // [B, keys, k_row]
@group(0) @binding(4) var<storage, read> v: array<vec4f>;           // [B, keys, v_row]
@group(0) @binding(5) var<storage, read> statistics: array<vec2f>;  // [B, heads, queries]: largest, 1 / sum
@group(0) @binding(6) var<storage, read> row_term: array<f32>;      // [B, heads, queries]
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;    // like q

#ifdef TILED
const SCORE = 0u;  // q k^T
const CHANGE = 1u; // g v^T
const PAIRS = 2u;
const OF_K = 0u;   // ds k

fn counts() -> vec2u {
    return vec2u(params.queries, params.keys);
}

fn own(pair: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    if pair == SCORE {
        return params.scale_log2e * q[q_at(group.z, group.y) + row * params.q_row + four];
    }
    return g[o_at(group.z, group.y) + row * params.o_row + four];
}

fn passing(kind: u32, group: vec3u, row: u32, four: u32) -> vec4f {
    if kind == CHANGE {
        return v[v_at(group.z, group.y) + row * params.v_row + four];
    }
    return k[k_at(group.z, group.y) + row * params.k_row + four];
}

#ifdef BLOCKED
#include "common/attention_blocks.wgsl"
const_assert OF_K == 0u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let lane = lane_of(index);
#repeat i 0 ROW_TILE
    let query_$i = first_row(group) + lane.row + $iu * SIDE;
    let kept_at_$i = row_at(group, min(query_$i, params.queries - 1u));
    let kept_$i = statistics[kept_at_$i];
    let term_$i = row_term[kept_at_$i];
#end
    for (var first = 0u; first < params.keys; first += PASSING) {
        add_scores(lane, group, SCORE, first);
#repeat s 0 PASSING_TILE
        let there_$s = first + passing_row($su, lane.place) < params.keys;
#repeat i 0 ROW_TILE
        let p_$i_$s = select(0.0, two_to(score_$i_$s - kept_$i.x), there_$s);
        score_$i_$s = 0.0;
#end
#end
        add_scores(lane, group, CHANGE, first);
        // All have read the left tile.
        workgroupBarrier();
#repeat i 0 ROW_TILE
#repeat b 0 PASSING_TILE/4
        {
#repeat e 0 4
            let ds_$e = p_$i_${$b*4+$e} * (score_$i_${$b*4+$e} - term_$i);
            score_$i_${$b*4+$e} = 0.0;
#end
            share(lane, $iu, $bu, vec4f(ds_0, ds_1, ds_2, ds_3));
        }
#end
#end
        add_result_0(lane, group, first);
    }
#repeat i 0 ROW_TILE
    if query_$i < params.queries {
        let at = q_at(group.z, group.y) + query_$i * params.q_row;
#repeat c 0 QUADS/SIDE
        if lane.place + $cu * SIDE < params.quads {
            dq[at + lane.place + $cu * SIDE] = params.scale * kept_$i.y * sum_0_$i_$c;
        }
#end
    }
#end
}
#else
const RESULTS = 1u;
#include "common/attention_tiles.wgsl"

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, unit: Unit) {
    let row = unit.lane % ROWS;
    let piece = unit.lane / ROWS;
    let query = first_row(group) + row;
    let kept_at = row_at(group, min(query, params.queries - 1u));
    let kept = statistics[kept_at];
    let term = row_term[kept_at];
    for (var first = 0u; first < params.keys; first += PASSING) {
        add_scores(unit, group, first);
        for (var p = piece; p < PASSING; p += PIECES) {
            let at = p * ROWS + row;
            let change_at = CHANGE * SCORES_APART + at;
            let ds = two_to(sums[at] - kept.x) * (sums[change_at] - term);
            sums[at] = 0.0;
            sums[change_at] = 0.0;
            operands[SHARES_AT + row * SHARE_ROW + p] =
                staged(select(0.0, ds, first + p < params.keys));
        }
        add_results(unit, group, first);
    }
    if query < params.queries {
        let slice = first_element(group) / 4u;
        let at = q_at(group.z, group.y) + query * params.q_row + slice;
        for (var four = piece; four < slice_quads(group); four += PIECES) {
            dq[at + four] = params.scale * kept.y * summed(OF_K, row, four);
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
#repeat w 0 WIDE
    let row_$w = (batch * params.heads + head) * params.queries
        + min(query + $wu * LANES, params.queries - 1u);
    let kept_$w = statistics[row_$w];
    let term_$w = row_term[row_$w];
#end
    var queries: array<Held, WIDE * QUADS>;
    var gradients: array<vec4f, WIDE * QUADS>;
    // Compilers do not know the bound, and so keep this a loop.
    for (var w = 0u; w < min(WIDE, params.queries); w += 1u) {
        let row = min(query + w * LANES, params.queries - 1u);
        let at_q = q_at(batch, head) + row * params.q_row;
        let at_g = o_at(batch, head) + row * params.o_row;
        for (var i = 0u; i < params.quads; i += 1u) {
            queries[w * QUADS + i] = held(params.scale_log2e * q[at_q + i]);
            gradients[w * QUADS + i] = g[at_g + i];
        }
    }
    var sums: array<vec4f, WIDE * QUADS>;
#ifdef SUBGROUP
#repeat i 0 QUADS
    var k_$i = vec4f();
    var v_$i = vec4f();
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
            let new_k_$j = k[at_k + min(i + $ju, params.quads - 1u)];
            let new_v_$j = v[at_v + min(i + $ju, params.quads - 1u)];
#end
#repeat i 0 QUADS-STEP
            k_$i = k_${$i+STEP};
            v_$i = v_${$i+STEP};
#end
#repeat j 0 STEP
            k_${QUADS-STEP+$j} = new_k_$j;
            v_${QUADS-STEP+$j} = new_v_$j;
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
                let share_k = subgroupBroadcast(k_${$s*STEP+$j}, $lu);
                let share_v = subgroupBroadcast(v_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                score_$l_$w += dot(share_k, queries[${$w*QUADS+$s*STEP+$j}u]);
                change_$l_$w += dot(share_v, gradients[${$w*QUADS+$s*STEP+$j}u]);
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
#repeat l 0 8
        let p_$l_$w = kept_$w.y * two_to(score_$l_$w - kept_$w.x);
        let ds_$l_$w = select(0.0, p_$l_$w * (change_$l_$w - term_$w), first + $lu < params.keys);
#end
#end
#repeat s 0 QUADS/STEP
        loop { // once
#repeat j 0 STEP
            {
#repeat w 0 WIDE
                var next_$w = sums[${$w*QUADS+$s*STEP+$j}u];
#end
#repeat l 0 8
                {
                    let share = subgroupBroadcast(k_${$s*STEP+$j}, $lu);
#repeat w 0 WIDE
                    next_$w += ds_$l_$w * share;
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
#else
    for (var key = 0u; key < params.keys; key += 1u) {
        let at_k = k_head + key * params.k_row;
        let at_v = v_head + key * params.v_row;
        var score = 0.0;
        var change = 0.0;
        for (var i = 0u; i < QUADS; i += 1u) {
            let here = min(i, params.quads - 1u);
            score += dot(vec4f(held(k[at_k + here])), vec4f(queries[i]));
            change += dot(vec4f(held(v[at_v + here])), gradients[i]);
        }
        let ds = kept_0.y * two_to(score - kept_0.x) * (change - term_0);
        for (var i = 0u; i < QUADS; i += 1u) {
            sums[i] += ds * vec4f(held(k[at_k + min(i, params.quads - 1u)]));
        }
    }
#endif
    for (var w = 0u; w < WIDE; w += 1u) {
        let row = query + w * LANES;
        if row < params.queries {
            let at = q_at(batch, head) + row * params.q_row;
            for (var i = 0u; i < params.quads; i += 1u) {
                dq[at + i] = params.scale * sums[w * QUADS + i];
            }
        }
    }
}
#endif
