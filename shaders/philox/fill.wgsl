// philox: a tensor of random numbers; the distribution is the permutation.
// Elements 4i to 4i + 3 come from the four words of the counter
// (i, step, stream, 0) under the key (lower, upper half of the seed).
// Tile: four elements per invocation.
// Source of the normal distribution: Box and Muller, "A note on the generation of
// random normal deviates" (1958).

#include "common/linear_index.wgsl"
#include "common/philox.wgsl"

struct Params {
    count: u32,      // elements
    seed_low: u32,
    seed_high: u32,
    stream: u32,
#ifdef UNIFORM
    low: f32,
    span: f32,       // high - low
    most: f32,       // the largest number that, added to low, stays below high
#endif
#ifdef INTEGERS
    bound: u32,      // results are below it
#endif
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>;     // [1]
#ifdef INTEGERS
@group(0) @binding(2) var<storage, read_write> y: array<u32>;  // [count]
#else
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [count]
#endif

#ifdef UNIFORM
fn distribute(words: vec4u) -> vec4f {
    let u = vec4f(unit_interval(words.x), unit_interval(words.y),
                  unit_interval(words.z), unit_interval(words.w));
    // The minimum keeps the result below `high` when the sum is rounded. It also
    // keeps product and sum apart, so that no compiler fuses them and every device
    // has the bits of the CPU twin.
    return params.low + min(params.span * u, vec4f(params.most));
}
#endif

#ifdef INTEGERS
fn distribute(words: vec4u) -> vec4u {
    return vec4u(below(words.x, params.bound), below(words.y, params.bound),
                 below(words.z, params.bound), below(words.w, params.bound));
}
#endif

#ifdef NORMAL
const LN_2 = 0.6931471805599453;
const SQRT_2 = 1.4142135623730951;
const UNIT_BITS = 24u;             // bits of a uniform number
const QUARTER_BITS = 22u;          // bits of an angle within a quarter turn
const HALF_PI = 1.5707963267948966;

// -ln(k / 2^24) for k in 1..=2^24. Built-in logarithms may lose every digit near 1.
fn minus_log_unit(k: u32) -> f32 {
    var exponent = firstLeadingBit(k);
    var mantissa = f32(k) / f32(1u << exponent);
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1u;
    }
    // ln m = 2 atanh((m - 1) / (m + 1)); |s| < 0.172, the rest of the series is below 1e-10.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0))));
    return f32(UNIT_BITS - exponent) * LN_2 - 2.0 * s * series;
}

// (cos, sin) of k / 2^24 of a turn. Built-in ones may be off by 2^-11. The quarter
// turn is taken off in integers; Taylor series of the rest, |x| <= pi / 4.
fn turn(k: u32) -> vec2f {
    let quarter = (k + (1u << (QUARTER_BITS - 1u))) >> QUARTER_BITS;
    let x = f32(i32(k) - i32(quarter << QUARTER_BITS)) * (HALF_PI / f32(1u << QUARTER_BITS));
    let q = x * x;
    let s = x * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let c = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))));
    switch quarter & 3u {
        case 0u: { return vec2f(c, s); }
        case 1u: { return vec2f(-s, c); }
        case 2u: { return vec2f(-c, -s); }
        default: { return vec2f(s, -c); }
    }
}

fn pair(radius_word: u32, angle_word: u32) -> vec2f {
    // In (0, 1]: the radius is at most sqrt(48 ln 2) = 5.77, never infinite.
    let radius = sqrt(max(2.0 * minus_log_unit((radius_word >> 8u) + 1u), 0.0));
    return radius * turn(angle_word >> 8u);
}

fn distribute(words: vec4u) -> vec4f {
    return vec4f(pair(words.x, words.y), pair(words.z, words.w));
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let block = linear_index(group, groups, lane, 64u);
    let first = 4u * block;
    if first < params.count {
        let counter = vec4u(block, step[0], params.stream, 0u);
        let values = distribute(philox4x32_10(counter, vec2u(params.seed_low, params.seed_high)));
        y[first] = values.x;
        if first + 1u < params.count {
            y[first + 1u] = values.y;
        }
        if first + 2u < params.count {
            y[first + 2u] = values.z;
        }
        if first + 3u < params.count {
            y[first + 3u] = values.w;
        }
    }
}
