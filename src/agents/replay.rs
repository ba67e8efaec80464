//! Replay on the GPU: each frame (or what a frozen encoder makes of it) is stored once,
//! transitions are rows of its slots, and stacks are gathered where they are used
//! (SPEC.md A.3, B.8).
//!
//! Frames are numbered in the order in which they came; frame n lies in slot
//! n mod frames. Transitions are numbered too; transition t lies in row
//! t mod capacity. A transition is dropped when its row or its oldest frame is about
//! to be overwritten.

use std::collections::VecDeque;
use std::ops::Range;

use super::observations::{Observations, ObservedShape};
use crate::Error;
use crate::envs::Transition;
use crate::gpu::{BufferRange, Gpu, GpuError, Readback};
use crate::ops::{DType, SampledTransitions, Stream, TapeError, Tensor, Var};
use crate::tape::Tape;

/// Sizes of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayShape {
    /// Transitions held.
    pub capacity: usize,
    /// Frames in a stack.
    pub frame_stack: usize,
    /// |A|.
    pub action_dim: usize,
    /// What is kept of a frame.
    pub observed: ObservedShape,
    /// Agent steps of an episode: each episode has one frame more than steps.
    pub episode_steps: usize,
}

impl ReplayShape {
    /// Slots of the frame store: enough that rows, not frames, are what runs out.
    fn frame_capacity(&self) -> usize {
        let episodes = self.capacity.div_ceil(self.episode_steps.max(1)) + 1;
        self.capacity + episodes + self.frame_stack + 1
    }

    /// Words of a row on the device.
    fn row_words(&self) -> usize {
        self.frame_stack + 3 + self.action_dim
    }

    /// Bytes of all rows.
    fn row_bytes(&self) -> u64 {
        4 * self.capacity as u64 * self.row_words() as u64
    }

    /// Bytes of frames and rows on the device.
    fn bytes(&self) -> u64 {
        let frame = self.observed.bytes() as u64;
        self.frame_capacity() as u64 * frame + self.row_bytes()
    }

    /// The largest capacity up to this one with which `fits` holds; it holds of all
    /// smaller ones too.
    fn largest(&self, fits: impl Fn(&ReplayShape) -> bool) -> usize {
        let (mut fitting, mut too_many) = (0, self.capacity + 1);
        while too_many - fitting > 1 {
            let capacity = fitting + (too_many - fitting) / 2;
            match fits(&ReplayShape { capacity, ..*self }) {
                true => fitting = capacity,
                false => too_many = capacity,
            }
        }
        fitting
    }

    /// Bytes of a transition as it is logged: frame numbers (u64), reward, not_done, action.
    pub fn transition_bytes(&self) -> usize {
        8 * (self.frame_stack + 1) + 4 * (2 + self.action_dim)
    }
}

/// One step of one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTransition {
    /// Numbers of the frames, oldest first: frame_stack + 1 of them.
    pub frames: Vec<u64>,
    pub reward: f32,
    /// Whether the task ended (a time limit is no end).
    pub terminated: bool,
    pub action: Vec<f32>,
}

impl StoredTransition {
    /// What an agent step leaves behind: the frames of the observation in which
    /// `action` was taken, oldest first, and the frame that came of it. A time limit
    /// that was reached is forgotten: the value continues beyond it.
    pub fn new(stack: &[u64], next: u64, transition: &Transition, action: Vec<f32>) -> Self {
        StoredTransition {
            frames: [stack, &[next]].concat(),
            reward: transition.reward,
            terminated: transition.terminated,
            action,
        }
    }

    /// Its bytes in the log.
    pub fn to_bytes(&self) -> Vec<u8> {
        let not_done = if self.terminated { 0.0f32 } else { 1.0 };
        let mut bytes: Vec<u8> = self.frames.iter().flat_map(|f| f.to_le_bytes()).collect();
        let floats = [self.reward, not_done];
        bytes.extend(
            floats
                .iter()
                .chain(&self.action)
                .flat_map(|v| v.to_le_bytes()),
        );
        bytes
    }

