// Procedural moving pictures that stand in for the videos behind an agent:
// five kinds, everything about one (colours, scale, motion) drawn from its seed.
// `background_colour` is the entry; CPU twin: src/envs/native/background.rs.
//
// Sources: domain warping and cosine palettes (I. Quilez, articles of 2002 and
// 1999); cellular texture (S. Worley, A Cellular Texture Basis Function, 1996).
//
// uv: [2], (0, 0) the picture's upper left corner, (1, 1) its lower right.
// time: agent steps since the episode began. Colours: [3] in [0, 1]. Numbers in the
// functions are matters of taste, found by eye.

#include "common/noise.wgsl"

const TURN = 6.2831853;

const KIND_WARP = 0u;
const KIND_SHAPES = 1u;
const KIND_CELLS = 2u;
const KIND_SKYLINE = 3u;
const KIND_WAVES = 4u;

// A smooth closed walk through colour space at position `t` (period 1): cosines
// with phases of the seed, drawn towards grey by an amount of the seed.
fn palette(t: f32, seed: u32) -> vec3<f32> {
    let phase = vec3<f32>(draw(seed, 0u), draw(seed, 1u), draw(seed, 2u));
    let turns = vec3<f32>(1.0, 1.0 + floor(2.0 * draw(seed, 3u)), 1.0);
    let colour = vec3<f32>(0.5) + 0.45 * cos(TURN * (turns * t + phase));
    let grey = dot(colour, vec3<f32>(0.3, 0.6, 0.1));
    return mix(colour, vec3<f32>(grey), 0.15 + 0.5 * draw(seed, 4u));
}

// Smoke, rock or marble: noise whose argument is displaced by other noise.
fn warp_colour(uv: vec2<f32>, time: f32, seed: u32) -> vec3<f32> {
    let p = uv * (2.0 + 3.0 * draw(seed, 8u));
    let pan = (vec2<f32>(draw(seed, 9u), draw(seed, 10u)) - 0.5) * 0.12 * time;
    let churn = 0.02 * time;
    let q = vec2<f32>(
        fractal_noise(p + pan + vec2<f32>(churn, 0.0), seed + 11u),
        fractal_noise(p + pan + vec2<f32>(5.2, 1.3 - churn), seed + 17u),
    );
    let v = fractal_noise(p + pan + 2.6 * q, seed + 23u);
    let light = 0.35 + 0.9 * smoothstep(0.2, 0.75, v);
    return palette(1.1 * v + 0.6 * q.x, seed) * light;
}

// Things that pass by: twelve discs and slabs, the near ones larger and faster,
// over a textured wall.
fn shapes_colour(uv: vec2<f32>, time: f32, seed: u32) -> vec3<f32> {
    let wall = fractal_noise(uv * vec2<f32>(4.0, 9.0) + vec2<f32>(0.015 * time, 0.0), seed + 31u);
    var colour = palette(0.25 * uv.y + 0.3 * wall, seed) * (0.45 + 0.6 * wall);
    for (var i = 0u; i < 12u; i++) {
        let shape = hash_u32(seed + 101u + i);
        let near = (f32(i) + 1.0) / 12.0;
        let size = 0.05 + 0.13 * near * (0.5 + draw(shape, 0u));
        let way = select(-1.0, 1.0, draw(shape, 1u) > 0.5);
        let speed = way * (0.004 + 0.022 * near * draw(shape, 2u));
        // A lap is longer than the picture is wide: all but the widest slabs leave
        // before they come again.
        let lap = draw(shape, 3u) + speed * time / 1.6;
        let bob = 0.04 * sin(0.11 * time * draw(shape, 4u) + TURN * draw(shape, 5u));
        let centre = vec2<f32>((lap - floor(lap)) * 1.6 - 0.3, 0.1 + 0.85 * draw(shape, 6u) + bob);
        let d = (uv - centre) / size;
        let slab = vec2<f32>(abs(d.x) / (1.0 + draw(shape, 7u)), abs(d.y) * (0.9 + draw(shape, 8u)));
        let far = select(length(d), max(slab.x, slab.y), draw(shape, 9u) > 0.45);
        if (far < 1.0) {
            let stripe = 0.85 + 0.15 * sin(9.0 * d.x * draw(shape, 10u) + 7.0 * d.y * draw(shape, 11u));
            colour = palette(draw(shape, 12u), seed + 7u) * (1.05 - 0.35 * far * far) * stripe;
        }
    }
    return colour;
}

