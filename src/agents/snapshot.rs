//! What a checkpoint of a run holds, and how it comes back.

use std::collections::BTreeMap;

use super::agent::Agent;
use super::replay::{Replay, StoredTransition};
use crate::Error;
use crate::envs::Environment;
use crate::gpu::Readback;
use crate::ops::DType;
use crate::run::{
    Checkpoint, CheckpointMeta, CheckpointStore, ElementType, NamedTensor, ReplayChunk,
    ReplayLayout, ReplayLog, ReplayPosition, ReplayReader, RunDirectory, RunError, Saved,
    TensorSpec, replay_log,
};

const ENVIRONMENT: &str = "environment";
/// Frames read back at a time while the replay is written.
const FRAMES_AT_ONCE: u64 = 512;

/// Where training stands besides what is on the device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Agent steps and updates so far.
    pub step: u64,
    pub updates: u64,
    /// Number of the episode that runs or starts next.
    pub episode: u64,
    /// Return of the running episode.
    pub episode_return: f32,
    /// Frames of the current observation, oldest first; empty between episodes.
    pub stack: Vec<u64>,
    /// Step from which the next evaluation is due.
    pub next_evaluation: u64,
    /// Latest watched scalars that no line of metrics tells of yet.
    pub losses: BTreeMap<String, f32>,
    /// Transitions that are not in the log yet.
    pub pending: Vec<StoredTransition>,
}

impl Progress {
    fn to_json(&self, replay: &Replay) -> serde_json::Map<String, serde_json::Value> {
        let losses: BTreeMap<_, _> = (self.losses.iter())
            .map(|(name, value)| (name, value.to_bits()))
            .collect();
        let fields = serde_json::json!({
            "loss_bits": losses,
            "updates": self.updates,
            "episode": self.episode,
            "episode_return_bits": self.episode_return.to_bits(),
            "stack": self.stack,
            "next_evaluation": self.next_evaluation,
            "frames": replay.frames(),
            "transitions": replay.transitions(),
        });
        match fields {
            serde_json::Value::Object(map) => map,
            _ => Default::default(),
        }
    }

    /// Progress, frames and transitions; `None` if a field is missing.
    fn from_json(meta: &CheckpointMeta) -> Option<(Progress, u64, u64)> {
        let number = |name: &str| meta.extra.get(name)?.as_u64();
        let stack = meta.extra.get("stack")?.as_array()?;
        let bits = |value: &serde_json::Value| u32::try_from(value.as_u64()?).ok();
        let losses = match meta.extra.get("loss_bits").and_then(|l| l.as_object()) {
            Some(losses) => (losses.iter())
                .map(|(name, value)| Some((name.clone(), f32::from_bits(bits(value)?))))
                .collect::<Option<_>>()?,
            None => BTreeMap::new(),
        };
        let progress = Progress {
            losses,
            step: meta.step,
            updates: number("updates")?,
            episode: number("episode")?,
            episode_return: f32::from_bits(bits(meta.extra.get("episode_return_bits")?)?),
            stack: stack.iter().map(|f| f.as_u64()).collect::<Option<_>>()?,
            next_evaluation: number("next_evaluation")?,
            pending: vec![],
        };
        Some((progress, number("frames")?, number("transitions")?))
    }
}

/// Sizes of the records of the replay's log.
pub fn replay_layout(replay: &Replay) -> ReplayLayout {
    ReplayLayout {
        frame_bytes: replay.store().shape().bytes() as u64,
        transition_bytes: replay.shape().transition_bytes() as u64,
    }
}

fn element(dtype: DType) -> ElementType {
    match dtype {
        DType::F32 => ElementType::F32,
        DType::U32 => ElementType::U32,
        DType::U8 => ElementType::U8,
    }
}

/// Tensors that a checkpoint of this agent has.
pub fn expected(agent: &Agent) -> Vec<TensorSpec> {
    let mut specs: Vec<TensorSpec> = (agent.tensors().into_iter())
        .map(|(name, shape, dtype, _)| TensorSpec {
            name,
            element: element(dtype),
            shape: Some(shape),
        })
        .collect();
    specs.push(TensorSpec {
        name: ENVIRONMENT.to_string(),
        element: ElementType::U8,
        shape: None,
    });
    specs
}

/// Writes a checkpoint.
pub fn save(
    store: &CheckpointStore,
    mut meta: CheckpointMeta,
    agent: &Agent,
    env: &mut dyn Environment,
    progress: &Progress,
    replay: &Replay,
) -> Result<Saved, Error> {
    let tensors = agent.tensors();
    let ranges: Vec<_> = tensors.iter().map(|t| t.3.clone()).collect();
    let bytes =
        Readback::new(agent.gpu(), ranges.iter().map(|r| r.size).sum())?.read_blocking(&ranges)?;
    let mut at = 0;
    let mut named = vec![];
    for (name, shape, dtype, range) in &tensors {
        let end = at + range.size as usize;
        named.push(NamedTensor::new(
            name.clone(),
            element(*dtype),
            shape,
            &bytes[at..end],
        ));
        at = end;
    }
    named.push(NamedTensor::opaque(ENVIRONMENT, env.save()?));
    meta.extra = progress.to_json(replay);
    Ok(store.save(&meta, &named)?)
}

