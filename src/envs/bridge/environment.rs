//! Real environments as the rest of foveate sees them: frames on the device.

use super::{Bridge, BridgeError, check_length, frame_bytes};
use crate::Error;
use crate::envs::environment::check_frames;
use crate::envs::{EnvError, EnvSpec, Environment, Transition};
use crate::gpu::{FrameStore, Gpu};

/// A bridge whose frames are uploaded to a store, once each, as uint8.
#[derive(Debug)]
pub struct BridgeEnvironment {
    gpu: Gpu,
    store: FrameStore,
    bridge: Bridge,
    /// Scratch: the first frame of an episode.
    frame: Vec<u8>,
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
            frame: vec![0; frame_bytes(bridge.spec().image_size)],
            bridge,
        })
    }

    /// The bridge: its worker's id, the versions of the packages behind it.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
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
        self.bridge.reset(env, &mut self.frame).map_err(bridge)
    }

    fn step(&mut self, actions: &[f32], transitions: &mut [Transition]) -> Result<(), Error> {
        self.bridge.step(actions, transitions).map_err(bridge)
    }

    fn observe(&mut self, slots: &[u32]) -> Result<(), Error> {
        let n = self.bridge.n();
        check_length("the slots", slots.len(), n, || format!("{n} environments"))
            .map_err(bridge)?;
        self.store.check_slots(slots)?;
        let frames = self.bridge.frames().chunks_exact(self.frame.len());
        for (&slot, frame) in slots.iter().zip(frames) {
            if slot != FrameStore::NO_SLOT {
                self.gpu.write(&self.store.slot(slot as usize), frame)?;
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.bridge.save().map_err(bridge)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        self.bridge.restore(state).map_err(bridge)
    }
}

fn bridge(error: BridgeError) -> Error {
    EnvError::from(error).into()
}
