// Pointwise functions that are exact enough everywhere: no device's built-in
// tanh or exp is trusted near 0 or far out, and none may return inf or NaN.

#include "common/lane.wgsl"

const SMALLEST_NORMAL = 1.17549435e-38; // of f32's normal numbers; smaller ones may count as 0
const LARGEST_EXPONENT = 88.0; // e^88 is the largest power of e below f32's maximum

fn safe_exp(x: Lane) -> Lane {
    return exp(clamp(x, Lane(-LARGEST_EXPONENT), Lane(LARGEST_EXPONENT)));
}

const TANH_NEAR = 0.625; // up to here 1 - 2/(e^2x + 1) would cancel
const TANH_ONE = 10.0;   // from here on tanh is 1 in f32

// tanh: an odd polynomial near 0 (the minimax fit of the Cephes library), else by e^2x.
fn safe_tanh(x: Lane) -> Lane {
    let a = abs(x);
    let b = clamp(x, Lane(-TANH_NEAR), Lane(TANH_NEAR));
    let z = b * b;
    let near = ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z
        + 1.33314422036e-1) * z - 3.33332819422e-1) * z * b + b;
    let far = 1.0 - 2.0 / (exp(2.0 * min(a, Lane(TANH_ONE))) + 1.0);
    return select(sign(x) * far, near, a < Lane(TANH_NEAR));
}

fn safe_sigmoid(x: Lane) -> Lane {
    return 1.0 / (1.0 + safe_exp(-x));
}

const SERIES_END = 0.0625; // of e, up to which the series below is exact to f32

// ln(1 + e^x) without overflow, and without loss where e^x is small.
fn softplus(x: Lane) -> Lane {
    let e = safe_exp(-abs(x));
    // ln(1 + e) = 2 atanh(e / (2 + e)).
    let s = e / (2.0 + e);
    let q = s * s;
    let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q / 7.0)));
    return max(x, Lane(0.0)) + select(log(1.0 + e), series, e < Lane(SERIES_END));
}
