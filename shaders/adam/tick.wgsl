// adam: counts a step, and computes its learning rate and the bias corrections e_t = 1 - beta^t from
// rate = 1 - beta, by doubling along the bits of t. Every term is positive, so
// nothing cancels however small the rate: e_2a = e_a (2 - e_a),
// e_(a+1) = e_a + (1 - e_a) e_1.
// Tile: one workgroup of one invocation.

struct Params {
    rate_1: f32, // 1 - beta1
    rate_2: f32, // 1 - beta2
    lr: f32,
    scheduled: u32, // warm-up along a line from 0 to lr, then half a cosine to last
    warmup: u32,    // steps
    total: u32,     // steps, those of warm-up among them
    last: f32,      // learning rate
}

const PI = 3.14159265358979;

const STEP = 0u; // words of `time`
const CORRECTION_1 = 1u;
const CORRECTION_2 = 2u;
const LR = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> time: array<u32>; // [>= 4]

fn correction(step: u32, rate: f32) -> f32 {
    var e = 0.0;
    for (var bits = 32u; bits > 0u; bits -= 1u) {
        e = e * (2.0 - e);
        if ((step >> (bits - 1u)) & 1u) == 1u {
            e = e + (1.0 - e) * rate;
        }
    }
    return e;
}

// sin(x) of 0 <= x <= pi / 2 by its Taylor series, off by 7e-10 at most before rounding.
// The built-in one may be off by 2^-11.
fn sine(x: f32) -> f32 {
    let q = x * x;
    return x * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 *
        (1.0 - q / 110.0 * (1.0 - q / 156.0))))));
}

// Of a step counted from 0.
fn learning_rate(step: u32) -> f32 {
    if params.scheduled == 0u {
        return params.lr;
    }
    if step < params.warmup {
        return params.lr * (f32(step) / f32(max(params.warmup - 1u, 1u)));
    }
    let gone = f32(min(step, params.total) - params.warmup);
    let part = gone / f32(max(params.total - params.warmup, 1u));
    // (1 + cos(pi part)) / 2 without cancellation towards the end.
    let root = sine(0.5 * PI * (1.0 - part));
    return params.last + (params.lr - params.last) * root * root;
}

@compute @workgroup_size(1)
fn main() {
    let step = time[STEP] + 1u;
    time[STEP] = step;
    time[CORRECTION_1] = bitcast<u32>(correction(step, params.rate_1));
    time[CORRECTION_2] = bitcast<u32>(correction(step, params.rate_2));
    time[LR] = bitcast<u32>(learning_rate(step - 1u));
}
