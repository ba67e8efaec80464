// What two numbers become in a reduction: their sum or the larger.

struct Params {
    row: u32,    // elements of a row
    inner: u32,  // distance between elements of a row
    piece: u32,  // elements of a piece
    pieces: u32, // pieces of a row
    count: u32,  // results in all
    scale: f32,  // factor of the result
}

fn combine(a: f32, b: f32) -> f32 {
#ifdef MAX
    return max(a, b);
#else
    return a + b;
#endif
}
