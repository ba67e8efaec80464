//! Real environments as the rest of foveate sees them: frames on the device.

use super::green_screen::GreenScreen;
use super::{Bridge, BridgeError, LastingBridge, check_length, frame_bytes};
use crate::Error;
use crate::envs::backgrounds::Backgrounds;
use crate::envs::environment::check_frames;
use crate::envs::{EnvError, EnvSpec, Environment, Outcome, Transition};
use crate::gpu::{FrameStore, Gpu};

/// A bridge whose workers are replaced when they die, and whose frames are uploaded to a
/// store, once each, as uint8.
#[derive(Debug)]
pub struct BridgeEnvironment {
    gpu: Gpu,
    store: FrameStore,
    bridge: LastingBridge,
    /// In the video modes.
    screen: Option<GreenScreen>,
}

impl BridgeEnvironment {
    /// The environments of an open bridge, with frames in `store`.
    ///
    /// # Errors
    /// [`EnvError::FrameSize`] if the two have frames of different size,
    /// [`EnvError::NoSaliency`] if the store's have saliency.
    pub fn new(gpu: &Gpu, store: &FrameStore, bridge: Bridge) -> Result<BridgeEnvironment, Error> {
        check_frames(bridge.spec(), store, false)?;
        Ok(BridgeEnvironment {
            gpu: gpu.clone(),
            store: store.clone(),
            bridge: LastingBridge::new(bridge),
            screen: None,
        })
    }

    /// Has `backgrounds` in place of what is green in the frames, as bridges draw sky and
    /// floor in the video modes (SPEC.md F.1).
    ///
    /// # Errors
    /// Those of [`Backgrounds::load`].
    pub fn before(mut self, backgrounds: Backgrounds) -> Result<BridgeEnvironment, Error> {
        let (n, size) = (self.bridge.n(), self.bridge.spec().image_size);
        self.screen = Some(GreenScreen::new(backgrounds, n, size)?);
        Ok(self)
    }

    /// The bridge: its worker's id, the versions of the packages behind it.
    pub fn bridge(&self) -> &Bridge {
        self.bridge.bridge()
    }
}

impl Environment for BridgeEnvironment {
    fn spec(&self) -> &EnvSpec {
        self.bridge.spec()
    }

    fn count(&self) -> usize {
        self.bridge.n()
    }

    fn reset(&mut self, env: usize, _episode: u64) -> Result<(), Error> {
        self.bridge.reset(env).map_err(bridge)?;
        self.screen
            .as_mut()
            .map_or(Ok(()), |screen| screen.begin(env))
    }

    fn step(&mut self, actions: &[f32], transitions: &mut [Transition]) -> Result<(), Error> {
        self.bridge.step(actions, transitions).map_err(bridge)?;
        if let Some(screen) = &mut self.screen {
            (0..self.bridge.n()).for_each(|env| screen.advance(env));
        }
        Ok(())
    }

    fn outcome(&self, env: usize) -> Option<Outcome> {
        self.bridge.outcome(env)
    }

    fn take_notices(&mut self) -> Vec<String> {
        self.bridge.take_notices()
    }

    fn observe(&mut self, slots: &[u32]) -> Result<(), Error> {
        let n = self.bridge.n();
        check_length("the slots", slots.len(), n, || format!("{n} environments"))
            .map_err(bridge)?;
        self.store.check_slots(slots)?;
        let size = frame_bytes(self.bridge.spec().image_size);
        let frames = match &mut self.screen {
            Some(screen) => screen.compose(self.bridge.frames()),
            None => self.bridge.frames(),
        };
        for (&slot, frame) in slots.iter().zip(frames.chunks_exact(size)) {
            if slot != FrameStore::NO_SLOT {
                self.gpu.write(&self.store.slot(slot as usize), frame)?;
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, Error> {
        let state = self.bridge.save().map_err(bridge)?;
        Ok(match &self.screen {
            Some(screen) => screen.save(state),
            None => state,
        })
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let state = match &mut self.screen {
            Some(screen) => screen.restore(state)?,
            None => state,
        };
        self.bridge.restore(state).map_err(bridge)
    }
}

fn bridge(error: BridgeError) -> Error {
    EnvError::from(error).into()
}
