//! Where pixels come from: stacks gathered from the replay.

use super::fixture::{program, random_below};
use super::{Pass, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::{FrameShape, FrameStore, Gpu};
use crate::ops::Framing;
use crate::tape::Tape;

/// Height and width of a frame.
const SIDE: usize = 84;
/// Stacks in a batch, frames in a stack.
const STACKS: [usize; 2] = [128, 3];
/// Frames to gather from: more than caches hold.
const FRAMES: usize = 4096;
/// The largest shift, in pixels.
const PAD: usize = 4;
/// Height and width of a frame that is cropped to [`SIDE`] (SPEC.md A.2).
const LARGER: usize = 100;

pub fn works() -> Vec<Work> {
    let [batch, stack] = STACKS;
    vec![
        Work::new(
            "stack_frames",
            format!("{batch}×{}×{SIDE}×{SIDE}, shifted", 3 * stack),
            Pass::Forward,
            shifted,
        ),
        Work::new(
            "stack_frames",
            format!(
                "{batch}×{}×{SIDE}×{SIDE}, cropped from {LARGER}×{LARGER}",
                3 * stack
            ),
            Pass::Forward,
            cropped,
        ),
    ]
}

fn shifted(gpu: &Gpu) -> Result<Subject, Error> {
    let store = FrameStore::new(gpu, FRAMES, FrameShape::rgb(SIDE))?;
    let tape = Tape::new();
    let slots = random_below(gpu, &tape, &STACKS, FRAMES as u32)?;
    let offsets = random_below(gpu, &tape, &[STACKS[0], 2], 2 * PAD as u32 + 1)?;
    let stacks = slots.stack_frames(&store, Some((&offsets, PAD)))?;
    program(gpu, &tape, [&stacks])
}

fn cropped(gpu: &Gpu) -> Result<Subject, Error> {
    let store = FrameStore::new(gpu, FRAMES, FrameShape::rgb(LARGER))?;
    let tape = Tape::new();
    let slots = random_below(gpu, &tape, &STACKS, FRAMES as u32)?;
    let places = (LARGER - SIDE) as u32;
    let offsets = random_below(gpu, &tape, &[STACKS[0], 2], places)?;
    let stacks = slots.stack_windows(&store, SIDE, Framing::Crop(&offsets))?;
    program(gpu, &tape, [&stacks])
}