// A mosaic of pebbles that jostle: nearest and second nearest of moving points.
fn cells_colour(uv: vec2<f32>, time: f32, seed: u32) -> vec3<f32> {
    let pan = (vec2<f32>(draw(seed, 9u), draw(seed, 10u)) - 0.5) * 0.16 * time;
    let p = uv * (4.0 + 5.0 * draw(seed, 8u)) + pan;
    let home = floor(p);
    var first = 9.0;
    var second = 9.0;
    var nearest = 0u;
    for (var j = -1; j <= 1; j++) {
        for (var i = -1; i <= 1; i++) {
            let cell = home + vec2<f32>(f32(i), f32(j));
            let h = hash_cell(i32(cell.x), i32(cell.y), seed + 41u);
            let swing = TURN * draw(h, 0u) + (0.03 + 0.06 * draw(h, 1u)) * time;
            let site = cell + 0.5 + 0.38 * vec2<f32>(cos(swing), sin(swing));
            let d = distance(p, site);
            if (d < first) {
                second = first;
                first = d;
                nearest = h;
            } else if (d < second) {
                second = d;
            }
        }
    }
    let seam = smoothstep(0.0, 0.14, second - first);
    let body = palette(draw(nearest, 2u), seed) * (1.1 - 0.55 * first);
    let grain = 0.82 + 0.36 * value_noise(p * 7.0, seed + 43u);
    return mix(vec3<f32>(0.06, 0.05, 0.07), body * grain, seam);
}

// A town seen from a moving train: four rows of houses with lit windows, the
// near rows faster, under a clouded sky.
fn skyline_colour(uv: vec2<f32>, time: f32, seed: u32) -> vec3<f32> {
    let way = select(-1.0, 1.0, draw(seed, 8u) > 0.5);
    let speed = way * (0.006 + 0.01 * draw(seed, 9u)) * time;
    let haze = palette(draw(seed, 10u), seed);
    let cloud = fractal_noise(vec2<f32>(2.5 * uv.x + 0.4 * speed, 5.0 * uv.y), seed + 51u);
    let above = mix(palette(draw(seed, 10u) + 0.3, seed), haze, uv.y);
    var colour = mix(above, vec3<f32>(0.95, 0.93, 0.9), smoothstep(0.45, 0.75, cloud));
    for (var row = 0u; row < 4u; row++) {
        let depth = f32(row + 1u) / 4.0;
        let width = 0.07 + 0.09 * depth;
        let along = uv.x + speed * (0.4 + 2.0 * depth * depth) + 3.7 * depth;
        let house = floor(along / width);
        let h = hash_cell(i32(house), i32(row), seed + 57u);
        let roof = 0.22 + 0.62 * depth - (0.08 + 0.3 * draw(h, 0u));
        if (uv.y > roof) {
            let wall = mix(haze, palette(draw(h, 1u), seed + 7u) * 0.75, 0.3 + 0.7 * depth);
            let grid = vec2<f32>(along / width - house, (uv.y - roof) / width) * (3.0 + floor(3.0 * draw(h, 2u)));
            let pane = grid - floor(grid);
            let inside = abs(pane.x - 0.5) < 0.26 && abs(pane.y - 0.5) < 0.3;
            let lamp = draw(hash_cell(i32(floor(grid.x)), i32(floor(grid.y)), h), 0u);
            let glass = select(wall * 0.45, vec3<f32>(0.98, 0.86, 0.55), lamp > 0.6);
            let edge = 0.8 + 0.3 * (along / width - house);
            colour = select(wall * edge, glass, inside);
        }
    }
    return colour;
}

// Water: four crossing swells seen by the light on their slopes.
fn waves_colour(uv: vec2<f32>, time: f32, seed: u32) -> vec3<f32> {
    let bend = 0.22 * vec2<f32>(
        fractal_noise(uv * 3.0 + vec2<f32>(0.02 * time, 0.0), seed + 61u),
        fractal_noise(uv * 3.0 + vec2<f32>(0.0, 0.02 * time), seed + 67u),
    );
    let p = uv + bend;
    var height = 0.0;
    var slope = vec2<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let h = hash_u32(seed + 71u + i);
        let turn = TURN * draw(h, 0u);
        let swell = (12.0 + 26.0 * draw(h, 1u)) * vec2<f32>(cos(turn), sin(turn));
        let phase = dot(swell, p) + (0.12 + 0.2 * draw(h, 2u)) * time + TURN * draw(h, 3u);
        height += 0.25 * sin(phase);
        slope += 0.25 * cos(phase) * swell / 22.0;
    }
    let light = 0.62 + 0.5 * dot(slope, vec2<f32>(0.6, -0.8));
    let glint = smoothstep(0.55, 0.95, light);
    return palette(0.3 * height + 0.35 * uv.y, seed) * max(light, 0.12) + vec3<f32>(0.5 * glint);
}

// The colour of the picture `kind`/`seed` at `uv` and `time`.
fn background_colour(kind: u32, seed: u32, uv: vec2<f32>, time: f32) -> vec3<f32> {
    var colour = vec3<f32>(0.0);
    switch (kind) {
        case KIND_WARP: { colour = warp_colour(uv, time, seed); }
        case KIND_SHAPES: { colour = shapes_colour(uv, time, seed); }
        case KIND_CELLS: { colour = cells_colour(uv, time, seed); }
        case KIND_SKYLINE: { colour = skyline_colour(uv, time, seed); }
        default: { colour = waves_colour(uv, time, seed); }
    }
    return clamp(colour, vec3<f32>(0.0), vec3<f32>(1.0));
}
