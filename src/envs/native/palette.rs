//! Colours of a world, and the 100 changed sets of the colour modes.
//!
//! The generator that SPEC F.1 and H infer from the benchmark's own sets (these are other
//! ones, as far from the default): normal noise of standard deviation 0.1
//! (easy) or 0.2 (hard) around the default colours, clipped to [0, 1]; the second
//! colour of the floor is the first plus 0.1.

use std::sync::OnceLock;

use super::background::Colour;
use super::random::{Purpose, Stream};

/// How many sets of colours a colour mode draws from.
pub const PRESETS: usize = 100;

/// The colours that a mode may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Palette {
    /// The two kinds of field of the checkered floor.
    pub floor: [Colour; 2],
    /// The body that the agent moves.
    pub body: Colour,
    /// The sky at its brightest.
    pub sky: Colour,
}

impl Default for Palette {
    fn default() -> Palette {
        Palette {
            floor: [[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]],
            body: [0.7, 0.5, 0.3],
            sky: [0.4, 0.6, 0.8],
        }
    }
}

/// How far the colours of a colour mode lie from the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    Easy,
    Hard,
}

impl Spread {
    fn deviation(self) -> f64 {
        match self {
            Spread::Easy => 0.1,
            Spread::Hard => 0.2,
        }
    }
}

/// The presets of `spread`: always the same, whatever the seed of a run.
pub fn presets(spread: Spread) -> &'static [Palette; PRESETS] {
    static EASY: OnceLock<[Palette; PRESETS]> = OnceLock::new();
    static HARD: OnceLock<[Palette; PRESETS]> = OnceLock::new();
    let table = match spread {
        Spread::Easy => &EASY,
        Spread::Hard => &HARD,
    };
    table.get_or_init(|| std::array::from_fn(|i| preset(spread, i)))
}

fn preset(spread: Spread, index: usize) -> Palette {
    let mut stream = Stream::new(spread as u64, 0, index as u64, Purpose::Look);
    let mut near = |colour: Colour| {
        colour.map(|c| (f64::from(c) + spread.deviation() * stream.normal()).clamp(0.0, 1.0) as f32)
    };
    let default = Palette::default();
    let floor = near(default.floor[0]);
    Palette {
        floor: [floor, floor.map(|c| (c + 0.1).min(1.0))],
        body: near(default.body),
        sky: near(default.sky),
    }
}
