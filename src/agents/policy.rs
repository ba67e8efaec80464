//! What an agent does: its policy, compiled for the stacks of one store.

use crate::gpu::{Gpu, Readback};
use crate::ops::{TapeError, Var};
use crate::tape::{Program, Tape};

/// What to do, for frame stacks of one store.
#[derive(Debug)]
pub struct Policy {
    gpu: Gpu,
    /// The mean, or the choice of the largest value.
    best: Program,
    /// None for agents that choose.
    sampled: Option<Program>,
    readback: Readback,
}

impl Policy {
    /// Acts by `best`, `len` numbers at a time, or by an action that is `sampled`, where
    /// there is one beside the counter that each draw counts on.
    pub(super) fn compile(
        gpu: &Gpu,
        tape: &Tape,
        best: &Var,
        sampled: Option<[&Var; 2]>,
        len: usize,
    ) -> Result<Policy, TapeError> {
        tape.output("best", best);
        let best = tape.compile(gpu)?;
        // The two programs differ only in what they draw.
        let sampled = match sampled {
            Some([action, drawn]) => {
                tape.output("sampled", action);
                drawn.tick()?;
                Some(tape.compile(gpu)?)
            }
            None => None,
        };
        Ok(Policy {
            gpu: gpu.clone(),
            best,
            sampled,
            readback: Readback::new(gpu, 4 * len as u64)?,
        })
    }

    /// Its programs: to act by the mean and by a sample, or by choice.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, &Program)> {
        let sampled = self.sampled.as_ref();
        let best = sampled.map_or("greedy", |_| "mean");
        [(best, &self.best)]
            .into_iter()
            .chain(sampled.map(|program| ("sampled", program)))
    }

    /// Actions [count · |A|], as the environment takes them, for stacks given by their
    /// slots [count · frames], oldest first: sampled from the policy, or its mean. Agents
    /// that choose have nothing to sample from and take the best either way.
    pub fn act(&self, slots: &[u32], sample: bool) -> Result<Vec<f32>, TapeError> {
        let (program, name) = match &self.sampled {
            Some(sampled) if sample => (sampled, "sampled"),
            _ => (&self.best, "best"),
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
