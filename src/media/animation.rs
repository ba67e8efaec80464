//! Animations: GIF.
//!
//! A GIF frame has 256 colours, so each frame gets a palette of its own, and
//! only for what changed since the frame before: unchanged pixels are
//! transparent and unchanged borders are cut away. Still parts (paper, labels)
//! are thus drawn once, exactly, and never flicker.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::rgb8::Rgb;
use super::{MediaError, Rgb8, atomic_file};

/// The palette slot for "as in the frame before".
const UNCHANGED: u8 = 0;
/// Slots that remain for colours.
const COLOURS: usize = 255;
/// Of these, so many go to the frame's most frequent colours as they are
/// (paper, ink, class colours, floors).
const EXACT: usize = 62;
/// Other greys are rounded to multiples of this, 33 at most: a cast of colour
/// shows nowhere as much as on a grey mask, and learned palettes have one.
const GREY_STEP: usize = 8;
/// The slots that remain are learned from the other colours by NeuQuant
/// (Dekker 1994), which looks at every n-th; 1 is best.
const SAMPLING: i32 = 1;

/// How often an animation plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loops {
    Forever,
    Times(u16),
}

/// Writes `frames`, all of one size, each shown for `delay_ms` milliseconds
/// (GIF counts in hundredths of a second: rounded, at least 20 ms, because
/// viewers slow down anything faster).
///
/// The file is written to a temporary neighbour and renamed at the end. The
/// same frames give the same bytes.
///
/// # Errors
/// [`MediaError::Shape`] if there is no frame, if sizes differ or if a side
/// exceeds 65,535; [`MediaError::Unwritable`]; [`MediaError::Encode`].
pub fn write_gif(
    path: &Path,
    frames: &[Rgb8],
    delay_ms: u32,
    loops: Loops,
) -> Result<(), MediaError> {
    atomic_file::write(path, &encode_gif(frames, delay_ms, loops)?)
}

/// The bytes that [`write_gif`] writes.
///
/// # Errors
/// As [`write_gif`], without the file.
pub fn encode_gif(frames: &[Rgb8], delay_ms: u32, loops: Loops) -> Result<Vec<u8>, MediaError> {
    let encode = |e: gif::EncodingError| MediaError::Encode {
        what: "a GIF",
        reason: e.to_string(),
    };
    let (width, height) = common_size(frames)?;
    let delay = u16::try_from(delay_ms.saturating_add(5) / 10)
        .unwrap_or(u16::MAX)
        .max(2);

    let mut encoder = Encoder::new(Vec::new(), width, height, &[]).map_err(encode)?;
    encoder
        .set_repeat(match loops {
            Loops::Forever => Repeat::Infinite,
            Loops::Times(n) => Repeat::Finite(n),
        })
        .map_err(encode)?;
    let mut before: Option<&Rgb8> = None;
    for picture in frames {
        let mut frame = difference(before, picture);
        frame.delay = delay;
        encoder.write_frame(&frame).map_err(encode)?;
        before = Some(picture);
    }
    encoder.into_inner().map_err(encode)
}

fn common_size(frames: &[Rgb8]) -> Result<(u16, u16), MediaError> {
    let wrong = |got: String| MediaError::Shape {
        what: "frames of an animation",
        expected: "at least one, all of one size, no side beyond 65535".into(),
        got,
    };
    let first = frames.first().ok_or_else(|| wrong("none".into()))?;
    let size = (first.width(), first.height());
    for (i, frame) in frames.iter().enumerate() {
        if (frame.width(), frame.height()) != size {
            return Err(wrong(format!(
                "{}×{} in frame 0 and {}×{} in frame {i}",
                size.1,
                size.0,
                frame.height(),
                frame.width()
            )));
        }
    }
    match (u16::try_from(size.0), u16::try_from(size.1)) {
        (Ok(width), Ok(height)) => Ok((width, height)),
        _ => Err(wrong(format!("{}×{}", size.1, size.0))),
    }
}