    /// From its bytes in the log; `None` if there are too few.
    pub fn from_bytes(bytes: &[u8], shape: &ReplayShape) -> Option<StoredTransition> {
        if bytes.len() != shape.transition_bytes() {
            return None;
        }
        let (frames, floats) = bytes.split_at(8 * (shape.frame_stack + 1));
        let number = |c: &[u8]| c.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let float = |c: &[u8]| f32::from_bits(number(c) as u32);
        let floats: Vec<f32> = floats.chunks_exact(4).map(float).collect();
        Some(StoredTransition {
            frames: frames.chunks_exact(8).map(number).collect(),
            reward: floats[0],
            terminated: floats[1] == 0.0,
            action: floats[2..].to_vec(),
        })
    }
}

/// What the agent learns from.
#[derive(Debug)]
pub struct Replay {
    gpu: Gpu,
    shape: ReplayShape,
    store: Observations,
    rows: wgpu::Buffer,
    ring: wgpu::Buffer,
    /// Frames and transitions so far.
    frames: u64,
    transitions: u64,
    /// Oldest frame of each transition held, oldest transition first.
    held: VecDeque<u64>,
}

impl Replay {
    /// Allocates the replay.
    ///
    /// # Errors
    /// [`Error::ReplayTooLarge`] with the capacity that would fit: before anything is
    /// allocated where memory is known ([`Gpu::free_memory`]), otherwise when the
    /// device refuses a page of frames.
    pub fn new(gpu: &Gpu, shape: ReplayShape) -> Result<Replay, Error> {
        let too_large = |fits: usize| Error::ReplayTooLarge {
            capacity: shape.capacity,
            bytes: shape.bytes(),
            fits,
        };
        let free = gpu.free_memory().unwrap_or(u64::MAX);
        let able = gpu.capabilities();
        // The rows are drawn from as one binding, and so are embeddings.
        let binding = able.max_binding.min(able.max_buffer);
        let fits = |s: &ReplayShape| s.bytes() <= free && s.row_bytes() <= binding;
        if !fits(&shape) {
            return Err(too_large(shape.largest(fits)));
        }
        // Rows first, so that a count of the frames that fit leaves room for them.
        let rows = gpu.storage("transitions", shape.row_bytes())?;
        let store = Observations::new(gpu, shape.frame_capacity(), shape.observed);
        let store = store.map_err(|e| match e {
            GpuError::FramesDoNotFit { fits, .. } | GpuError::LatentsDoNotFit { fits, .. } => {
                too_large(shape.largest(|s| s.frame_capacity() <= fits))
            }
            e => e.into(),
        })?;
        Ok(Replay {
            store,
            rows,
            ring: gpu.storage("ring of transitions", 8)?,
            gpu: gpu.clone(),
            shape,
            frames: 0,
            transitions: 0,
            held: VecDeque::new(),
        })
    }

    /// Its sizes.
    pub fn shape(&self) -> &ReplayShape {
        &self.shape
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        self.store.bytes() + self.rows.size() + self.ring.size()
    }

