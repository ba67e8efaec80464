// The product of common/tiled_product.wgsl, with the same words from the including
// shader, by cooperative matrices of SIZE x SIZE: the units that multiply small matrices
// (tensor cores, simdgroup matrices). What lies beyond the edges is staged as zeros.
// A subgroup sums a quadrant of the workgroup's tile. How many subgroups there are is
// known when it runs: where they are fewer than quadrants, they go through k again for
// those that are left; where they are more, some do what others do and store nothing.
//   F16  operands are staged as f16; sums are f32

enable wgpu_cooperative_matrix;

#include "common/staged.wgsl"
#include "common/tile.wgsl"

const ROWS = 4u * ROW_PLACES;
const COLUMNS = 4u * COLUMN_PLACES;
const QUADRANTS = 4u;
// BLOCKS (of the permutation) is how many matrices a quadrant has along each axis.
const_assert ROWS == 2u * SIZE * BLOCKS;
const_assert COLUMNS == 2u * SIZE * BLOCKS;
const_assert STEP % SIZE == 0u;

var<workgroup> left_tile: array<Staged, STEP * ROWS>;
var<workgroup> right_tile: array<Staged, STEP * COLUMNS>;
// A matrix of each quadrant on its way to memory.
var<workgroup> leaving: array<f32, QUADRANTS * SIZE * SIZE>;
var<workgroup> workgroup_subgroups: u32;

// The sums of the workgroup's tile over first <= k < last, stored as piece `piece`.
fn product(block: vec2u, lane: u32, size: vec2u, first: u32, last: u32, piece: u32,
           subgroup: u32, subgroups: u32) {
    let i_0 = block.y * ROWS;
    let j_0 = block.x * COLUMNS;
    let rows = vec4u(0u, 1u, 2u, 3u) * ROW_PLACES + i_0;
    let columns = vec4u(0u, 1u, 2u, 3u) * COLUMN_PLACES + j_0;
#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
    let left_place_$s = place($su, lane, ROW_PLACES, left_along_k());
    let left_rows_$s = rows + left_place_$s.line;
    let left_lines_$s = left_lines(min(left_rows_$s, vec4u(size.y - 1u)));
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
    let right_place_$s = place($su, lane, COLUMN_PLACES, right_along_k());
    let right_columns_$s = columns + right_place_$s.line;
    let right_lines_$s = right_lines(min(right_columns_$s, vec4u(size.x - 1u)));
#end
    if lane == 0u {
        workgroup_subgroups = subgroups;
    }
    let at_once = clamp(workgroupUniformLoad(&workgroup_subgroups), 1u, QUADRANTS);

    for (var quadrant_0 = 0u; quadrant_0 < QUADRANTS; quadrant_0 += at_once) {
        let quadrant = quadrant_0 + subgroup;
        let row_0 = quadrant % QUADRANTS / 2u * BLOCKS * SIZE;
        let column_0 = quadrant % 2u * BLOCKS * SIZE;
#repeat a 0 BLOCKS
#repeat b 0 BLOCKS
        var sum_$a_$b = coop_mat${SIZE}x${SIZE}<f32, C>();
#end
#end
#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
        var left_term_$s = term_of(first + left_place_$s.k);
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
        var right_term_$s = term_of(first + right_place_$s.k);
#end
        for (var k_0 = first; k_0 < last; k_0 += STEP) {
            // All have read the step before.
            workgroupBarrier();
#repeat s 0 STEP*ROW_QUADS/COLUMN_SIDE
            {
                var value = vec4f();
                if k_0 + left_place_$s.k < last {
                    value = select(vec4f(), left(left_lines_$s, left_term_$s), left_rows_$s < vec4u(size.y));
                }
                let at = left_place_$s.k * ROWS + left_place_$s.line;
#repeat q 0 4
                left_tile[at + $qu * ROW_PLACES] = staged(value[$q]);
#end
                left_term_$s = next_term(left_term_$s);
            }
#end
#repeat s 0 STEP*COLUMN_QUADS/ROW_SIDE
            {
                var value = vec4f();
                if k_0 + right_place_$s.k < last {
                    value = select(vec4f(), right(right_lines_$s, right_term_$s), right_columns_$s < vec4u(size.x));
                }
                let at = right_place_$s.k * COLUMNS + right_place_$s.line;
#repeat q 0 4
                right_tile[at + $qu * COLUMN_PLACES] = staged(value[$q]);
#end
                right_term_$s = next_term(right_term_$s);
            }
#end
            workgroupBarrier();
            for (var k = 0u; k < STEP; k += SIZE) {
#repeat a 0 BLOCKS
                let u_$a = coopLoad<coop_mat${SIZE}x${SIZE}<Staged, A>>(&left_tile[k * ROWS + row_0 + $au * SIZE], ROWS);
#end
#repeat b 0 BLOCKS
                let v_$b = coopLoadT<coop_mat${SIZE}x${SIZE}<Staged, B>>(&right_tile[k * COLUMNS + column_0 + $bu * SIZE], COLUMNS);
#end
#repeat a 0 BLOCKS
#repeat b 0 BLOCKS
                sum_$a_$b = coopMultiplyAdd(u_$a, v_$b, sum_$a_$b);
#end
#end
            }
        }

#repeat a 0 BLOCKS
#repeat b 0 BLOCKS
        workgroupBarrier();
        if subgroup < at_once && quadrant < QUADRANTS {
            coopStoreT(sum_$a_$b, &leaving[quadrant % QUADRANTS * SIZE * SIZE], SIZE);
        }
        workgroupBarrier();
        for (var e = lane; e < QUADRANTS * SIZE * SIZE; e += LANES) {
            let owner = e / (SIZE * SIZE);
            let i = i_0 + owner / 2u * BLOCKS * SIZE + $au * SIZE + e / SIZE % SIZE;
            let j = j_0 + owner % 2u * BLOCKS * SIZE + $bu * SIZE + e % SIZE;
            if owner >= quadrant_0 && owner < quadrant_0 + at_once && i < size.y && j < size.x {
                store(result_at(piece, j), i, j, leaving[e]);
            }
        }
#end
#end
    }
}
