// The core of every product by tiles in workgroup memory:
//   result[i, j] = sum over k of left(i, k) right(k, j)
// A workgroup stages STEP terms of its rows of the left operand and of its columns of
// the right one, and every invocation sums 4 ROW_QUADS x 4 COLUMN_QUADS results in
// registers. This is the blocked product of every BLAS for GPUs (Volkov and Demmel,
// "Benchmarking GPUs to tune dense linear algebra", 2008).
//
// The including shader says what the operands are; for a convolution they are pixels
// and weights that are found where they lie (an implicit matrix product, as in Chetlur
// et al., "cuDNN", 2014). It defines
//   left_along_k(), right_…       whether neighbours along k lie next to each other
//   left_lines(i), right_lines(j) what addresses need of four rows or columns; those beyond the last stand
//                                 for any other: what is summed for them is not stored
//   term_of(k), next_term(t)      what they need of k, and of the k STEP further on
//   left(lines, t), right(…)      the operand's four values; k is one that there is
//   result_at(piece, j)           where column j of a piece of the result begins
//   store(at, i, j, sum)          adds bias and tail and stores
//
// Fours of rows (and of columns) lie apart: the four at place p are p, p + PLACES,
// p + 2 PLACES and p + 3 PLACES of the tile. So neighbouring invocations load and store
// neighbours whichever way the operand lies, and read neighbouring vectors in between.
//   F16  operands are staged as f16; sums are f32

#ifdef F16
enable f16;
#include "common/largest_f16.wgsl"
alias Staged = vec4<f16>;
// Beyond f16's largest number there is only infinity, which nothing may rely on.
fn staged(v: vec4f) -> Staged {
    return Staged(clamp(v, vec4f(-LARGEST_F16), vec4f(LARGEST_F16)));
}
#else
alias Staged = vec4f;
fn staged(v: vec4f) -> Staged {
    return v;
}
#endif

#include "common/tile.wgsl"

// One place more than is used: what is loaded along k is written to other banks.
const ROW_PITCH = ROW_PLACES + 1u;
const COLUMN_PITCH = COLUMN_PLACES + 1u;

// By term, then by place: an index of two parts is checked part by part, and what does not
// change in the inner loop is checked outside.
var<workgroup> left_tile: array<array<Staged, ROW_PITCH>, STEP>;
var<workgroup> right_tile: array<array<Staged, COLUMN_PITCH>, STEP>;

// The sums of the workgroup's tile over first <= k < last, stored as piece `piece`.
fn product(block: vec2u, lane: u32, size: vec2u, first: u32, last: u32, piece: u32) {
    let i_0 = block.y * ROW_PLACES * 4u;
    let j_0 = block.x * COLUMN_PLACES * 4u;
    let row = lane / COLUMN_SIDE;
    let column = lane % COLUMN_SIDE;
    let rows = vec4u(0u, 1u, 2u, 3u) * ROW_PLACES + i_0;
    let columns = vec4u(0u, 1u, 2u, 3u) * COLUMN_PLACES + j_0;

#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
    let left_place_$s = place($su, lane, ROW_PLACES, left_along_k());
    let left_lines_$s = left_lines(min(rows + left_place_$s.line, vec4u(size.y - 1u)));
    var left_k_$s = first + left_place_$s.k;
    var left_term_$s = term_of(left_k_$s);
    var left_value_$s = vec4f();
    if left_k_$s < last {
        left_value_$s = left(left_lines_$s, left_term_$s);
    }
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
    let right_place_$s = place($su, lane, COLUMN_PLACES, right_along_k());
    let right_lines_$s = right_lines(min(columns + right_place_$s.line, vec4u(size.x - 1u)));
    var right_k_$s = first + right_place_$s.k;
    var right_term_$s = term_of(right_k_$s);
    var right_value_$s = vec4f();
    if right_k_$s < last {
        right_value_$s = right(right_lines_$s, right_term_$s);
    }
#end
#repeat a 0 ROW_QUADS
#repeat l 0 4
#repeat b 0 COLUMN_QUADS
    var sum_$a_$l_$b = vec4f();
#end
#end
#end

    for (var k_0 = first; k_0 < last; k_0 += STEP) {
        // All have read the step before.
        workgroupBarrier();
#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
        left_tile[left_place_$s.k][left_place_$s.line] = staged(left_value_$s);
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
        right_tile[right_place_$s.k][right_place_$s.line] = staged(right_value_$s);
#end
        workgroupBarrier();
        // The next step is on its way while this one is summed.
#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
        left_k_$s += STEP;
        left_term_$s = next_term(left_term_$s);
        left_value_$s = vec4f();
        if left_k_$s < last {
            left_value_$s = left(left_lines_$s, left_term_$s);
        }
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
        right_k_$s += STEP;
        right_term_$s = next_term(right_term_$s);
        right_value_$s = vec4f();
        if right_k_$s < last {
            right_value_$s = right(right_lines_$s, right_term_$s);
        }
#end
        for (var k = 0u; k < STEP; k += 1u) {
#repeat a 0 ROW_QUADS
            let u_$a = vec4f(left_tile[k][row + $au * ROW_SIDE]);
#end
#repeat b 0 COLUMN_QUADS
            let v_$b = vec4f(right_tile[k][column + $bu * COLUMN_SIDE]);
#end
#repeat a 0 ROW_QUADS
#repeat l 0 4
#repeat b 0 COLUMN_QUADS
            sum_$a_$l_$b = fma(vec4f(u_$a[$l]), v_$b, sum_$a_$l_$b);
#end
#end
#end
        }
    }

    // One store for all sums, in a loop: written out, compilers take long over them.
    var sums: array<vec4f, 4u * ROW_QUADS * COLUMN_QUADS>;
#repeat a 0 ROW_QUADS
#repeat l 0 4
#repeat b 0 COLUMN_QUADS
    sums[($bu * ROW_QUADS + $au) * 4u + $lu] = sum_$a_$l_$b;
#end
#end
#end
    for (var q = 0u; q < 4u * COLUMN_QUADS; q += 1u) {
        let j = j_0 + column + q / 4u * COLUMN_SIDE + q % 4u * COLUMN_PLACES;
        if j < size.x {
            let at = result_at(piece, j);
            for (var r = 0u; r < 4u * ROW_QUADS; r += 1u) {
                let i = i_0 + row + r / 4u * ROW_SIDE + r % 4u * ROW_PLACES;
                if i < size.y {
                    store(at, i, j, sums[q / 4u * ROW_QUADS * 4u + r][q % 4u]);
                }
            }
        }
    }
}
