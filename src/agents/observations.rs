//! What was observed, by slot: pixels, or what a frozen encoder makes of them.

use super::latents::LatentStore;
use crate::gpu::{BufferRange, FrameShape, FrameStore, Gpu, GpuError};
use crate::ops::{DType, Framing, TapeError, Var};
use crate::tape::Tape;

/// What is kept of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservedShape {
    /// A frame, u8[planes, side, side].
    Pixels(FrameShape),
    /// A frozen encoder's embedding of a frame, `f32[width]`.
    Latent { width: usize },
}

impl ObservedShape {
    /// Frames of red, green and blue.
    pub fn rgb(side: usize) -> ObservedShape {
        ObservedShape::Pixels(FrameShape::rgb(side))
    }

    /// Bytes of one moment.
    pub fn bytes(&self) -> usize {
        match self {
            ObservedShape::Pixels(frame) => frame.bytes(),
            ObservedShape::Latent { width } => 4 * width,
        }
    }
}

/// Moments in slots, all of one shape.
#[derive(Debug, Clone)]
pub enum Observations {
    Pixels(FrameStore),
    Latents(LatentStore),
}

impl Observations {
    /// A store of `capacity` moments.
    ///
    /// # Errors
    /// [`GpuError::FramesDoNotFit`] and [`GpuError::LatentsDoNotFit`], which say how many
    /// would; those of allocating.
    pub fn new(gpu: &Gpu, capacity: usize, shape: ObservedShape) -> Result<Self, GpuError> {
        Ok(match shape {
            ObservedShape::Pixels(frame) => {
                Observations::Pixels(FrameStore::new(gpu, capacity, frame)?)
            }
            ObservedShape::Latent { width } => {
                Observations::Latents(LatentStore::new(gpu, capacity, width)?)
            }
        })
    }

    /// What is kept of one moment.
    pub fn shape(&self) -> ObservedShape {
        match self {
            Observations::Pixels(frames) => ObservedShape::Pixels(frames.shape()),
            Observations::Latents(latents) => ObservedShape::Latent {
                width: latents.width(),
            },
        }
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        match self {
            Observations::Pixels(frames) => frames.capacity(),
            Observations::Latents(latents) => latents.capacity(),
        }
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        match self {
            Observations::Pixels(frames) => frames.bytes(),
            Observations::Latents(latents) => latents.bytes(),
        }
    }

    /// Where a moment is.
    pub fn slot(&self, slot: usize) -> BufferRange {
        match self {
            Observations::Pixels(frames) => frames.slot(slot),
            Observations::Latents(latents) => latents.slot(slot),
        }
    }

    /// Where environments draw to, if that is what is kept.
    pub fn pixels(&self) -> Option<&FrameStore> {
        match self {
            Observations::Pixels(frames) => Some(frames),
            Observations::Latents(_) => None,
        }
    }

    /// The embeddings, if that is what is kept.
    pub fn latents(&self) -> Option<&LatentStore> {
        match self {
            Observations::Latents(latents) => Some(latents),
            Observations::Pixels(_) => None,
        }
    }

    /// Stacks of the moments in `slots` u32[B, F]: of frames `side`×`side` pixels, framed as
    /// [`Var::stack_windows`] does, f32[B, C·F, side, side] in 0..255, or embeddings one
    /// beside the other, f32[B, F·width], which nothing frames.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn stack(
        &self,
        tape: &Tape,
        slots: &Var,
        side: usize,
        framing: Framing,
    ) -> Result<Var, TapeError> {
        let latents = match self {
            Observations::Pixels(frames) => {
                return slots.stack_windows(frames, side, framing);
            }
            Observations::Latents(latents) => latents,
        };
        debug_assert_eq!(slots.dtype(), DType::U32);
        let [stacks, moments] = [slots.shape()[0], slots.len() / slots.shape()[0].max(1)];
        let rows = latents.gather(tape, &slots.reshape(&[stacks * moments])?)?;
        rows.reshape(&[stacks, moments * latents.width()])
    }
}

impl From<FrameStore> for Observations {
    fn from(frames: FrameStore) -> Observations {
        Observations::Pixels(frames)
    }
}
