//! Integer-hash noise, the CPU twin of `shaders/common/noise.wgsl` (sources there).

/// A bijection of 32-bit words in which every input bit reaches every output bit.
pub fn hash_u32(value: u32) -> u32 {
    let mut x = value;
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// A hash of two lattice coordinates and a seed.
pub fn hash_cell(x: i32, y: i32, seed: u32) -> u32 {
    let first = hash_u32(seed ^ (x as u32).wrapping_mul(0x9e37_79b1));
    hash_u32(first ^ (y as u32).wrapping_mul(0x85eb_ca77))
}

/// Uniform in [0, 1), 24 bits.
pub fn unit(hash: u32) -> f32 {
    (hash >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The `index`-th uniform number of `seed`, in [0, 1).
pub fn draw(seed: u32, index: u32) -> f32 {
    unit(hash_u32(seed.wrapping_add(index.wrapping_mul(0x9e37_79b9))))
}

/// `a` at `t` = 0, `b` at `t` = 1.
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}

/// The cubic step from 0 at `low` to 1 at `high`.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Value noise in [0, 1): quintic blend of the four lattice values around `p`.
pub fn value_noise(p: [f32; 2], seed: u32) -> f32 {
    let cell = p.map(f32::floor);
    let weight = |i: usize| {
        let f: f32 = p[i] - cell[i];
        f * f * f * (f * (f * 6.0 - 15.0) + 10.0)
    };
    let (wx, wy) = (weight(0), weight(1));
    let (x, y) = (cell[0] as i32, cell[1] as i32);
    let at = |dx, dy| unit(hash_cell(x.wrapping_add(dx), y.wrapping_add(dy), seed));
    mix(mix(at(0, 0), at(1, 0), wx), mix(at(0, 1), at(1, 1), wx), wy)
}

/// Four octaves of value noise in [0, 1), each turned against the last.
pub fn fractal_noise(p: [f32; 2], seed: u32) -> f32 {
    let mut q = p;
    let mut sum = 0.0;
    let mut weight = 0.533_333_3;
    for octave in 0..4 {
        sum += weight * value_noise(q, seed.wrapping_add(octave));
        q = [1.6 * q[0] - 1.2 * q[1] + 3.1, 1.2 * q[0] + 1.6 * q[1] + 7.7];
        weight *= 0.5;
    }
    sum
}
