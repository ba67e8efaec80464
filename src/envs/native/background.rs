//! Procedural moving pictures that stand in for the videos behind an agent: the
//! CPU twin of `shaders/common/background.wgsl` (sources and conventions there),
//! function for function and in the same float32 arithmetic.

use std::f32::consts::TAU;

use super::noise::{draw, fractal_noise, hash_cell, hash_u32, mix, smoothstep, unit, value_noise};

/// RGB, each in [0, 1].
pub type Colour = [f32; 3];

/// How a procedural background is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BackgroundKind {
    /// Smoke, rock or marble: domain-warped noise.
    Warp = 0,
    /// Discs and slabs that pass by before a textured wall.
    Shapes = 1,
    /// A mosaic of pebbles that jostle.
    Cells = 2,
    /// A town seen from a moving train.
    Skyline = 3,
    /// Water with crossing swells.
    Waves = 4,
}

impl BackgroundKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [BackgroundKind; 5] = [
        BackgroundKind::Warp,
        BackgroundKind::Shapes,
        BackgroundKind::Cells,
        BackgroundKind::Skyline,
        BackgroundKind::Waves,
    ];
}

fn blend(a: Colour, b: Colour, t: f32) -> Colour {
    [0, 1, 2].map(|i| mix(a[i], b[i], t))
}

fn scale(a: Colour, by: f32) -> Colour {
    a.map(|c| c * by)
}

/// A smooth closed walk through colour space at position `t` (period 1), its
/// hues and saturation drawn from `seed`.
pub fn cosine_palette(t: f32, seed: u32) -> Colour {
    let turns = [1.0, 1.0 + (2.0 * draw(seed, 3)).floor(), 1.0];
    let colour =
        [0, 1, 2].map(|i| 0.5 + 0.45 * (TAU * (turns[i] * t + draw(seed, i as u32))).cos());
    let grey = colour[0] * 0.3 + colour[1] * 0.6 + colour[2] * 0.1;
    blend(colour, [grey; 3], 0.15 + 0.5 * draw(seed, 4))
}

fn warp([u, v]: [f32; 2], time: f32, seed: u32) -> Colour {
    let zoom = 2.0 + 3.0 * draw(seed, 8);
    let x = u * zoom + (draw(seed, 9) - 0.5) * 0.12 * time;
    let y = v * zoom + (draw(seed, 10) - 0.5) * 0.12 * time;
    let churn = 0.02 * time;
    let q = [
        fractal_noise([x + churn, y], seed.wrapping_add(11)),
        fractal_noise([x + 5.2, y + (1.3 - churn)], seed.wrapping_add(17)),
    ];
    let n = fractal_noise([x + 2.6 * q[0], y + 2.6 * q[1]], seed.wrapping_add(23));
    let light = 0.35 + 0.9 * smoothstep(0.2, 0.75, n);
    scale(cosine_palette(1.1 * n + 0.6 * q[0], seed), light)
}

fn shapes([u, v]: [f32; 2], time: f32, seed: u32) -> Colour {
    let wall = fractal_noise([u * 4.0 + 0.015 * time, v * 9.0], seed.wrapping_add(31));
    let mut colour = scale(
        cosine_palette(0.25 * v + 0.3 * wall, seed),
        0.45 + 0.6 * wall,
    );
    for i in 0..12u32 {
        let shape = hash_u32(seed.wrapping_add(101 + i));
        let near = (i as f32 + 1.0) / 12.0;
        let size = 0.05 + 0.13 * near * (0.5 + draw(shape, 0));
        let way = if draw(shape, 1) > 0.5 { 1.0 } else { -1.0 };
        let speed = way * (0.004 + 0.022 * near * draw(shape, 2));
        let lap = draw(shape, 3) + speed * time / 1.6;
        let bob = 0.04 * (0.11 * time * draw(shape, 4) + TAU * draw(shape, 5)).sin();
        let centre = [
            (lap - lap.floor()) * 1.6 - 0.3,
            0.1 + 0.85 * draw(shape, 6) + bob,
        ];
        let d = [(u - centre[0]) / size, (v - centre[1]) / size];
        let far = if draw(shape, 9) > 0.45 {
            (d[0].abs() / (1.0 + draw(shape, 7))).max(d[1].abs() * (0.9 + draw(shape, 8)))
        } else {
            (d[0] * d[0] + d[1] * d[1]).sqrt()
        };
        if far < 1.0 {
            let turn = 9.0 * d[0] * draw(shape, 10) + 7.0 * d[1] * draw(shape, 11);
            let stripe = 0.85 + 0.15 * turn.sin();
            let body = cosine_palette(draw(shape, 12), seed.wrapping_add(7));
            colour = scale(scale(body, 1.05 - 0.35 * far * far), stripe);
        }
    }
    colour
}

