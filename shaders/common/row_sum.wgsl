// The sum of one number per lane of a workgroup of 64, known to all its lanes
// afterwards. Every lane adds the same numbers in the same order: one barrier for
// each sum, and no tree to synchronise. `slot` separates sums of one shader: two
// that follow each other directly must not share it.

const LANES = 64u;
const SLOTS = 2u;

var<workgroup> row_terms: array<f32, LANES * SLOTS>;

fn row_sum(value: f32, lane: u32, slot: u32) -> f32 {
    let base = slot * LANES;
    row_terms[base + lane] = value;
    workgroupBarrier();
    var total = row_terms[base];
    for (var l = 1u; l < LANES; l += 1u) {
        total += row_terms[base + l];
    }
    return total;
}
