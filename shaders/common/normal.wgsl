// The standard normal distribution: its density, and its integral up to x,
// (1 + erf(x / √2)) / 2. No device has erf: polynomial fits of the Cephes library
// (S. Moshier, single precision: erff near 0, erfcf beyond), within 3 units in the last
// place of erf and, down to x = -13, 1e-5 of the lower tail.

#include "common/pointwise.wgsl"

// Beyond it the density and both tails are subnormal or 0, whatever x is.
const FAR = 16.0;
const INVERSE_SQRT_2_PI = 0.3989422804;
const INVERSE_SQRT_2 = 0.7071067812;

fn normal_density(x: Lane) -> Lane {
    let a = min(abs(x), Lane(FAR));
    return INVERSE_SQRT_2_PI * safe_exp(-0.5 * a * a);
}

fn normal_integral(x: Lane) -> Lane {
    let z = INVERSE_SQRT_2 * x;
    let a = abs(z);
    let near = clamp(z, Lane(-1.0), Lane(1.0));
    let s = near * near;
    let erf = near * ((((((7.853861353e-5 * s - 8.010193625e-4) * s + 5.188327686e-3) * s
        - 2.685381194e-2) * s + 1.128358515e-1) * s - 3.761262582e-1) * s + 1.128379167);
    let b = clamp(a, Lane(1.0), Lane(FAR));
    let q = 1.0 / b;
    let y = q * q;
    let middle = (((((((2.326819970e-2 * y - 1.387039389e-1) * y + 3.687424675e-1) * y
        - 5.824733027e-1) * y + 6.210004622e-1) * y - 4.944515323e-1) * y
        + 3.404879938e-1) * y - 2.741127028e-1) * y + 5.638259427e-1;
    let outer = ((((((-1.047766400e1 * y + 1.297719955e1) * y - 7.495518718) * y
        + 2.921019019) * y - 1.015265279) * y + 4.218463358e-1) * y
        - 2.820767440e-1) * y + 5.641895068e-1;
    let tail = 0.5 * safe_exp(-b * b) * q * select(outer, middle, b < Lane(2.0));
    let far = select(1.0 - tail, tail, z < Lane(0.0));
    return select(far, 0.5 + 0.5 * erf, a < Lane(1.0));
}
