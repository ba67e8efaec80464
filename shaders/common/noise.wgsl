// Integer-hash noise for procedural pictures: the same on every device but for
// the last float bits. CPU twin: src/envs/native/background.rs.
//
// Sources: the 32-bit mixer "lowbias32" (C. Wellons, Hash Prospector, 2018);
// lattice coordinates spread by two primes of xxHash32 (Y. Collet, 2012); value noise and
// fractal sums (K. Perlin, An Image Synthesizer, 1985).

// [u32] -> [u32], a bijection in which every input bit reaches every output bit.
fn hash_u32(value: u32) -> u32 {
    var x = value;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    x ^= x >> 16u;
    return x;
}

// A hash of two lattice coordinates and a seed.
fn hash_cell(x: i32, y: i32, seed: u32) -> u32 {
    return hash_u32(hash_u32(seed ^ (bitcast<u32>(x) * 0x9e3779b1u)) ^ (bitcast<u32>(y) * 0x85ebca77u));
}

const UNIT = 5.9604645e-8; // 2^-24

// Uniform in [0, 1), 24 bits.
fn unit(hash: u32) -> f32 {
    return f32(hash >> 8u) * UNIT;
}

// The `index`-th uniform number of `seed`.
fn draw(seed: u32, index: u32) -> f32 {
    return unit(hash_u32(seed + index * 0x9e3779b9u));
}

// Value noise in [0, 1): quintic blend of the four lattice values around `p`.
fn value_noise(p: vec2<f32>, seed: u32) -> f32 {
    let cell = floor(p);
    let f = p - cell;
    let w = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
    let x = i32(cell.x);
    let y = i32(cell.y);
    let a = unit(hash_cell(x, y, seed));
    let b = unit(hash_cell(x + 1, y, seed));
    let c = unit(hash_cell(x, y + 1, seed));
    let d = unit(hash_cell(x + 1, y + 1, seed));
    return mix(mix(a, b, w.x), mix(c, d, w.x), w.y);
}

const FIRST_WEIGHT = 0.5333333; // 8/15: four weights, each half the last, have the sum 1

// Four octaves of value noise in [0, 1), each turned by 37 degrees against the
// last so that the lattices do not line up.
fn fractal_noise(p: vec2<f32>, seed: u32) -> f32 {
    var q = p;
    var sum = 0.0;
    var weight = FIRST_WEIGHT;
    for (var octave = 0u; octave < 4u; octave++) {
        sum += weight * value_noise(q, seed + octave);
        q = vec2<f32>(1.6 * q.x - 1.2 * q.y, 1.2 * q.x + 1.6 * q.y) + vec2<f32>(3.1, 7.7);
        weight *= 0.5;
    }
    return sum;
}
