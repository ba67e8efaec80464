//! What an agent does: its policy, compiled for the stacks of one store.

use crate::gpu::{Gpu, Readback};
use crate::ops::{SquashedGaussian, TapeError, Var};
use crate::tape::{Program, Tape};

/// What to do, for frame stacks of one store.
#[derive(Debug)]
pub struct Policy {
    gpu: Gpu,
    mean: Program,
    sampled: Program,
    readback: Readback,
}

impl Policy {
    /// What `sample` is recorded to draw, `len` numbers at a time; each draw counts
    /// `drawn` on. The two programs differ only in what they draw.
    pub(super) fn compile(
        gpu: &Gpu,
        tape: &Tape,
        sample: &SquashedGaussian,
        drawn: &Var,
        len: usize,
    ) -> Result<Policy, TapeError> {
        tape.output("mean", &sample.mean);
        let mean = tape.compile(gpu)?;
        tape.output("action", &sample.action);
        drawn.tick()?;
        let sampled = tape.compile(gpu)?;
        Ok(Policy {
            gpu: gpu.clone(),
            mean,
            sampled,
            readback: Readback::new(gpu, 4 * len as u64)?,
        })
    }

    /// Its programs: to act by the mean, and by a sample.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, &Program)> {
        [("mean", &self.mean), ("sampled", &self.sampled)].into_iter()
    }

    /// Actions [count · |A|] for stacks given by their slots [count · frames], oldest
    /// first: sampled from the policy, or its mean.
    pub fn act(&self, slots: &[u32], sample: bool) -> Result<Vec<f32>, TapeError> {
        let (program, name) = if sample {
            (&self.sampled, "action")
        } else {
            (&self.mean, "mean")
        };
        program.write("slots", slots)?;
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        program.encode(&mut encoder);
        let (range, _) = program.output_range(name)?;
        let bytes = self
            .readback
            .record(&mut encoder, std::slice::from_ref(range));
        self.gpu.queue().submit([encoder.finish()]);
        let bytes = pollster::block_on(self.readback.fetch(bytes))?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}
