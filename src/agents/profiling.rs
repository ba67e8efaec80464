//! Profiling the last updates of a run, when everything is warm.

use std::collections::BTreeSet;

use super::agent::Agent;
use super::sac::Turn;
use crate::gpu::Gpu;
use crate::ops::TapeError;
use crate::tape::{Profile, Timer};

/// An update that was profiled.
#[derive(Debug, Clone)]
pub struct ProfiledUpdate {
    /// Its number in the run, from 1.
    pub update: u64,
    /// What it updated, and with that which program it was.
    pub turn: Turn,
    pub profile: Profile,
}

/// Decides which updates are profiled, and keeps their profiles.
#[derive(Debug)]
pub(super) struct Profiling {
    timer: Timer,
    last: u64,
    /// Programs that have run in this process: the first time is slower, since drivers
    /// then finish compiling kernels.
    warm: BTreeSet<Turn>,
    updates: Vec<ProfiledUpdate>,
}

impl Profiling {
    /// For the last `last` updates of a run.
    pub fn new(gpu: &Gpu, last: u64) -> Result<Profiling, TapeError> {
        Ok(Profiling {
            timer: Timer::choose(gpu)?,
            last,
            warm: BTreeSet::new(),
            updates: vec![],
        })
    }

    /// The update of an agent step, after `earlier` updates and before `left` more.
    pub fn update(
        &mut self,
        agent: &Agent,
        step: u64,
        earlier: u64,
        left: u64,
    ) -> Result<(), TapeError> {
        let turn = agent.turn(step);
        let warm = !self.warm.insert(turn);
        if !warm || left >= self.last {
            return agent.update(step);
        }
        let profile = agent.profile_update(step, self.timer)?;
        self.updates.push(ProfiledUpdate {
            update: earlier + 1,
            turn,
            profile,
        });
        Ok(())
    }

    pub fn updates(&self) -> &[ProfiledUpdate] {
        &self.updates
    }
}
