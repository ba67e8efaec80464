//! Where pixels come from: stacks gathered from the replay, and pictures laid over them.

use super::fixture::{program, random, random_below, random_bytes};
use super::{Pass, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::{FrameShape, FrameStore, Gpu};
use crate::ops::{Framing, Stream};
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
/// Pictures to lay over stacks.
const PICTURES: usize = 64;

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
        Work::new(
            "overlay",
            format!("{batch}×{}×{SIDE}×{SIDE}", 3 * stack),
            Pass::Forward,
            overlay,
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

fn overlay(gpu: &Gpu) -> Result<Subject, Error> {
    let [batch, stack] = STACKS;
    let stream = Stream { seed: 1, stream: 0 };
    let tape = Tape::new();
    let stacks = random(gpu, &tape, &[batch, 3 * stack, SIDE, SIDE])?;
    let pictures = random_bytes(gpu, &tape, &[PICTURES, 3, SIDE, SIDE])?;
    let step = random_below(gpu, &tape, &[1], u32::MAX)?;
    let windows = step.random_resized_crops(stream, batch, PICTURES, SIDE)?;
    program(gpu, &tape, [&stacks.overlay(&pictures, &windows)?])
}
