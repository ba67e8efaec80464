// Attention by tiles in workgroup memory and in registers: what its three kernels share.
// A workgroup owns ROWS rows (queries; for the gradients of k and v, keys) and their whole
// heads in each result; the rows of the other side pass by, PASSING at a time. Two steps
// for those that pass by, both products of a left and a right tile in workgroup memory:
//   add_scores    scores[r, p] += sum over the head of own(r) passing(p)
//   add_result_n  result n[r, c] += sum over p of share[r, p] passing(p, c)
// In between the kernel turns scores into shares, leaves zeros for the next scores, and
// puts the shares where the left tile was.
//
// Of SIDE x SIDE invocations each sums ROW_TILE x PASSING_TILE scores, and a four in
// every SIDE fours of ROW_TILE rows of a result, in registers: a vector from workgroup
// memory serves several of them (Volkov and Demmel, "Benchmarking GPUs to tune dense linear
// algebra", 2008). SIDE fours of the head are staged at a time; where it has fewer than
// QUADS, those beyond repeat its last: no score sums them, and nothing of theirs is stored.
//
// SIDE, ROW_TILE, PASSING_TILE, QUADS and the number of RESULTS are the permutation's. The
// including shader says how many PAIRS of operands make scores and defines
//   counts()                        how many rows of its own side there are, and of the other
//   own(pair, group, row, four)     four elements of an own row's operand
//   passing(kind, group, row, four) those of a row that passes by: in pair `kind`, or
//                                   from PAIRS on in result `kind` - PAIRS
// Rows beyond the last are it again: finite, and neither stored nor, with a share of
// zero, summed.

#include "common/attention.wgsl"

const LANES = SIDE * SIDE;
const ROWS = SIDE * ROW_TILE;
const PASSING = SIDE * PASSING_TILE;
// Fours of a row of shares.
const SHARES = PASSING / 4u;
const_assert QUADS % SIDE == 0u && PASSING_TILE % 4u == 0u && (SIDE & (SIDE - 1u)) == 0u;

// Own rows, or shares: [ROW_TILE, SIDE, SIDE fours of the head, or SHARES]. Vector v of row
// r of SIDE lies at v ^ r: invocations that read the same of neighbouring rows do so from
// different banks, and no memory is spent on that. The last index alone changes in the inner
// loops, so the bounds of all others are checked outside.
var<workgroup> left_tile: array<array<array<vec4f, SHARES>, SIDE>, ROW_TILE>;
// Rows passing by, the same way: [PASSING_TILE, SIDE, fours of the head].
var<workgroup> right_tile: array<array<array<vec4f, SIDE>, SIDE>, PASSING_TILE>;

// Which invocation this is: it sums rows row + i SIDE of the workgroup's own, scores of
// those with passing_row(s, place), and fours place + c SIDE of results.
struct Lane {
    row: u32,
    place: u32,
}

fn lane_of(index: u32) -> Lane {
    return Lane(index / SIDE, index % SIDE);
}

// Which of the rows passing by is at [s, place] of the right tile. Scores of an invocation
// are of four neighbours, and of four more, so that shares leave in whole vectors.
fn passing_row(s: u32, place: u32) -> u32 {
    return s / 4u * 4u * SIDE + 4u * place + s % 4u;
}

// The first of the workgroup's own rows.
fn first_row(group: vec3u) -> u32 {
    return group.x * ROWS;
}

#repeat i 0 ROW_TILE
#repeat s 0 PASSING_TILE
var<private> score_$i_$s: f32;
#end
#repeat n 0 RESULTS
#repeat c 0 QUADS/SIDE
var<private> sum_$n_$i_$c: vec4f;
#end
#end
#end

// Stages fours of the head from `chunk` on, of its own rows.
fn stage_own(lane: Lane, group: vec3u, pair: u32, chunk: u32) {
    let four = min(chunk + lane.place, params.quads - 1u);
    for (var i = 0u; i < ROW_TILE; i += 1u) {
        let there = min(first_row(group) + lane.row + i * SIDE, counts().x - 1u);
        left_tile[i][lane.row][lane.place ^ lane.row] = own(pair, group, there, four);
    }
}

// The same of the rows from `first` on that pass by: those operands of kind `kind`.
fn stage_passing(lane: Lane, group: vec3u, kind: u32, first: u32, chunk: u32) {
    let four = min(chunk + lane.place, params.quads - 1u);
    for (var s = 0u; s < PASSING_TILE; s += 1u) {
        let there = min(first + passing_row(s, lane.row), counts().y - 1u);
        right_tile[s][lane.row][lane.place ^ lane.row] = passing(kind, group, there, four);
    }
}

// Adds to scores those of the rows from `first` on.
fn add_scores(lane: Lane, group: vec3u, pair: u32, first: u32) {
    for (var chunk = 0u; chunk < params.quads; chunk += SIDE) {
        workgroupBarrier();
        stage_own(lane, group, pair, chunk);
        stage_passing(lane, group, pair, first, chunk);
        workgroupBarrier();
        // Counted from where compilers do not know, and so stays a loop: it is long enough.
        let last = min(chunk + SIDE, params.quads);
        for (var four = chunk; four < last; four += 1u) {
            let v = four - chunk;
#repeat i 0 ROW_TILE
            let own_$i = left_tile[$i][lane.row][v ^ lane.row];
#end
#repeat s 0 PASSING_TILE
            let passing_$s = right_tile[$s][lane.place][v ^ lane.place];
#end
#repeat e 0 4
#repeat i 0 ROW_TILE
#repeat s 0 PASSING_TILE
            score_$i_$s = fma(own_$i[$e], passing_$s[$e], score_$i_$s);
#end
#end
#end
        }
    }
}

// Puts four shares of row `row` + i SIDE where the left tile was: those of scores 4 block
// to 4 block + 3. Before it all have to have read that.
fn share(lane: Lane, i: u32, block: u32, value: vec4f) {
    left_tile[i][lane.row][(block * SIDE + lane.place) ^ lane.row] = value;
}

#repeat n 0 RESULTS
// Adds to result $n what the rows from `first`, a multiple of PASSING, on share in it. What
// lanes have put into `share` since a barrier is seen.
fn add_result_$n(lane: Lane, group: vec3u, first: u32) {
    for (var chunk = 0u; chunk < params.quads; chunk += SIDE) {
        if chunk > 0u {
            workgroupBarrier();
        }
        stage_passing(lane, group, PAIRS + $nu, first, chunk);
        workgroupBarrier();
#repeat i 0 ROW_TILE
        var part_$i = vec4f();
#end
#repeat b 0 PASSING_TILE/4
        {
            // Fours of neighbours, up to the last that there are.
            let begin = first / 4u + $bu * SIDE;
            let last = min(begin + SIDE, (counts().y + 3u) / 4u);
            for (var four = begin; four < last; four += 1u) {
                let place = four - begin;
#repeat i 0 ROW_TILE
                let share_$i = left_tile[$i][lane.row][($bu * SIDE + place) ^ lane.row];
#end
#repeat e 0 4
                let passing_$e = right_tile[${$b*4+$e}][place][lane.place ^ place];
#end
#repeat e 0 4
#repeat i 0 ROW_TILE
                part_$i = fma(vec4f(share_$i[$e]), passing_$e, part_$i);
#end
#end
            }
        }
#end
        // Registers have names, not numbers.
#repeat c 0 QUADS/SIDE
        if chunk == $cu * SIDE {
#repeat i 0 ROW_TILE
            sum_$n_$i_$c += part_$i;
#end
        }
#end
    }
}
#end
