// What the kernels of attention share: where heads lie, and powers of two that no
// score can drive out of f32's range. Rows, strides and places count fours of elements.
#include "common/held.wgsl"

struct Params {
    queries: u32,
    keys: u32,
    heads: u32,
    quads: u32,       // fours of a head
    q_row: u32,       // from one query to the next, and the first head's place in a row
    q_first: u32,
    k_row: u32,
    k_first: u32,
    v_row: u32,
    v_first: u32,
    o_row: u32,
    scale: f32,
    scale_log2e: f32, // scale times log2 e: scores are exponents of two
}

// Below every score; far enough from the end of f32's range for differences.
const LEAST_SCORE = -1e37;

const LEAST_EXPONENT = -126.0; // of two, in f32's normal numbers

// 2^x for x <= 0: for a score without the largest, which may seem to be above it by as much
// as kernels differ in rounding. That is more than an exponent holds where scores are huge.
fn two_to(x: f32) -> f32 {
    return exp2(clamp(x, LEAST_EXPONENT, 0.0));
}

fn q_at(batch: u32, head: u32) -> u32 {
    return batch * params.queries * params.q_row + params.q_first + head * params.quads;
}

fn k_at(batch: u32, head: u32) -> u32 {
    return batch * params.keys * params.k_row + params.k_first + head * params.quads;
}

fn v_at(batch: u32, head: u32) -> u32 {
    return batch * params.keys * params.v_row + params.v_first + head * params.quads;
}

// o and its gradient have heads from the start of their rows.
fn o_at(batch: u32, head: u32) -> u32 {
    return batch * params.queries * params.o_row + head * params.quads;
}

// Where what belongs to a query of a workgroup's batch row and head is.
fn row_at(group: vec3u, query: u32) -> u32 {
    return (group.z * params.heads + group.y) * params.queries + query;
}

#ifdef SUBGROUP
// True, which compilers cannot know. A loop that ends on it runs once, and nothing is
// scheduled across its ends: a whole head's products in one piece would drive what they
// share out of the registers. It has to be tested at the end: software Vulkan leaves a loop
// at its beginning only after the whole body once more, with no lane at work.
fn once() -> bool {
    return params.quads > 0u;
}
#endif