/// The frame that turns `before` into `picture`.
fn difference(before: Option<&Rgb8>, picture: &Rgb8) -> Frame<'static> {
    let width = picture.width();
    let new: Vec<Rgb> = picture.colours().collect();
    let old: Option<Vec<Rgb>> = before.map(|b| b.colours().collect());
    let changed = |i: usize| old.as_ref().is_none_or(|old| old[i] != new[i]);

    // The rectangle around all changes; a frame must have a pixel, so one that
    // changes nothing is one unchanged pixel.
    let (mut left, mut top, mut right, mut bottom) = (width, picture.height(), 0, 0);
    for i in (0..new.len()).filter(|&i| changed(i)) {
        let (x, y) = (i % width, i / width);
        (left, top) = (left.min(x), top.min(y));
        (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
    }
    if right == 0 {
        (left, top, right, bottom) = (0, 0, 1, 1);
    }
    let inside = || (top..bottom).flat_map(|y| (left..right).map(move |x| y * width + x));

    let palette = Palette::of(&new, inside().filter(|&i| changed(i)).map(|i| new[i]));
    let indices: Vec<u8> = inside()
        .map(|i| match palette.index.get(&new[i]) {
            Some(&index) if changed(i) => index,
            _ => UNCHANGED,
        })
        .collect();
    // The extents fit 16 bits: `common_size` saw to it.
    Frame {
        left: left as u16,
        top: top as u16,
        width: (right - left) as u16,
        height: (bottom - top) as u16,
        dispose: DisposalMethod::Keep,
        transparent: Some(UNCHANGED),
        palette: Some(palette.colours),
        buffer: Cow::Owned(indices),
        ..Frame::default()
    }
}

/// At most 256 colours, the first of which stands for "unchanged".
struct Palette {
    /// RGB triples.
    colours: Vec<u8>,
    /// Every colour of the frame → its slot.
    index: HashMap<Rgb, u8>,
}

impl Palette {
    /// A palette for the `drawn` pixels of `frame`.
    fn of(frame: &[Rgb], drawn: impl Iterator<Item = Rgb>) -> Self {
        let mut counts: HashMap<Rgb, (usize, bool)> = HashMap::new();
        for &colour in frame {
            counts.entry(colour).or_default().0 += 1;
        }
        for colour in drawn {
            counts.entry(colour).or_default().1 = true;
        }
        // Frequent in the whole frame, not in what changed: a background that a
        // moving thing uncovers must get its own colour again.
        let mut frequent: Vec<(Rgb, usize)> = counts
            .into_iter()
            .filter(|(_, (_, is_drawn))| *is_drawn)
            .map(|(colour, (count, _))| (colour, count))
            .collect();
        // Ties by colour: the hash map's order must not show.
        frequent.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));

        let exact = if frequent.len() <= COLOURS {
            frequent.len()
        } else {
            EXACT
        };
        let mut slots: Vec<Rgb> = frequent[..exact].iter().map(|(c, _)| *c).collect();
        let rest = &frequent[exact..];
        let (greys, colourful): (Vec<_>, Vec<_>) =
            rest.iter().partition(|([r, g, b], _)| r == g && g == b);
        let mut levels: Vec<u8> = greys.iter().map(|([grey, ..], _)| rounded(*grey)).collect();
        levels.sort_unstable();
        levels.dedup();
        slots.extend(levels.iter().map(|&level| [level; 3]));
        if !colourful.is_empty() {
            // Frequent colours weigh more, though not in proportion.
            let lessons: Vec<u8> = colourful
                .iter()
                .flat_map(|([r, g, b], n)| [*r, *g, *b, 255].repeat(1 + n.ilog2() as usize))
                .collect();
            // At least 255 − 62 − 33 = 160; NeuQuant takes 64 to 256.
            let learned = NeuQuant::new(SAMPLING, COLOURS - slots.len(), &lessons);
            let learned = learned.color_map_rgb();
            slots.extend(learned.chunks_exact(3).map(|c| [c[0], c[1], c[2]]));
        }

        let index = frequent
            .iter()
            .enumerate()
            .map(|(i, (colour, _))| {
                let [r, g, b] = *colour;
                let slot = if i < exact {
                    i
                } else if r == g && g == b {
                    nearest(&slots, [rounded(r); 3])
                } else {
                    nearest(&slots, *colour)
                };
                // At most 255 slots, and slot 0 of the file means "unchanged".
                (*colour, (slot + 1) as u8)
            })
            .collect();
        let colours = [[0; 3]].iter().chain(&slots).flatten().copied().collect();
        Self { colours, index }
    }
}

fn rounded(grey: u8) -> u8 {
    let level = (usize::from(grey) + GREY_STEP / 2) / GREY_STEP * GREY_STEP;
    level.min(255) as u8
}

/// The slot of the nearest colour (squared distance; the first of equals).
fn nearest(slots: &[Rgb], colour: Rgb) -> usize {
    let distance = |slot: &Rgb| -> u32 {
        slot.iter()
            .zip(colour)
            .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
            .sum()
    };
    (0..slots.len())
        .min_by_key(|&i| distance(&slots[i]))
        .unwrap_or(0)
}
