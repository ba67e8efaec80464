//! What updates learn from: transitions and observations drawn from the replay, moved,
//! cropped and augmented, with all their random numbers (SPEC.md A.3, A.5).

use super::agent::Agent;
use super::observations::Observations;
use super::replay::Replay;
use super::sac::{Batch, Turn};
use super::sgqn::SgqnBatch;
use super::soda::SodaViews;
use crate::config::{Augmentation, MaskFill};
use crate::gpu::{BufferRange, Gpu, GpuError};
use crate::ops::{Framing, SampledTransitions, TapeError, Tensor, Var};
use crate::saliency::uniform_grey;
use crate::tape::Tape;

/// Random streams of a run: same seed, different numbers. Their order decides the numbers
/// of every run: new ones come last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Randomness {
    Sample,
    ObsShift,
    NextObsShift,
    NextNoise,
    ActorNoise,
    Fill,
    Overlay,
    Act,
    Conv,
    /// CURL's other crop of `obs`.
    Positive,
    SodaSample,
    SodaClean,
    SodaAugmented,
    SodaOverlay,
    AdaptObs,
    AdaptNextObs,
    SodaConv,
}

/// Where stacks are gathered from, and the count that decides their random numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathering<'a> {
    pub store: &'a Observations,
    pub step: &'a Var,
}

/// Pictures to lay over observations, u8[count, 3, side, side] on the device.
#[derive(Debug, Clone)]
pub struct OverlayBank {
    pub range: BufferRange,
    pub count: usize,
    pub side: usize,
}

impl OverlayBank {
    /// Uploads pictures of equal size, channel-major bytes.
    pub fn new(gpu: &Gpu, pictures: &[Vec<u8>], side: usize) -> Result<OverlayBank, GpuError> {
        let bytes: Vec<u8> = pictures.concat();
        if bytes.len() != pictures.len() * 3 * side * side || bytes.is_empty() {
            return Err(GpuError::Rejected {
                what: "overlay pictures".to_string(),
                reason: format!(
                    "{} bytes for {} pictures of {side}×{side}",
                    bytes.len(),
                    pictures.len()
                ),
            });
        }
        let range = BufferRange::whole(&gpu.storage("overlay pictures", bytes.len() as u64)?);
        let mut padded = bytes;
        padded.resize(range.size as usize, 0);
        gpu.write(&range, &padded)?;
        Ok(OverlayBank {
            range,
            count: pictures.len(),
            side,
        })
    }
}

impl Agent {
    /// Records a draw of transitions at the count that "counter.update" has then.
    pub fn draw(&self, tape: &Tape, replay: &Replay) -> Result<SampledTransitions, TapeError> {
        let step = self.counter(tape, "counter.update")?;
        let batch = self.config().batch;
        replay.sample(tape, &step, self.stream(Randomness::Sample), batch)
    }

    /// Records what an update learns from: transitions drawn from `replay`, their
    /// stacks shifted or cropped, and all random numbers, at the count that "counter.update"
    /// has then. `augmented` is `obs` itself unless it is the auxiliary phase's turn and
    /// there are pictures or none are needed, or the critic learns from it as SVEA's. What the agent makes no use of (SAC: `fill`) costs
    /// nothing: a program computes only what is needed.
    ///
    /// # Errors
    /// No pictures where they are needed; a store that keeps something else.
    pub fn record_batch(
        &self,
        tape: &Tape,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
        turn: Turn,
    ) -> Result<SgqnBatch, TapeError> {
        self.batch_of(tape, replay, overlays, turn, &self.draw(tape, replay)?)
    }

    /// [`Agent::record_batch`] of transitions that were drawn.
    pub(super) fn batch_of(
        &self,
        tape: &Tape,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
        turn: Turn,
        drawn: &SampledTransitions,
    ) -> Result<SgqnBatch, TapeError> {
        let c = self.config();
        let step = self.counter(tape, "counter.update")?;
        let noise = |randomness| {
            let shape = [c.batch, self.learner().shape.action_dim];
            step.philox_normal(self.stream(randomness), &shape)
        };
        let from = Gathering {
            store: replay.store(),
            step: &step,
        };
        let obs = self.moved(tape, &drawn.obs_slots, from, Randomness::ObsShift)?;
        let fill = match c.mask_fill {
            MaskFill::Zero => tape.full(&[1], 0.0),
            MaskFill::Uniform => {
                let u = step.philox_uniform(self.stream(Randomness::Fill), &[1], 0.0, 1.0)?;
                uniform_grey(&obs, &u)?
            }
        };
        let doubled = c.agent.doubles_critic();
        let augmentation = match doubled {
            true => c.svea_augmentation,
            false => c.aux_augmentation,
        };
        let augmented = match (turn.auxiliary || doubled, augmentation, overlays) {
            (true, Augmentation::Conv, _) => self.convolved(&obs, &step, Randomness::Conv)?,
            (true, Augmentation::Overlay, Some(bank)) => {
                self.overlaid(tape, &obs, bank, &step, Randomness::Overlay)?
            }
            (true, Augmentation::Overlay, None) if doubled => return Err(no_pictures("svea")),
            _ => obs.clone(),
        };
        let next_obs = match c.random_shift && !c.shift_next_obs {
            true => self.see(tape, &drawn.next_slots, from.store, Framing::Centre)?,
            false => self.moved(tape, &drawn.next_slots, from, Randomness::NextObsShift)?,
        };
        let batch = Batch {
            next_obs,
            obs,
            action: match self.choices() {
                Some(choices) => choices.one_hot(&drawn.action)?,
                None => drawn.action.clone(),
            },
            reward: drawn.reward.clone(),
            not_done: drawn.not_done.clone(),
            next_noise: noise(Randomness::NextNoise)?,
            actor_noise: noise(Randomness::ActorNoise)?,
        };
        Ok(SgqnBatch {
            batch,
            fill,
            augmented,
        })
    }

