// matmul: c = a b as matmul/matmul computes it, for software Vulkan with subgroups of 8.
// There a load takes as long as 18 multiply-adds, and only an invocation's own arrays are
// read as fast as it computes. So a part of b stays in them and rows of a pass by (Sze et
// al., Efficient Processing of Deep Neural Networks, 2017, call such an operand stationary);
// what a row has summed waits in c for the next TERMS of k.
// Tile: TERMS x 8 COLUMNS of b per workgroup, a subgroup of 8; `rows` rows of a pass by.
// With several pieces of k, workgroup z sums its own into `c[z, i, j]` and matmul/join adds
// the pieces in order.
//   LEFT_ALONG_K   a is [m, k], k whole fours; else [k, m]
//   RIGHT_ALONG_K  b is [n, k], k whole fours; else [k, n]

#include "common/epilogue.wgsl"

struct Params {
    m: u32,
    n: u32,        // whole fours
    k: u32,
    rows: u32,     // of a workgroup
    piece: u32,    // terms of k in each piece; whole TERMS, but for the last
    has_bias: u32, // only with one piece, like the tail
    tail: u32,     // EPILOGUE_*; only with one piece
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef LEFT_ALONG_K
@group(0) @binding(1) var<storage, read> a: array<vec4f>;        // [m, k / 4]
#else
@group(0) @binding(1) var<storage, read> a: array<f32>;          // [k, m]
#endif
@group(0) @binding(2) var<storage, read> b: array<vec4f>;        // [k, n / 4] or [n, k / 4]
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;     // [n / 4] if has_bias
@group(0) @binding(4) var<storage, read> gate: array<vec4f>;     // [m, n / 4] if the tail is a gate
@group(0) @binding(5) var<storage, read_write> c: array<vec4f>;  // [pieces of k, m, n / 4]

const LANES = 8u;
// Terms that share an array: one array for all would take compilers long. TERMS is whole
// blocks; the 32 in the repeats is this one.
const BLOCK = 32u;

// True, which compilers cannot know.
fn once() -> bool {
    return params.n > 0u;
}

// Four terms of row i of a, from k on; nothing beyond `last`.
fn passing(i: u32, k: u32, last: u32) -> vec4f {
#ifdef LEFT_ALONG_K
    return select(vec4f(), a[(i * params.k + k) / 4u], k < last);
#else
    let terms = k + vec4u(0u, 1u, 2u, 3u);
    let at = terms * params.m + i;
    return select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), terms < vec4u(last));
#endif
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    // A lane's columns are COLUMNS / 4 fours, 8 fours apart: quad q begins at
    // column + 32 q.
    let column = group.x * LANES * COLUMNS + 4u * lane;
    let i_0 = group.y * params.rows;
    let end = min(i_0 + params.rows, params.m);
    let first = group.z * params.piece;
    let last = min(first + params.piece, params.k);
    let quads = params.n / 4u; // of a row of c
    let c_0 = group.z * params.m * quads + column / 4u;
    // held_h[t, j] = b(k_0 + BLOCK h + t, the lane's column j). Columns beyond the last hold
    // anything: what they sum is not stored.
#repeat h 0 TERMS/32
    var held_$h: array<f32, BLOCK * COLUMNS>;
#end
    // Loops end at their ends: one that is left at its beginning first runs once more with
    // no lane at work.
    var k_0 = first;
    loop {
#ifdef RIGHT_ALONG_K
        for (var t = 0u; t < BLOCK; t += 4u) {
#repeat h 0 TERMS/32
#repeat j 0 COLUMNS
            {
                let k = k_0 + ${32*$h}u + t;
                let j = column + ${$j/4*32+$j%4}u;
                let terms = select(vec4f(), b[(j * params.k + k) / 4u], k < last);
                held_$h[t * COLUMNS + $ju] = terms.x;
                held_$h[(t + 1u) * COLUMNS + $ju] = terms.y;
                held_$h[(t + 2u) * COLUMNS + $ju] = terms.z;
                held_$h[(t + 3u) * COLUMNS + $ju] = terms.w;
            }
#end
#end
        }
#else
        for (var t = 0u; t < BLOCK; t += 1u) {
#repeat h 0 TERMS/32
#repeat q 0 COLUMNS/4
            {
                let k = k_0 + ${32*$h}u + t;
                let four = select(vec4f(), b[(k * params.n + column) / 4u + ${8*$q}u], k < last);
                held_$h[t * COLUMNS + ${4*$q}u] = four.x;
                held_$h[t * COLUMNS + ${4*$q+1}u] = four.y;
                held_$h[t * COLUMNS + ${4*$q+2}u] = four.z;
                held_$h[t * COLUMNS + ${4*$q+3}u] = four.w;
            }
#end
#end
        }
#endif
        var i = i_0;
        loop {
            // Lane l has terms 4 l to 4 l + 3 of each block.
#repeat h 0 TERMS/32
            let passing_$h = passing(i, k_0 + ${32*$h}u + 4u * lane, last);
#end
            let at = c_0 + i * quads;
#repeat q 0 COLUMNS/4
            let before_$q = select(vec4f(), c[at + ${8*$q}u], k_0 != first);
#end
#repeat j 0 COLUMNS
            var sum_$j = before_${$j/4}[$j % 4];
#end
            // Term by term, for no product then waits for the one before it. Compilers keep
            // that order as long as they cannot move sums to where they are stored, out of
            // what is a loop to them.
            loop { // once
#repeat h 0 TERMS/32
#repeat t 0 32
                {
                    let term = subgroupBroadcast(passing_$h[$t % 4], ${$t/4}u);
#repeat j 0 COLUMNS
                    sum_$j = fma(term, held_$h[${$t*COLUMNS+$j}], sum_$j);
#end
                }
#end
#end
                continuing {
                    break if once();
                }
            }
#repeat q 0 COLUMNS/4
            if column + ${32*$q}u < params.n {
                c[at + ${8*$q}u] = vec4f(sum_${4*$q}, sum_${4*$q+1}, sum_${4*$q+2}, sum_${4*$q+3});
            }
#end
            continuing {
                i += 1u;
                break if i >= end;
            }
        }
        continuing {
            k_0 += TERMS;
            break if k_0 >= last;
        }
    }

    if params.has_bias == 0u && params.tail == 0u {
        return;
    }
    for (var i = i_0; i < end; i += 1u) {
        for (var q = 0u; q < COLUMNS / 4u; q += 1u) {
            let four = column / 4u + LANES * q;
            if four < quads {
                finish(i * quads + four, four);
            }
        }
    }
}

// Bias and tail of the four results at `at`, in columns from 4 `four` on.
fn finish(at: u32, four: u32) {
    var value = c[at];
    if params.has_bias == 1u {
        value += bias[four];
    }
    var g = vec4f();
    if params.tail >= EPILOGUE_GATE {
        g = gate[at];
    }
    c[at] = vec4f(
        epilogue(params.tail, value.x, g.x), epilogue(params.tail, value.y, g.y),
        epilogue(params.tail, value.z, g.z), epilogue(params.tail, value.w, g.w),
    );
}
