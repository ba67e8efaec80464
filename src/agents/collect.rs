//! What somebody sees who acts in an environment: frames to pretrain on, and of native
//! worlds also where the task's things are.

use super::evaluate::{Actor, Stage, actions};
use super::policy::Policy;
use crate::Error;
use crate::envs::native::Mode;
use crate::envs::{EnvOptions, EnvSpec, Transition};
use crate::gpu::{Gpu, Readback};

/// One moment of an episode, as it is seen before the next action.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// The frame, u8[3, height, width].
    pub frame: Vec<u8>,
    /// u8[height, width]: 255 on the task's things, 0 elsewhere; native worlds only.
    pub saliency: Option<Vec<u8>>,
    /// The world's coordinates, as [`Collector::coordinate_names`]; native worlds only.
    pub coordinates: Vec<f32>,
    /// The number of the episode, from 0.
    pub episode: u64,
}

/// Plays one episode after the other and gives each moment.
#[derive(Debug)]
pub struct Collector<'a> {
    stage: Stage,
    actor: Actor<'a>,
    policy: Option<Policy>,
    /// Looks of a native world, episode after episode in turn.
    modes: Vec<Mode>,
    readback: Readback,
    /// Of the next reset.
    episode: u64,
    /// Moments given of one episode before the next begins; none: all that it has.
    longest: Option<u64>,
    /// Moments given of this episode.
    given: u64,
    /// Agent steps taken, for the random policy's numbers.
    steps: u64,
    over: bool,
}

impl<'a> Collector<'a> {
    /// Episodes of one environment in which `actor` acts upon stacks of `frame_stack`
    /// frames: whole, or the first `longest` moments of each. Episode k is shown in
    /// `modes[k % modes.len()]`; none: as `options` say. Real suites have only their own
    /// look.
    ///
    /// # Errors
    /// Those of opening the environment and of the device.
    pub fn new(
        gpu: &Gpu,
        options: &EnvOptions,
        frame_stack: usize,
        actor: Actor<'a>,
        modes: &[Mode],
        longest: Option<u64>,
    ) -> Result<Collector<'a>, Error> {
        let options = EnvOptions {
            count: 1,
            ..options.clone()
        };
        let stage = Stage::new(gpu, &options, frame_stack, actor.eye())?;
        let policy = actor.policy(&stage, 1)?;
        Ok(Collector {
            readback: Readback::new(gpu, stage.rgb_bytes())?,
            stage,
            actor,
            policy,
            modes: modes.to_vec(),
            episode: 0,
            longest,
            given: 0,
            steps: 0,
            over: true,
        })
    }

    /// What the environment is.
    pub fn spec(&self) -> &EnvSpec {
        self.stage.env.spec()
    }

    /// What [`Sight::coordinates`] are; none for real suites.
    pub fn coordinate_names(&mut self) -> &'static [&'static str] {
        (self.stage.env.as_native()).map_or(&[], |native| native.world().coordinate_names())
    }

    /// What happened to the environment since the last call that a person should know.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.stage.take_notices()
    }

    /// The next moment. Waits for the device.
    ///
    /// # Errors
    /// [`Error::NoExpert`], and those of the environment and of the device.
    pub fn sight(&mut self) -> Result<Sight, Error> {
        if self.over || self.longest.is_some_and(|longest| self.given >= longest) {
            let turn = self.episode % self.modes.len().max(1) as u64;
            if let Some(&mode) = self.modes.get(turn as usize) {
                self.stage.show_in(mode);
            }
            self.stage.reset(self.episode)?;
            self.episode += 1;
            self.over = false;
            self.given = 0;
        } else {
            self.act()?;
            if self.over {
                return self.sight();
            }
        }
        self.given += 1;
        let (saliency, coordinates) = match self.stage.env.as_native() {
            Some(native) => (
                native.saliency()?.into_iter().next(),
                (native.world().coordinates(0)).map_err(crate::envs::EnvError::from)?,
            ),
            None => (None, vec![]),
        };
        Ok(Sight {
            frame: self.readback.read_blocking(&[self.stage.frame(0)])?,
            saliency,
            coordinates,
            episode: self.episode - 1,
        })
    }

    fn act(&mut self) -> Result<(), Error> {
        let policy = self.policy.as_ref();
        let actions = actions(&mut self.stage, &self.actor, policy, self.steps)?;
        self.steps += 1;
        let mut answer = [Transition::default()];
        self.stage.step(&actions, &mut answer)?;
        self.over = answer.iter().any(|t| t.terminated || t.truncated);
        Ok(())
    }
}
