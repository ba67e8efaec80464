// A pixel of a row of images, and the one a fixed number of places further on.
// The including shader's `params` has out_width, out_height and that step, divided
// into images, rows and columns (step_image, step_row, step_column).

struct Pixel {
    image: u32,
    row: u32,
    column: u32,
}

// The pixel a step further on in images of that size.
fn moved(p: Pixel, height: u32, width: u32) -> Pixel {
    var q = Pixel(p.image + params.step_image, p.row + params.step_row, p.column + params.step_column);
    if q.column >= width {
        q.column -= width;
        q.row += 1u;
    }
    if q.row >= height {
        q.row -= height;
        q.image += 1u;
    }
    return q;
}

fn advance(p: Pixel) -> Pixel {
    return moved(p, params.out_height, params.out_width);
}