    /// Records CURL's positives: what `drawn` observed, moved another time.
    pub fn positives(
        &self,
        tape: &Tape,
        replay: &Replay,
        drawn: &SampledTransitions,
    ) -> Result<Var, TapeError> {
        let from = Gathering {
            store: replay.store(),
            step: &self.counter(tape, "counter.update")?,
        };
        self.moved(tape, &drawn.obs_slots, from, Randomness::Positive)
    }

    /// Records the views of SODA's phase: observations drawn anew, cropped twice, one of
    /// the two augmented.
    ///
    /// # Errors
    /// No pictures where they are needed; a store that keeps something else.
    pub fn soda_views(
        &self,
        tape: &Tape,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
    ) -> Result<SodaViews, TapeError> {
        let step = self.counter(tape, "counter.update")?;
        let from = Gathering {
            store: replay.store(),
            step: &step,
        };
        let stream = self.stream(Randomness::SodaSample);
        let drawn = replay.sample(tape, &step, stream, self.config().soda_batch_size)?;
        let cropped = |randomness| self.cropped(tape, &drawn.obs_slots, from, randomness);
        let below = cropped(Randomness::SodaAugmented)?;
        Ok(SodaViews {
            clean: cropped(Randomness::SodaClean)?,
            augmented: match self.config().aux_augmentation {
                Augmentation::Conv => self.convolved(&below, &step, Randomness::SodaConv)?,
                Augmentation::Overlay => {
                    let bank = overlays.ok_or_else(|| no_pictures("soda"))?;
                    self.overlaid(tape, &below, bank, &step, Randomness::SodaOverlay)?
                }
            },
        })
    }

    /// Stacks as training sees them, each moved on its own: shifted if the configuration
    /// says so, else cropped.
    fn moved(
        &self,
        tape: &Tape,
        slots: &Var,
        from: Gathering,
        randomness: Randomness,
    ) -> Result<Var, TapeError> {
        let pad = self.config().shift_pad;
        if !self.config().random_shift {
            return self.cropped(tape, slots, from, randomness);
        }
        let offsets = self.offsets(slots, from, 2 * pad + 1, randomness)?;
        self.see(tape, slots, from.store, Framing::Shift(&offsets, pad))
    }

    /// Stacks cropped at random, each on its own; as they are where frames are no larger.
    /// A window never starts at the last row or column that it could: the released code
    /// draws below the difference of the sizes (A.3).
    pub(super) fn cropped(
        &self,
        tape: &Tape,
        slots: &Var,
        from: Gathering,
        randomness: Randomness,
    ) -> Result<Var, TapeError> {
        let places = self.config().rendered_size() - self.config().image_size;
        if places == 0 {
            return self.see(tape, slots, from.store, Framing::Centre);
        }
        let offsets = self.offsets(slots, from, places, randomness)?;
        self.see(tape, slots, from.store, Framing::Crop(&offsets))
    }

    /// Two numbers below `count` for each stack, u32[B, 2].
    fn offsets(
        &self,
        slots: &Var,
        from: Gathering,
        count: usize,
        randomness: Randomness,
    ) -> Result<Var, TapeError> {
        let shape = [slots.shape()[0], 2];
        (from.step).philox_integers(self.stream(randomness), &shape, count as u32)
    }

    /// Observations convolved at random, each with numbers of its own for all its frames.
    fn convolved(&self, obs: &Var, step: &Var, randomness: Randomness) -> Result<Var, TapeError> {
        let shape = [obs.shape()[0], 3, 3, 3, 3];
        obs.random_conv(&step.philox_normal(self.stream(randomness), &shape)?)
    }

    /// Observations with random windows of random pictures laid over.
    fn overlaid(
        &self,
        tape: &Tape,
        obs: &Var,
        bank: &OverlayBank,
        step: &Var,
        randomness: Randomness,
    ) -> Result<Var, TapeError> {
        let pictures = Tensor::u8(&[bank.count, 3, bank.side, bank.side]);
        let pictures = tape.external(bank.range.clone(), pictures)?;
        let (stream, batch) = (self.stream(randomness), obs.shape()[0]);
        let crops = step.random_resized_crops(stream, batch, bank.count, bank.side)?;
        obs.overlay(&pictures, &crops)
    }
}

fn no_pictures(op: &'static str) -> TapeError {
    TapeError::Option {
        op,
        message: "there are no pictures to lay over observations".to_string(),
    }
}
