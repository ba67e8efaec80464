// Philox4x32-10: a counter-based random number generator. Four words from a
// counter and a key, without state. CPU twin: ops::philox4x32_10.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
// 3" (SC 2011).

const PHILOX_MULTIPLIER_0 = 0xD2511F53u;
const PHILOX_MULTIPLIER_1 = 0xCD9E8D57u;
const PHILOX_WEYL_0 = 0x9E3779B9u; // golden ratio
const PHILOX_WEYL_1 = 0xBB67AE85u; // sqrt(3) - 1
const PHILOX_ROUNDS = 10u;

// The upper 32 bits of a 32x32-bit product, by halves of 16 bits.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low_high = a_low * b_high;
    let high_low = a_high * b_low;
    let middle = ((a_low * b_low) >> 16u) + (low_high & 0xffffu) + (high_low & 0xffffu);
    return a_high * b_high + (low_high >> 16u) + (high_low >> 16u) + (middle >> 16u);
}

fn philox4x32_10(counter: vec4u, key: vec2u) -> vec4u {
    var c = counter;
    var k = key;
    for (var round = 0u; round < PHILOX_ROUNDS; round++) {
        c = vec4u(
            multiply_high(PHILOX_MULTIPLIER_1, c.z) ^ c.y ^ k.x,
            PHILOX_MULTIPLIER_1 * c.z,
            multiply_high(PHILOX_MULTIPLIER_0, c.x) ^ c.w ^ k.y,
            PHILOX_MULTIPLIER_0 * c.x,
        );
        k += vec2u(PHILOX_WEYL_0, PHILOX_WEYL_1);
    }
    return c;
}

// The upper 24 bits of a word as a number in [0, 1): exact in f32.
fn unit_interval(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604644775390625e-8; // 2^-24
}

// A word as an integer in 0..count. Each value's probability is within 2^-32 of 1 / count.
fn below(word: u32, count: u32) -> u32 {
    return multiply_high(word, count);
}
