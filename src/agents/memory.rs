//! How much of a device training takes.

use super::agent::Agent;
use super::batches::OverlayBank;
use super::eye::Retina;
use super::policy::Policy;
use super::replay::Replay;
use crate::tape::MemoryReport;

/// Bytes that a run holds on the device from its beginning to its end.
///
/// Left out is what is small or comes and goes: constants and parameter blocks of the
/// programs, staging buffers, the environment's scenes, and evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct TrainingMemory {
    /// Frames and transitions.
    pub replay: u64,
    /// Parameters, target networks, optimisers, counters, a frozen encoder.
    pub state: u64,
    /// What the compiled programs, those that update, act and see, need while they
    /// run: [`planned`](crate::tape::MemoryReport::planned) of each.
    pub programs: u64,
    /// Pictures that are laid over observations.
    pub pictures: u64,
}

/// What one compiled program takes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ProgramMemory {
    /// `update` and whose turn it is, `act` and how, or `embed a frame`.
    pub program: String,
    #[serde(flatten)]
    pub memory: MemoryReport,
}

/// Those that update, then those that act, then a frozen encoder.
pub(super) fn programs(agent: &Agent, policy: &Policy, retina: &Retina) -> Vec<ProgramMemory> {
    let updates = (agent.updates()).map(|(turn, program)| (format!("update {turn}"), program));
    let acting = (policy.programs()).map(|(how, program)| (format!("act {how}"), program));
    let seeing = (retina.program()).map(|program| ("embed a frame".to_string(), program));
    (updates.chain(acting).chain(seeing))
        .map(|(name, program)| ProgramMemory {
            program: name,
            memory: program.memory(),
        })
        .collect()
}

impl TrainingMemory {
    /// Adds up what these have allocated.
    pub(super) fn of(
        agent: &Agent,
        policy: &Policy,
        retina: &Retina,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
    ) -> TrainingMemory {
        let programs = programs(agent, policy, retina);
        TrainingMemory {
            replay: replay.bytes(),
            state: agent.state_bytes()
                + agent.eye().encoder().map_or(0, |e| e.parameters().bytes()),
            programs: programs.iter().map(|p| p.memory.planned).sum(),
            pictures: overlays.map_or(0, |bank| bank.range.size),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.replay + self.state + self.programs + self.pictures
    }
}
