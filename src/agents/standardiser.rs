//! The scale on which an agent sees a frozen encoder's embeddings. Most of an embedding is
//! the same whatever the frame shows; networks that learn from it learn from what differs.

use super::latents::LatentStore;
use crate::Error;
use crate::gpu::{Arena, ArenaEntry, ArenaLayout, BufferRange, Gpu, GpuError};
use crate::ops::{DType, TapeError, UnaryKind, Var};
use crate::tape::Tape;

/// Embeddings below which nothing is measured: they are seen as they are.
pub(super) const LEAST_FRAMES: usize = 8;
/// Embeddings beyond which more tell nothing new.
const MOST_FRAMES: usize = 4_096;
/// Added to variances: what hardly differs is not blown up.
const LEAST_VARIANCE: f32 = 1e-4;

const MEAN: &str = "latent.mean";
const DEVIATION: &str = "latent.deviation";

/// Mean and deviation of each component, as they were when the agent began to learn; 0 and
/// 1 before.
#[derive(Debug)]
pub(super) struct Standardiser {
    statistics: Arena,
    width: usize,
}

impl Standardiser {
    /// For embeddings of `width` components.
    pub fn new(gpu: &Gpu, width: usize) -> Result<Standardiser, GpuError> {
        let mut layout = ArenaLayout::default();
        layout.push(MEAN, &[width]);
        layout.push(DEVIATION, &[width]);
        let standardiser = Standardiser {
            statistics: Arena::new(gpu, "latents", layout)?,
            width,
        };
        gpu.write(
            &standardiser.place(DEVIATION),
            bytemuck::cast_slice(&vec![1.0f32; width]),
        )?;
        Ok(standardiser)
    }

    /// Embeddings beside each other, f32[B, F·width], less the mean and over the deviation.
    pub fn apply(&self, tape: &Tape, stacks: &Var) -> Result<Var, TapeError> {
        let shape = stacks.shape();
        let row = |name| -> Result<Var, TapeError> {
            let range = self.entry(name).range();
            tape.state_range(&self.statistics, range, DType::F32)
                .reshape(&[1, self.width])
        };
        stacks
            .reshape(&[stacks.len() / self.width, self.width])?
            .sub(&row(MEAN)?)?
            .div(&row(DEVIATION)?)?
            .reshape(&shape)
    }

    /// Measures the first `frames` embeddings of a store, those of its first page and 4,096
    /// at most, unless they are too few.
    pub fn measure(&self, gpu: &Gpu, latents: &LatentStore, frames: usize) -> Result<(), Error> {
        if frames < LEAST_FRAMES {
            return Ok(());
        }
        let tape = Tape::new();
        let Some(first) = latents.tables(&tape)?.into_iter().next() else {
            return Ok(());
        };
        let measured = frames.min(MOST_FRAMES).min(first.shape()[0]);
        let rows = first.slice(0, 0..measured)?;
        let mean = rows.mean(0..1)?;
        let centred = rows.sub(&mean)?;
        let variance = centred.mul(&centred)?.mean(0..1)?;
        let deviation = variance
            .affine(1.0, LEAST_VARIANCE)?
            .unary(UnaryKind::Sqrt)?;
        tape.output(MEAN, &mean);
        tape.output(DEVIATION, &deviation);
        let program = tape.compile(gpu)?;
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        program.encode(&mut encoder);
        for name in [MEAN, DEVIATION] {
            let (from, _) = program.output_range(name)?;
            let to = self.place(name);
            encoder.copy_buffer_to_buffer(
                &from.buffer,
                from.offset,
                &to.buffer,
                to.offset,
                to.size,
            );
        }
        gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    /// What it measured: (name, shape, place).
    pub fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>, BufferRange)> + '_ {
        let entries = self.statistics.layout().entries().iter();
        entries.map(|e| {
            let place = self.statistics.slice(e.range());
            (e.name.clone(), e.shape.clone(), place)
        })
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.statistics.bytes()
    }

    fn entry(&self, name: &str) -> &ArenaEntry {
        let found = self.statistics.layout().find(name);
        found.expect("pushed when it was made")
    }

    fn place(&self, name: &str) -> BufferRange {
        self.statistics.slice(self.entry(name).range())
    }
}