/// Appends what came since the last checkpoint to the replay's log.
pub fn append_replay(
    log: &mut ReplayLog,
    replay: &Replay,
    progress: &mut Progress,
) -> Result<ReplayPosition, Error> {
    let (oldest_transition, oldest_frame) = replay.oldest();
    // The running episode's stack may be older than any transition that is held.
    let oldest_frame = progress.stack.iter().copied().fold(oldest_frame, u64::min);
    let written = log.position();
    let frames = written.frames.max(oldest_frame)..replay.frames();
    let transitions = written.transitions.max(oldest_transition)..replay.transitions();
    let skipped =
        (transitions.start - (replay.transitions() - progress.pending.len() as u64)) as usize;
    let mut segment = log.begin(frames.clone(), transitions)?;
    let mut first = frames.start;
    while first < frames.end {
        let last = (first + FRAMES_AT_ONCE).min(frames.end);
        segment.frames(&replay.read_frames(first..last)?)?;
        first = last;
    }
    for transition in progress.pending.iter().skip(skipped) {
        segment.transitions(&transition.to_bytes())?;
    }
    let position = segment.finish(oldest_frame, oldest_transition)?;
    progress.pending.clear();
    Ok(position)
}

/// Loads the newest good checkpoint of a run into the agent alone, for evaluation.
pub fn load_agent(
    directory: &RunDirectory,
    agent: &Agent,
    notice: &mut dyn FnMut(String),
) -> Result<CheckpointMeta, Error> {
    let store = CheckpointStore::new(directory.checkpoints());
    let specs = expected(agent);
    let Some(loaded) = store.load_latest(|c| c.check(&specs))? else {
        return Err(Error::NoCheckpoint {
            run: directory.root().to_path_buf(),
        });
    };
    report_skipped(&loaded.skipped, notice);
    upload(agent, &loaded.checkpoint)?;
    Ok(loaded.checkpoint.meta().clone())
}

fn report_skipped(skipped: &[RunError], notice: &mut dyn FnMut(String)) {
    for error in skipped {
        notice(format!("passed over a checkpoint: {error}"));
    }
}

fn upload(agent: &Agent, checkpoint: &Checkpoint) -> Result<(), Error> {
    for (name, _, _, range) in agent.tensors() {
        agent.gpu().write(&range, checkpoint.bytes(&name)?)?;
    }
    Ok(())
}

/// Restores agent, replay and environment from the newest checkpoint that is whole
/// and fits; `None` if there is none yet.
pub fn restore_latest(
    directory: &RunDirectory,
    store: &CheckpointStore,
    agent: &Agent,
    replay: &mut Replay,
    env: &mut dyn Environment,
    notice: &mut dyn FnMut(String),
) -> Result<Option<(Progress, CheckpointMeta)>, Error> {
    let (specs, layout) = (expected(agent), replay_layout(replay));
    let loaded = store.load_latest(|c| {
        c.check(&specs)?;
        replay_log::verify(&directory.replay(), layout, &c.meta().replay)
    })?;
    let Some(loaded) = loaded else {
        return Ok(None);
    };
    report_skipped(&loaded.skipped, notice);
    let checkpoint = loaded.checkpoint;
    let meta = checkpoint.meta().clone();
    let damaged = || Error::BadCheckpoint {
        path: checkpoint.path().to_path_buf(),
        reason: "it does not say where training stood".to_string(),
    };
    let (progress, frames, transitions) = Progress::from_json(&meta).ok_or_else(damaged)?;
    upload(agent, &checkpoint)?;
    env.restore(checkpoint.bytes(ENVIRONMENT)?)?;

    replay.restart_at(frames, meta.replay.first_transition);
    let mut reader = ReplayReader::open(&directory.replay(), layout, &meta.replay)?;
    let shape = *replay.shape();
    while let Some(chunk) = reader.next_chunk()? {
        match chunk {
            ReplayChunk::Frames { first, bytes } => {
                for (i, frame) in bytes.chunks_exact(layout.frame_bytes as usize).enumerate() {
                    replay.write_frame(first + i as u64, frame)?;
                }
            }
            ReplayChunk::Transitions { bytes, .. } => {
                for record in bytes.chunks_exact(layout.transition_bytes as usize) {
                    let transition =
                        StoredTransition::from_bytes(record, &shape).ok_or_else(damaged)?;
                    replay.push(&transition)?;
                }
            }
        }
    }
    if replay.transitions() != transitions {
        return Err(damaged());
    }
    Ok(Some((progress, meta)))
}