fn cells([u, v]: [f32; 2], time: f32, seed: u32) -> Colour {
    let zoom = 4.0 + 5.0 * draw(seed, 8);
    let p = [
        u * zoom + (draw(seed, 9) - 0.5) * 0.16 * time,
        v * zoom + (draw(seed, 10) - 0.5) * 0.16 * time,
    ];
    let home = p.map(f32::floor);
    let (mut first, mut second, mut nearest) = (9.0f32, 9.0f32, 0u32);
    for j in -1..=1 {
        for i in -1..=1 {
            let cell = [home[0] + i as f32, home[1] + j as f32];
            let h = hash_cell(cell[0] as i32, cell[1] as i32, seed.wrapping_add(41));
            let swing = TAU * draw(h, 0) + (0.03 + 0.06 * draw(h, 1)) * time;
            let dx = p[0] - (cell[0] + 0.5 + 0.38 * swing.cos());
            let dy = p[1] - (cell[1] + 0.5 + 0.38 * swing.sin());
            let d = (dx * dx + dy * dy).sqrt();
            if d < first {
                (second, first, nearest) = (first, d, h);
            } else if d < second {
                second = d;
            }
        }
    }
    let seam = smoothstep(0.0, 0.14, second - first);
    let body = scale(cosine_palette(draw(nearest, 2), seed), 1.1 - 0.55 * first);
    let grain = 0.82 + 0.36 * value_noise(p.map(|x| x * 7.0), seed.wrapping_add(43));
    blend([0.06, 0.05, 0.07], scale(body, grain), seam)
}

fn skyline([u, v]: [f32; 2], time: f32, seed: u32) -> Colour {
    let way = if draw(seed, 8) > 0.5 { 1.0 } else { -1.0 };
    let speed = way * (0.006 + 0.01 * draw(seed, 9)) * time;
    let haze = cosine_palette(draw(seed, 10), seed);
    let cloud = fractal_noise([2.5 * u + 0.4 * speed, 5.0 * v], seed.wrapping_add(51));
    let above = blend(cosine_palette(draw(seed, 10) + 0.3, seed), haze, v);
    let mut colour = blend(above, [0.95, 0.93, 0.9], smoothstep(0.45, 0.75, cloud));
    for row in 0..4 {
        let depth = (row + 1) as f32 / 4.0;
        let width = 0.07 + 0.09 * depth;
        let along = u + speed * (0.4 + 2.0 * depth * depth) + 3.7 * depth;
        let house = (along / width).floor();
        let h = hash_cell(house as i32, row, seed.wrapping_add(57));
        let roof = 0.22 + 0.62 * depth - (0.08 + 0.3 * draw(h, 0));
        if v > roof {
            let paint = scale(cosine_palette(draw(h, 1), seed.wrapping_add(7)), 0.75);
            let wall = blend(haze, paint, 0.3 + 0.7 * depth);
            let panes = 3.0 + (3.0 * draw(h, 2)).floor();
            let grid = [(along / width - house) * panes, (v - roof) / width * panes];
            let pane = grid.map(|g| g - g.floor());
            let lamp = draw(
                hash_cell(grid[0].floor() as i32, grid[1].floor() as i32, h),
                0,
            );
            colour = if (pane[0] - 0.5).abs() < 0.26 && (pane[1] - 0.5).abs() < 0.3 {
                if lamp > 0.6 {
                    [0.98, 0.86, 0.55]
                } else {
                    scale(wall, 0.45)
                }
            } else {
                scale(wall, 0.8 + 0.3 * (along / width - house))
            };
        }
    }
    colour
}

fn waves([u, v]: [f32; 2], time: f32, seed: u32) -> Colour {
    let bend = [
        0.22 * fractal_noise([u * 3.0 + 0.02 * time, v * 3.0], seed.wrapping_add(61)),
        0.22 * fractal_noise([u * 3.0, v * 3.0 + 0.02 * time], seed.wrapping_add(67)),
    ];
    let p = [u + bend[0], v + bend[1]];
    let mut height = 0.0;
    let mut slope = [0.0, 0.0];
    for i in 0..4 {
        let h = hash_u32(seed.wrapping_add(71 + i));
        let turn = TAU * draw(h, 0);
        let pitch = 12.0 + 26.0 * draw(h, 1);
        let swell = [pitch * turn.cos(), pitch * turn.sin()];
        let phase =
            swell[0] * p[0] + swell[1] * p[1] + (0.12 + 0.2 * draw(h, 2)) * time + TAU * draw(h, 3);
        height += 0.25 * phase.sin();
        slope = [0, 1].map(|k| slope[k] + 0.25 * phase.cos() * swell[k] / 22.0);
    }
    let light = 0.62 + 0.5 * (slope[0] * 0.6 - slope[1] * 0.8);
    let glint = 0.5 * smoothstep(0.55, 0.95, light);
    scale(
        cosine_palette(0.3 * height + 0.35 * v, seed),
        light.max(0.12),
    )
    .map(|c| c + glint)
}

/// The colour of the moving picture `kind`/`seed` at `uv` ((0, 0) is the upper
/// left corner of the picture, (1, 1) the lower right) and `time` in agent steps.
pub fn background_colour(kind: BackgroundKind, seed: u32, uv: [f32; 2], time: f32) -> Colour {
    let colour = match kind {
        BackgroundKind::Warp => warp(uv, time, seed),
        BackgroundKind::Shapes => shapes(uv, time, seed),
        BackgroundKind::Cells => cells(uv, time, seed),
        BackgroundKind::Skyline => skyline(uv, time, seed),
        BackgroundKind::Waves => waves(uv, time, seed),
    };
    colour.map(|c| c.clamp(0.0, 1.0))
}

/// The kind that a hash stands for; all are equally likely.
pub fn kind_of(hash: u32) -> BackgroundKind {
    let n = BackgroundKind::ALL.len();
    BackgroundKind::ALL[((unit(hash) * n as f32) as usize).min(n - 1)]
}
