//! What a caller can choose about a bridge.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::protocol::{self, ColourSet, Look};
use super::{BridgeError, Restarts};
use crate::envs::native::Mode;
use crate::envs::native::palette::{Spread, presets};

/// What to open, and how.
#[derive(Debug, Clone)]
pub struct BridgeOptions {
    /// Environment id, e.g. `dm_control/cartpole-swingup`.
    pub id: String,
    /// How many environments share the worker, at least 1.
    pub n: usize,
    /// Height and width of a frame in pixels, at least 1.
    pub image_size: usize,
    /// Control steps per agent step, at least 1. `None`: the task's own, for
    /// dm_control 8 for cartpole, 2 for finger, 4 otherwise (SPEC.md F.1), for ale 4
    /// (D.7), for metaworld and gym 1.
    pub action_repeat: Option<usize>,
    /// Seed of the group; environment `i` draws from a stream keyed by (seed, i).
    pub seed: u64,
    /// Whether episodes are played to be judged: Atari games whole and with their own
    /// rewards (SPEC.md D.7). Other suites make no difference.
    pub evaluation: bool,
    /// The look; only dm_control has others than [`Mode::Train`]. In the video modes the
    /// bridge's frames are green where a background belongs.
    pub mode: Mode,
    /// Interpreter. `None`: `FOVEATE_PYTHON`, else `.venv/bin/python` below the
    /// working directory, else `python3` in `PATH`.
    pub python: Option<PathBuf>,
    /// Program and arguments of a worker of your own that speaks [`protocol`],
    /// instead of Python with the embedded one.
    pub command: Option<Vec<OsString>>,
    /// How long starting, importing and building may take.
    pub open_timeout: Duration,
    /// How long any other call may take; a restore in proportion to the steps of the
    /// episodes longer, which some suites have to play again.
    pub call_timeout: Duration,
    /// How often a [`LastingBridge`](super::LastingBridge) replaces dead workers.
    pub restarts: Restarts,
}

impl BridgeOptions {
    /// One environment with frames of 84×84, seed 1, and every default.
    pub fn new(id: impl Into<String>) -> BridgeOptions {
        BridgeOptions {
            id: id.into(),
            n: 1,
            image_size: 84,
            action_repeat: None,
            seed: 1,
            evaluation: false,
            mode: Mode::Train,
            python: None,
            command: None,
            open_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(30),
            restarts: Restarts::default(),
        }
    }

    /// How a worker is to recolour the task (SPEC.md F.1).
    pub(super) fn look(&self) -> Option<Look> {
        let colours = |spread| {
            let sets = presets(spread).iter().map(|palette| ColourSet {
                grid_rgb1: palette.floor[0],
                grid_rgb2: palette.floor[1],
                self_rgb: palette.body,
                skybox_rgb: palette.sky,
            });
            Look::Colours {
                sets: sets.collect(),
            }
        };
        match self.mode {
            Mode::Train => None,
            Mode::ColorEasy => Some(colours(Spread::Easy)),
            Mode::ColorHard => Some(colours(Spread::Hard)),
            Mode::VideoEasy => Some(Look::Green { floor: false }),
            Mode::VideoHard => Some(Look::Green { floor: true }),
        }
    }

    /// Refuses what cannot be right before a process is started.
    pub(super) fn check(&self) -> Result<(), BridgeError> {
        for (name, value) in [
            ("n", Some(self.n)),
            ("image_size", Some(self.image_size)),
            ("action_repeat", self.action_repeat),
        ] {
            if value == Some(0) {
                return Err(BridgeError::Option {
                    name,
                    given: "0".into(),
                    allowed: "1 or more",
                });
            }
        }
        let bytes = (self.image_size.checked_mul(self.image_size))
            .and_then(|pixels| pixels.checked_mul(3))
            .and_then(|frame| frame.checked_add(protocol::OUTCOME_BYTES))
            .and_then(|each| each.checked_mul(self.n));
        match bytes {
            Some(bytes) if bytes <= protocol::MAX_PAYLOAD as usize => Ok(()),
            _ => Err(BridgeError::Option {
                name: "n × image_size²",
                given: format!("{} × {}²", self.n, self.image_size),
                allowed: "small enough for all frames of a step to fit in 1 GiB",
            }),
        }
    }
}

/// The OpenGL backends to try in order; `None` leaves the choice to the suite.
/// Headless Linux machines have EGL (fastest) or, failing that, OSMesa.
pub(super) fn renderers() -> Vec<Option<String>> {
    match std::env::var("MUJOCO_GL") {
        Ok(chosen) if !chosen.is_empty() => vec![Some(chosen)],
        _ if cfg!(target_os = "linux") => vec![Some("egl".into()), Some("osmesa".into())],
        _ => vec![None],
    }
}
