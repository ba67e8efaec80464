// A pixel of a row of images, and the step to the one LANES places further on.
// The including shader's `params` has out_width, out_height and that step, divided
// into images, rows and columns (step_image, step_row, step_column).

struct Pixel {
    image: u32,
    row: u32,
    column: u32,
}

// The pixel LANES places further on.
fn advance(p: Pixel) -> Pixel {
    var q = Pixel(p.image + params.step_image, p.row + params.step_row, p.column + params.step_column);
    if q.column >= params.out_width {
        q.column -= params.out_width;
        q.row += 1u;
    }
    if q.row >= params.out_height {
        q.row -= params.out_height;
        q.image += 1u;
    }
    return q;
}
