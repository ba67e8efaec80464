// What two numbers become in a reduction, or fours of them: their sum or the larger.

#include "common/lane.wgsl"

struct Params {
    row: u32,    // elements of a row
    inner: u32,  // distance between elements of a row, in elements or fours
    piece: u32,  // elements of a piece
    pieces: u32, // pieces of a row
    count: u32,  // results in all, elements or fours
    scale: f32,  // factor of the result
}

fn combine(a: Lane, b: Lane) -> Lane {
#ifdef MAX
    return max(a, b);
#else
    return a + b;
#endif
}
