//! `sample_transitions`: a uniform draw from the replay's ring of transitions.

use super::{DType, Lower, Op, Stream, TapeError, Tensor, Var, shape_error};

/// A batch of transitions, frames still as slots of the frame store.
#[derive(Debug, Clone)]
pub struct SampledTransitions {
    /// u32[B, F], oldest first.
    pub obs_slots: Var,
    pub next_slots: Var,
    /// f32[B, |A|].
    pub action: Var,
    /// f32[B, 1].
    pub reward: Var,
    /// f32[B, 1].
    pub not_done: Var,
}

/// Words of a row besides frames and action: one more frame, reward, not_done.
const EXTRA: usize = 3;

/// Inputs: step u32[1], ring u32[2], rows u32[capacity, F + 3 + A].
#[derive(Debug)]
struct SampleTransitions {
    batch: usize,
    frames: usize,
    stream: Stream,
}

impl Op for SampleTransitions {
    fn name(&self) -> &'static str {
        "sample_transitions"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [step, ring, rows]
                if inputs.iter().all(|t| t.dtype == DType::U32)
                    && step.len() == 1
                    && ring.len() == 2
                    && rows.shape.len() == 2
                    && rows.shape[1] > self.frames + EXTRA =>
            {
                let b = self.batch;
                Ok(vec![
                    Tensor::u32(&[b, self.frames]),
                    Tensor::u32(&[b, self.frames]),
                    Tensor::f32(&[b, rows.shape[1] - self.frames - EXTRA]),
                    Tensor::f32(&[b, 1]),
                    Tensor::f32(&[b, 1]),
                ])
            }
            _ => Err(shape_error(
                "sample_transitions",
                inputs,
                "step u32[1], ring u32[2], rows u32[capacity, frames + 3 + actions]",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (step, ring, rows) = (cx.input(0), cx.input(1), cx.input(2));
        let outputs: Vec<_> = (0..5).map(|i| cx.output(i)).collect();
        cx.dispatch("sample_transitions/sample_transitions")
            .bind("step", &step)
            .bind("ring", &ring)
            .bind_part("rows", &rows, self.batch * rows.shape()[1])
            .bind("obs_slots", &outputs[0])
            .bind("next_slots", &outputs[1])
            .bind("action", &outputs[2])
            .bind("reward", &outputs[3])
            .bind("not_done", &outputs[4])
            .u32("batch", self.batch)
            .u32("frames", self.frames)
            .u32("action_dim", outputs[2].shape()[1])
            .u32("capacity", rows.shape()[0])
            .u32("seed_low", self.stream.seed as u32 as usize)
            .u32("seed_high", (self.stream.seed >> 32) as usize)
            .u32("stream", self.stream.stream as usize)
            .linear(self.batch)
    }
}

impl Var {
    /// Draws `batch` transitions uniformly with replacement. `self` is the counter of
    /// updates, `u32[1]`; `ring` `u32[2]` = (oldest row, rows held); `rows`
    /// u32[capacity, frames + 3 + |A|] = frame slots (frames + 1), reward, not_done,
    /// action. A draw is 32 bits scaled to the number of rows: no row's probability
    /// is off by more than rows / 2³² of itself.
    pub fn sample_transitions(
        &self,
        stream: Stream,
        ring: &Var,
        rows: &Var,
        batch: usize,
        frames: usize,
    ) -> Result<SampledTransitions, TapeError> {
        let op = SampleTransitions {
            batch,
            frames,
            stream,
        };
        let outputs = Var::record(op, &[self, ring, rows])?;
        let [obs_slots, next_slots, action, reward, not_done] = &outputs[..] else {
            return Err(TapeError::Option {
                op: "sample_transitions",
                message: "five outputs".to_string(),
            });
        };
        Ok(SampledTransitions {
            obs_slots: obs_slots.clone(),
            next_slots: next_slots.clone(),
            action: action.clone(),
            reward: reward.clone(),
            not_done: not_done.clone(),
        })
    }
}