    /// Where frames are.
    pub fn store(&self) -> &Observations {
        &self.store
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Transitions so far.
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// Transitions that can be drawn.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The oldest transition and the oldest frame that a draw may need.
    pub fn oldest(&self) -> (u64, u64) {
        let transition = self.transitions - self.held.len() as u64;
        let frame = self.held.iter().min().copied().unwrap_or(self.frames);
        (transition, frame)
    }

    /// The slot of a frame.
    pub fn slot(&self, frame: u64) -> u32 {
        (frame % self.store.capacity() as u64) as u32
    }

    /// Claims the number of the next frame; its slot is to be written before the next
    /// update. Transitions that need the frame that lay there are dropped.
    pub fn next_frame(&mut self) -> Result<u64, GpuError> {
        let frame = self.frames;
        self.frames += 1;
        let overwritten = frame.checked_sub(self.store.capacity() as u64);
        let before = self.held.len();
        while let (Some(oldest), Some(gone)) = (self.held.front(), overwritten)
            && *oldest <= gone
        {
            self.held.pop_front();
        }
        if self.held.len() != before {
            self.write_ring()?;
        }
        Ok(frame)
    }

    /// Appends a transition whose frames have been claimed.
    pub fn push(&mut self, transition: &StoredTransition) -> Result<(), GpuError> {
        let mut words: Vec<u32> = transition.frames.iter().map(|&f| self.slot(f)).collect();
        let not_done = if transition.terminated { 0.0f32 } else { 1.0 };
        words.extend([transition.reward.to_bits(), not_done.to_bits()]);
        words.extend(transition.action.iter().map(|a| a.to_bits()));
        if words.len() != self.shape.row_words() {
            return Err(GpuError::Rejected {
                what: "replay".to_string(),
                reason: format!(
                    "a transition of {} words, expected {}",
                    words.len(),
                    self.shape.row_words()
                ),
            });
        }
        let row = self.transitions % self.shape.capacity as u64;
        let range = BufferRange {
            buffer: self.rows.clone(),
            offset: row * 4 * words.len() as u64,
            size: 4 * words.len() as u64,
        };
        self.gpu.write(&range, bytemuck::cast_slice(&words))?;
        self.transitions += 1;
        if self.held.len() == self.shape.capacity {
            self.held.pop_front();
        }
        self.held
            .push_back(transition.frames.iter().copied().min().unwrap_or(0));
        self.write_ring()
    }

    fn write_ring(&self) -> Result<(), GpuError> {
        let oldest = self.transitions - self.held.len() as u64;
        let words = [
            (oldest % self.shape.capacity as u64) as u32,
            self.held.len() as u32,
        ];
        self.gpu.write(
            &BufferRange::whole(&self.ring),
            bytemuck::cast_slice(&words),
        )
    }

    /// Starts over at given numbers of frames and transitions: for restoring.
    pub fn restart_at(&mut self, frames: u64, transitions: u64) {
        (self.frames, self.transitions) = (frames, transitions);
        self.held.clear();
    }

    /// Uploads a frame's bytes into its slot, for restoring.
    pub fn write_frame(&self, frame: u64, bytes: &[u8]) -> Result<(), GpuError> {
        self.gpu
            .write(&self.store.slot(self.slot(frame) as usize), bytes)
    }

    /// Reads frames back, in order.
    pub fn read_frames(&self, frames: Range<u64>) -> Result<Vec<u8>, GpuError> {
        let ranges: Vec<_> = frames
            .map(|f| self.store.slot(self.slot(f) as usize))
            .collect();
        if ranges.is_empty() {
            return Ok(vec![]);
        }
        let bytes = ranges.iter().map(|r| r.size).sum();
        Readback::new(&self.gpu, bytes)?.read_blocking(&ranges)
    }

    /// Records a uniform draw of `batch` transitions at the update that `step` counts.
    pub fn sample(
        &self,
        tape: &Tape,
        step: &Var,
        stream: Stream,
        batch: usize,
    ) -> Result<SampledTransitions, TapeError> {
        let words = Tensor::u32(&[self.shape.capacity, self.shape.row_words()]);
        let rows = tape.external(BufferRange::whole(&self.rows), words)?;
        let ring = tape.external(BufferRange::whole(&self.ring), Tensor::u32(&[2]))?;
        debug_assert_eq!(step.dtype(), DType::U32);
        step.sample_transitions(stream, &ring, &rows, batch, self.shape.frame_stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_capacity_that_fits_is_found() {
        let shape = ReplayShape {
            capacity: 1_000_000,
            frame_stack: 3,
            action_dim: 2,
            observed: ObservedShape::rgb(36),
            episode_steps: 50,
        };
        for bytes in [0, 20_000, 1_000_000, 2_000_000_000, u64::MAX] {
            let most = shape.largest(|s| s.bytes() <= bytes);
            let of = |capacity| ReplayShape { capacity, ..shape }.bytes();
            assert!(most == 0 || of(most) <= bytes, "{most} in {bytes}");
            assert!(
                most == shape.capacity || of(most + 1) > bytes,
                "{most} in {bytes}"
            );
        }
    }
}
