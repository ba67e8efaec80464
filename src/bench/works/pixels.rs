//! Where pixels come from: stacks gathered from the replay, worlds drawn.

use super::fixture::{program, random_below};
use super::{Pass, Work};
use crate::Error;
use crate::bench::Subject;
use crate::bench::subject::Drawing;
use crate::envs::native::{WorldOptions, create};
use crate::envs::{EnvError, native::Renderer};
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
/// Worlds that are drawn at once.
const WORLDS: usize = 16;

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
            "raycast",
            format!("{WORLDS} worlds, {SIDE}×{SIDE}"),
            Pass::Forward,
            raycast,
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

fn raycast(gpu: &Gpu) -> Result<Subject, Error> {
    let options = WorldOptions {
        count: WORLDS,
        image_size: SIDE,
        ..Default::default()
    };
    let world = create("native/reach", options)?;
    let scenes = (0..WORLDS)
        .map(|env| Ok(world.scene(env).map_err(EnvError::from)?.data()))
        .collect::<Result<_, Error>>()?;
    let store = FrameStore::new(gpu, WORLDS, FrameShape::rgb(SIDE))?;
    Ok(Subject::drawing(Drawing {
        renderer: Renderer::new(gpu, &store, WORLDS, None)?,
        scenes,
        slots: (0..WORLDS as u32).collect(),
        shader: Renderer::SHADER,
    }))
}
