// Attention by tiles in workgroup memory: what its three kernels share. A workgroup owns
// ROWS rows (queries; for the gradients of k and v, keys) and sums SLICE elements of
// their head in each result; the rows of the other side pass by, PASSING at a time. Of
// both, CHUNK elements of the head are staged at a time, smaller heads filled up with
// zeros to 4 QUADS. Two steps for those that pass by:
//   add_scores   scores[p, r] += sum over the head of passing(p) own(r)
//   add_results  result[r, c] += sum over p of share[r, p] passing(p, c)
// In between the kernel turns scores into shares and leaves zeros for the next sums.
//
// The including shader says how many PAIRS of operands make scores, and how many
// RESULTS there are (of both, numbers start from 0), and defines
//   counts()                        how many rows of its own side there are, and of the other
//   own(pair, group, row, four)     four elements of an own row's operand
//   passing(kind, group, row, four) those of a row that passes by: in pair `kind`, or
//                                   from PAIRS on in result `kind` - PAIRS
// Rows beyond the last are it again: finite, and neither stored nor, with a share of
// zero, summed.

#include "common/attention.wgsl"
#include "common/block_product.wgsl"

const HEAD = 4u * QUADS;
// Workgroups for the same rows; each computes their scores.
const SLICES = HEAD / SLICE;
// Lanes for one row.
const PIECES = LANES / ROWS;
// 16 bytes more than a row has, so that neighbouring rows begin in other banks, and still
// where matrices may be loaded from: four f32 (SIZE 8) or eight f16 (16), and four sums.
const PAD = SIZE / 2u;
const SUM_PAD = 4u;
const OWN_ROW = ROWS + PAD;
const PASSING_ROW = CHUNK + PAD;
const SHARE_ROW = PASSING + PAD;
const RESULT_ROW = SLICE + SUM_PAD;
const_assert HEAD % SLICE == 0u && SLICE % CHUNK == 0u && CHUNK % SIZE == 0u;
const_assert ROWS % SIZE == 0u && PASSING % SIZE == 0u && LANES % ROWS == 0u;
const_assert RESULTS <= PAIRS;

// `operands` are
//   own rows, turned  [PAIRS, CHUNK, OWN_ROW]
//   rows passing by   [PAIRS, PASSING, PASSING_ROW]
//   shares            [RESULTS, ROWS, SHARE_ROW]
const OWN_APART = CHUNK * OWN_ROW;
const PASSING_AT = PAIRS * OWN_APART;
const PASSING_APART = PASSING * PASSING_ROW;
const SHARES_AT = PASSING_AT + PAIRS * PASSING_APART;
const SHARES_APART = ROWS * SHARE_ROW;
const OPERANDS = SHARES_AT + RESULTS * SHARES_APART;
// `sums` are
//   scores   [PAIRS, PASSING, ROWS]
//   results  [RESULTS, ROWS, RESULT_ROW]
const SCORES_APART = PASSING * ROWS;
const RESULTS_AT = PAIRS * SCORES_APART;
const RESULTS_APART = ROWS * RESULT_ROW;
const SUMS = RESULTS_AT + RESULTS * RESULTS_APART;

// The first of the workgroup's own rows.
fn first_row(group: vec3u) -> u32 {
    return group.x / SLICES * ROWS;
}

// Where its slice of the head begins.
fn first_element(group: vec3u) -> u32 {
    return group.x % SLICES * SLICE;
}

// Fours of the slice that the head has.
fn slice_quads(group: vec3u) -> u32 {
    let before = first_element(group) / 4u;
    return min(SLICE / 4u, max(params.quads, before) - before);
}

// Stages elements of the head from `chunk` on, of its own rows.
fn stage_own(unit: Unit, group: vec3u, chunk: u32) {
    for (var pair = 0u; pair < PAIRS; pair += 1u) {
        for (var e = unit.lane; e < ROWS * CHUNK / 4u; e += LANES) {
            let row = e % ROWS;
            let four = chunk / 4u + e / ROWS;
            let there = min(first_row(group) + row, counts().x - 1u);
            let found = own(pair, group, there, min(four, params.quads - 1u));
            let value = held(select(vec4f(), found, four < params.quads));
            let at = pair * OWN_APART + e / ROWS * 4u * OWN_ROW + row;
#repeat i 0 4
            operands[at + $iu * OWN_ROW] = value[$i];
#end
        }
    }
}

// Stages elements of the head from `chunk` on, of the rows from `first` on that pass by:
// those operands of kind `kind`, as number `place`.
fn stage_passing(unit: Unit, group: vec3u, kind: u32, place: u32, first: u32, chunk: u32) {
    for (var e = unit.lane; e < PASSING * CHUNK / 4u; e += LANES) {
        let row = e / (CHUNK / 4u);
        let place_in_row = e % (CHUNK / 4u);
        let four = chunk / 4u + place_in_row;
        let there = min(first + row, counts().y - 1u);
        let found = passing(kind, group, there, min(four, params.quads - 1u));
        let value = held(select(vec4f(), found, four < params.quads));
        let at = PASSING_AT + place * PASSING_APART + row * PASSING_ROW + 4u * place_in_row;
#repeat i 0 4
        operands[at + $iu] = value[$i];
#end
    }
}

// Adds to `scores` those of the rows from `first` on.
fn add_scores(unit: Unit, group: vec3u, first: u32) {
    for (var chunk = 0u; chunk < HEAD; chunk += CHUNK) {
        // What is the whole head stays where it is.
        if first == 0u || CHUNK < HEAD {
            stage_own(unit, group, chunk);
        }
        for (var pair = 0u; pair < PAIRS; pair += 1u) {
            stage_passing(unit, group, pair, pair, first, chunk);
        }
        workgroupBarrier();
        add_products(unit, PAIRS, vec3u(PASSING, ROWS, CHUNK),
                     Matrices(0u, ROWS, SCORES_APART),
                     Matrices(PASSING_AT, PASSING_ROW, PASSING_APART),
                     Matrices(0u, OWN_ROW, OWN_APART));
        workgroupBarrier();
    }
}

// Adds to `results` what the rows from `first` on share in them. What lanes have written
// before is seen.
fn add_results(unit: Unit, group: vec3u, first: u32) {
    for (var chunk = 0u; chunk < SLICE; chunk += CHUNK) {
        for (var result = 0u; result < RESULTS; result += 1u) {
            stage_passing(unit, group, PAIRS + result, result, first, first_element(group) + chunk);
        }
        workgroupBarrier();
        add_products(unit, RESULTS, vec3u(ROWS, CHUNK, PASSING),
                     Matrices(RESULTS_AT + chunk, RESULT_ROW, RESULTS_APART),
                     Matrices(SHARES_AT, SHARE_ROW, SHARES_APART),
                     Matrices(PASSING_AT, PASSING_ROW, PASSING_APART));
        workgroupBarrier();
    }
}

// Four elements of an own row's result.
fn summed(result: u32, row: u32, four: u32) -> vec4f {
    let at = RESULTS_AT + result * RESULTS_APART + row * RESULT_ROW + 4u * four;
    return vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
}
