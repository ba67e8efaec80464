//! Still pictures with the statistics of natural ones, for augmentations that
//! overlay a picture (SPEC A.3, random_overlay) without a photo collection.
//!
//! Method: "dead leaves" (Lee, Mumford, Huang, Occlusion Models for Natural
//! Images, 2001): opaque things whose sizes follow a power law hide one another,
//! which gives the edges, the flat areas and the 1/f² spectrum of photographs.
//! Each thing is textured and shaded; the ground is one of the moving
//! backgrounds at a random moment.

use super::background::{BackgroundKind, Colour, background_colour, cosine_palette};
use super::noise::{draw, hash_cell, hash_u32, value_noise};

/// Sizes of the things, as fractions of the picture's side.
const LEAST: f32 = 0.03;
const LARGEST: f32 = 0.45;

/// One opaque thing in a picture.
struct Leaf {
    centre: [f32; 2],
    radius: f32,
    turn: [f32; 2],
    /// Width over height.
    aspect: f32,
    /// 2: an ellipse; larger: towards a rectangle; 1: a rhombus.
    power: f32,
    colour: Colour,
    shade: [f32; 2],
    grain: f32,
    pitch: [f32; 2],
    seed: u32,
}

impl Leaf {
    fn new(seed: u32, palette: u32) -> Leaf {
        // The inverse of the distribution function of a density r^-3.
        let least = LEAST.powi(-2);
        let largest = LARGEST.powi(-2);
        let radius = (least + draw(seed, 0) * (largest - least)).powf(-0.5);
        // Most of the area should be seen: large things are drawn as well as small.
        let radius = if draw(seed, 1) < 0.2 {
            LARGEST * (0.3 + 0.7 * draw(seed, 2))
        } else {
            radius
        };
        let angle = std::f32::consts::TAU * draw(seed, 3);
        let stretch = 1.0 + 2.5 * draw(seed, 4) * draw(seed, 4);
        Leaf {
            centre: [1.4 * draw(seed, 5) - 0.2, 1.4 * draw(seed, 6) - 0.2],
            radius,
            turn: [angle.cos(), angle.sin()],
            aspect: stretch,
            power: [1.0, 2.0, 2.0, 8.0][(draw(seed, 7) * 4.0) as usize & 3],
            colour: cosine_palette(draw(seed, 8), palette)
                .map(|c| (c * (0.45 + 0.75 * draw(seed, 9))).min(1.0)),
            shade: [0.5 * (draw(seed, 10) - 0.5), 0.5 * (draw(seed, 11) - 0.5)],
            grain: 0.5 * draw(seed, 12) * draw(seed, 13),
            pitch: [4.0 + 40.0 * draw(seed, 14), 4.0 + 40.0 * draw(seed, 15)],
            seed,
        }
    }

    /// The thing's colour at `uv`, if it is there.
    fn at(&self, uv: [f32; 2]) -> Option<Colour> {
        let d = [uv[0] - self.centre[0], uv[1] - self.centre[1]];
        let x = (d[0] * self.turn[0] + d[1] * self.turn[1]) / (self.radius * self.aspect);
        let y = (d[1] * self.turn[0] - d[0] * self.turn[1]) / self.radius;
        if x.abs() > 1.0 || y.abs() > 1.0 {
            return None;
        }
        if x.abs().powf(self.power) + y.abs().powf(self.power) > 1.0 {
            return None;
        }
        let texture = value_noise([x * self.pitch[0], y * self.pitch[1]], self.seed) - 0.5;
        let light = 1.0 + self.shade[0] * x + self.shade[1] * y + self.grain * texture * 2.0;
        Some(self.colour.map(|c| c * light))
    }
}

/// The `index`-th picture of the collection `seed`: [3, size, size] u8, planes
/// red, green, blue, rows from the top. The same arguments give the same bytes
/// on one machine, always.
pub fn procedural_picture(seed: u64, index: u32, size: usize) -> Vec<u8> {
    let collection = hash_u32(seed as u32) ^ hash_u32((seed >> 32) as u32 ^ 0x5bd1_e995);
    let own = hash_cell(index as i32, 0, collection);
    let kind = BackgroundKind::ALL[index as usize % BackgroundKind::ALL.len()];
    let moment = 400.0 * draw(own, 0);
    let palette = hash_u32(own ^ 1);
    // From an open view to a crowded one.
    let count = [0, 12, 40, 90, 160][(draw(own, 1) * 5.0) as usize % 5];
    let leaves: Vec<Leaf> = (0..count)
        .map(|i| Leaf::new(hash_cell(i, 1, own), palette))
        .collect();
    let brightness = 0.7 + 0.5 * draw(own, 2);
    let mut picture = vec![0; 3 * size * size];
    for y in 0..size {
        for x in 0..size {
            let uv = [
                (x as f32 + 0.5) / size as f32,
                (y as f32 + 0.5) / size as f32,
            ];
            // The first that is met is in front.
            let colour = (leaves.iter().find_map(|leaf| leaf.at(uv)))
                .unwrap_or_else(|| background_colour(kind, palette, uv, moment));
            for (c, value) in colour.into_iter().enumerate() {
                let value = (value * brightness).clamp(0.0, 1.0);
                picture[(c * size + y) * size + x] = (value * 255.0 + 0.5) as u8;
            }
        }
    }
    picture
}
