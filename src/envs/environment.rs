//! What every environment can do, whatever draws its frames.

use super::native::NativeEnvironment;
use super::{EnvError, EnvSpec, Outcome, Transition};
use crate::Error;
use crate::gpu::FrameStore;

/// A group of environments that are stepped together, with frames on the device.
///
/// Stepping and observing are apart: [`step`](Environment::step) advances the
/// states, [`observe`](Environment::observe) says where their pictures go.
pub trait Environment: Send {
    /// What the environments are.
    fn spec(&self) -> &EnvSpec;

    /// How many there are.
    fn count(&self) -> usize;

    /// Begins an episode in environment `env`, at agent step 0. `episode` is its
    /// number: native worlds draw all that is random in it from (seed, env, episode).
    /// Real suites count for themselves; the number is not used.
    fn reset(&mut self, env: usize, episode: u64) -> Result<(), Error>;

    /// One agent step of every environment. `actions`: `[count, action_dim]`,
    /// finite, clipped to [−1, 1] or numbers of discrete ones; `transitions`: `[count]`.
    /// An episode that ended must be reset before the next step.
    fn step(&mut self, actions: &[f32], transitions: &mut [Transition]) -> Result<(), Error>;

    /// What the last step of environment `env` was beside its transition. `None` where
    /// nothing else is known: rewards are not clipped, nothing can get lost.
    fn outcome(&self, _env: usize) -> Option<Outcome> {
        None
    }

    /// What happened since the last call that a person should know.
    fn take_notices(&mut self) -> Vec<String> {
        vec![]
    }

    /// Puts the current frame of environment i, u8[planes, height, width] as the store
    /// has them (RGB, and saliency if there is a fourth), into slot `slots[i]`; [`FrameStore::NO_SLOT`]: nowhere. `slots`: `[count]`.
    /// In order with what is submitted to the queue later; does not wait.
    fn observe(&mut self, slots: &[u32]) -> Result<(), Error>;

    /// Everything that the future depends on. What follows
    /// [`restore`](Environment::restore) is the same to the bit, frames included.
    fn save(&mut self) -> Result<Vec<u8>, Error>;

    /// Continues from what [`save`](Environment::save) gave, also in another process,
    /// in an environment that was opened with the same options.
    fn restore(&mut self, state: &[u8]) -> Result<(), Error>;

    /// What only native worlds can do: experts, segmentation, other looks.
    fn as_native(&mut self) -> Option<&mut NativeEnvironment> {
        None
    }
}

/// An error unless the frames of `store` are as large as those of `spec`, which has
/// saliency only if `salient`.
pub(super) fn check_frames(
    spec: &EnvSpec,
    store: &FrameStore,
    salient: bool,
) -> Result<(), EnvError> {
    if store.shape().planes > 3 && !salient {
        return Err(EnvError::NoSaliency {
            id: spec.id.clone(),
        });
    }
    if spec.image_size == store.image_size() {
        return Ok(());
    }
    Err(EnvError::FrameSize {
        id: spec.id.clone(),
        given: spec.image_size,
        store: store.image_size(),
    })
}
