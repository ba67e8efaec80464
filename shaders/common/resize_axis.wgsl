// Which source pixels an output pixel of a resized axis is made of: pixel `low`
// with weight 1 - fraction and pixel `high` with weight fraction. The position is
// a fraction of integers, so that it is exact on every device, and pixels that
// coincide with a source pixel are copied.

struct Tap {
    low: u32,
    high: u32,
    fraction: f32,
}

fn tap(numerator: u32, denominator: u32, pixels: u32) -> Tap {
    let low = min(numerator / denominator, pixels - 1u);
    if low == pixels - 1u {
        return Tap(low, low, 0.0);
    }
    return Tap(low, low + 1u, f32(numerator % denominator) / f32(denominator));
}

// floor(i n / out): nearest neighbour as PyTorch's interpolate has it.
fn nearest_tap(i: u32, pixels: u32, out: u32) -> Tap {
    let source = i * pixels / out;
    return Tap(source, source, 0.0);
}

// (i + 1/2) n / out - 1/2, not below 0: align_corners = false.
fn half_pixel_tap(i: u32, pixels: u32, out: u32) -> Tap {
    let position = (2u * i + 1u) * pixels;
    return tap(max(position, out) - out, 2u * out, pixels);
}

// i (n - 1) / (out - 1): align_corners = true.
fn aligned_tap(i: u32, pixels: u32, out: u32) -> Tap {
    return tap(i * (pixels - 1u), max(out, 2u) - 1u, pixels);
}
