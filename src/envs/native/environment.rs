//! A native world together with the renderer that shows it.

use super::scene::{SEGMENT_TASK, SceneData};
use super::{Mode, PictureBank, Renderer, World, WorldOptions, create};
use crate::Error;
use crate::envs::environment::check_frames;
use crate::envs::{EnvSpec, Environment, Transition};
use crate::gpu::{FrameStore, Gpu};

/// A group of native environments whose frames are drawn on the device.
pub struct NativeEnvironment {
    world: Box<dyn World>,
    renderer: Renderer,
    /// Scratch: the scenes of one drawing.
    scenes: Vec<SceneData>,
}

impl NativeEnvironment {
    /// The world `id` with frames in `store`, every environment at the start of
    /// episode 0. Where `pictures` are given and `options.clips` is empty, all
    /// pictures are one clip: one picture an agent step, from the first, again and
    /// again.
    pub fn open(
        gpu: &Gpu,
        store: &FrameStore,
        id: &str,
        mut options: WorldOptions,
        pictures: Option<&PictureBank>,
    ) -> Result<NativeEnvironment, Error> {
        if let (Some(bank), true) = (pictures, options.clips.is_empty()) {
            options.clips = vec![bank.count() as u32];
        }
        let world = create(id, options)?;
        check_frames(world.spec(), store, true)?;
        let renderer = Renderer::new(gpu, store, world.count(), pictures)?;
        Ok(NativeEnvironment {
            scenes: Vec::with_capacity(world.count()),
            world,
            renderer,
        })
    }

    /// The physics: expert actions, scenes in any mode.
    pub fn world(&self) -> &dyn World {
        self.world.as_ref()
    }

    /// The same, to step or reset it without drawing.
    pub fn world_mut(&mut self) -> &mut dyn World {
        self.world.as_mut()
    }

    /// The renderer, to draw other scenes.
    pub fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    /// What the scripted controller would do now. `actions`: `[count, action_dim]`.
    pub fn expert(&self, actions: &mut [f32]) -> Result<(), Error> {
        let dim = self.world.spec().action_dim;
        let (count, given) = (self.world.count(), actions.len());
        if given != count * dim {
            let (what, right) = ("actions", count * dim);
            return Err(length(what, given, right, count));
        }
        for (env, action) in actions.chunks_exact_mut(dim).enumerate() {
            self.world.expert(env, action).map_err(world)?;
        }
        Ok(())
    }

    /// Draws this moment in another look: environment i into slot `slots[i]` of the
    /// store, [`FrameStore::NO_SLOT`]: not at all. Nothing else changes.
    pub fn observe_in(&mut self, mode: Mode, slots: &[u32]) -> Result<(), Error> {
        let count = self.world.count();
        if slots.len() != count {
            return Err(length("slots", slots.len(), count, count));
        }
        self.scenes.clear();
        for env in 0..count {
            let scene = self.world.scene_in(env, mode).map_err(world)?;
            self.scenes.push(scene.data());
        }
        self.renderer.draw(&self.scenes, slots)?;
        Ok(())
    }

    /// What each pixel of each environment's current frame belongs to, in every
    /// mode the same: u8[height · width] each, see [`Renderer::segmentation`].
    /// Waits for the device.
    pub fn segmentation(&self) -> Result<Vec<Vec<u8>>, Error> {
        let scenes = (0..self.world.count())
            .map(|env| Ok(self.world.scene(env).map_err(world)?.data()))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(self.renderer.segmentation(&scenes)?)
    }

    /// Where somebody who knows the task would look, in each environment's current
    /// frame: u8[height · width], 255 on what the task is about (the agent's own body,
    /// its target), 0 elsewhere. Waits for the device.
    pub fn saliency(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut maps = self.segmentation()?;
        for id in maps.iter_mut().flatten() {
            *id = if *id >= SEGMENT_TASK { 255 } else { 0 };
        }
        Ok(maps)
    }
}

impl Environment for NativeEnvironment {
    fn spec(&self) -> &EnvSpec {
        self.world.spec()
    }

    fn count(&self) -> usize {
        self.world.count()
    }

    fn reset(&mut self, env: usize, episode: u64) -> Result<(), Error> {
        self.world.reset(env, episode).map_err(world)
    }

    fn step(&mut self, actions: &[f32], transitions: &mut [Transition]) -> Result<(), Error> {
        self.world.step(actions, transitions).map_err(world)
    }

    fn observe(&mut self, slots: &[u32]) -> Result<(), Error> {
        self.observe_in(self.world.mode(), slots)
    }

    fn save(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.world.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        self.world.restore(state).map_err(world)
    }

    fn as_native(&mut self) -> Option<&mut NativeEnvironment> {
        Some(self)
    }
}

fn world(error: super::WorldError) -> Error {
    Error::Env(error.into())
}

fn length(what: &'static str, given: usize, right: usize, count: usize) -> Error {
    world(super::WorldError::Length {
        what,
        given,
        right,
        count,
    })
}
