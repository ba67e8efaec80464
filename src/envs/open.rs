//! From an id to environments.

use std::path::PathBuf;

use super::backgrounds::Backgrounds;
use super::bridge::{Bridge, BridgeEnvironment, BridgeOptions};
use super::environment::Environment;
use super::native::{self, Mode, NativeEnvironment, PictureBank, WorldOptions, nearest};
use super::{EnvError, EnvSpec};
use crate::Error;
use crate::gpu::{FrameStore, Gpu};
use crate::media::clips::list_clips;

/// A suite whose tasks come through the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealSuite {
    /// What ids begin with.
    pub name: &'static str,
    /// How its ids look.
    pub ids: &'static str,
    /// A task that every installation has.
    pub example: &'static str,
    /// Whether the actions of all its tasks are discrete.
    pub discrete: bool,
    /// Python packages that it needs, at the versions that are known to work together.
    pub packages: &'static [&'static str],
}

impl RealSuite {
    /// Whether an id names one of its tasks, which may not exist.
    pub fn has(&self, id: &str) -> bool {
        id.split_once('/')
            .is_some_and(|(name, _)| name == self.name)
    }
}

/// The real suites. Their adapters are in `src/envs/bridge/worker/`.
pub const SUITES: [RealSuite; 4] = [
    RealSuite {
        name: DM_CONTROL,
        ids: "dm_control/DOMAIN-TASK",
        example: "dm_control/cartpole-swingup",
        discrete: false,
        packages: &["dm_control==1.0.28", "mujoco==3.3.0"],
    },
    RealSuite {
        name: "metaworld",
        ids: "metaworld/TASK-v3",
        example: "metaworld/reach-v3",
        discrete: false,
        packages: &["metaworld==3.1.1", "mujoco==3.3.0"],
    },
    RealSuite {
        name: "ale",
        ids: "ale/GAME",
        example: "ale/Pong",
        discrete: true,
        packages: &["ale-py==0.12.1", "numpy>=1.26,<3"],
    },
    RealSuite {
        name: "gym",
        ids: "gym/ID",
        example: "gym/Hopper-v5",
        discrete: false,
        packages: &[
            "gymnasium[mujoco]==1.4.0",
            "mujoco==3.3.0",
            "pygame==2.6.1",
            "shimmy==2.0.1",
        ],
    },
];
/// The real suite with the benchmark's looks.
const DM_CONTROL: &str = "dm_control";

/// Which environments to open, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvOptions {
    /// One of [`native::IDS`], or a task of a real suite (see [`SUITES`]).
    pub id: String,
    /// How many environments are stepped together, 1 or more.
    pub count: usize,
    /// Height and width of a frame in pixels, a multiple of 4.
    pub image_size: usize,
    pub seed: u64,
    /// The look; of real suites only dm_control has others than [`Mode::Train`].
    pub mode: Mode,
    /// Whether episodes are played to be judged; see [`BridgeOptions::evaluation`].
    pub evaluation: bool,
    /// Control steps per agent step; none: the task's own default.
    pub action_repeat: Option<usize>,
    /// A folder that the video modes show in place of procedural moving pictures: of
    /// videos and GIFs, each a clip, or of PNG and JPEG files, which sorted by name are
    /// one clip; a folder of both kinds is refused. Every agent step shows the next picture (the first follows the last).
    /// See [`Backgrounds`] for how they are resized.
    pub backgrounds: Option<PathBuf>,
    /// Python for real suites; none: see [`BridgeOptions::python`].
    pub python: Option<PathBuf>,
}

impl EnvOptions {
    /// One environment with frames of 84×84, seed 0, in [`Mode::Train`].
    pub fn new(id: impl Into<String>) -> EnvOptions {
        EnvOptions {
            id: id.into(),
            count: 1,
            image_size: 84,
            seed: 0,
            mode: Mode::Train,
            evaluation: false,
            action_repeat: None,
            backgrounds: None,
            python: None,
        }
    }

    /// What these environments are, without opening them and without a GPU. A real
    /// suite is asked through a Python process of its own.
    pub fn describe(&self) -> Result<EnvSpec, Error> {
        match suite(&self.id)? {
            Suite::Native => {
                let world = native::create(&self.id, self.world())?;
                Ok(world.spec().clone())
            }
            Suite::Real => {
                self.check_mode()?;
                let options = BridgeOptions {
                    n: 1,
                    ..self.bridge()
                };
                let bridge = Bridge::open(options).map_err(EnvError::from)?;
                Ok(bridge.spec().clone())
            }
        }
    }

    fn world(&self) -> WorldOptions {
        WorldOptions {
            count: self.count,
            image_size: self.image_size,
            seed: self.seed,
            mode: self.mode,
            action_repeat: self.action_repeat,
            clips: vec![],
        }
    }

    fn bridge(&self) -> BridgeOptions {
        BridgeOptions {
            n: self.count,
            image_size: self.image_size,
            action_repeat: self.action_repeat,
            seed: self.seed,
            evaluation: self.evaluation,
            mode: self.mode,
            python: self.python.clone(),
            ..BridgeOptions::new(&self.id)
        }
    }

    /// The moving pictures of the video modes.
    fn behind(&self) -> Result<Backgrounds, Error> {
        let size = self.image_size;
        match &self.backgrounds {
            Some(folder) => Backgrounds::of_folder(folder, size, self.python.clone()),
            None => Ok(Backgrounds::procedural(self.mode, size)),
        }
    }

    fn check_mode(&self) -> Result<(), EnvError> {
        if modes_of(&self.id).contains(&self.mode) {
            return Ok(());
        }
        Err(EnvError::Mode {
            id: self.id.clone(),
            given: self.mode,
        })
    }
}

/// What the environments of this id are, without a GPU; see [`EnvOptions::describe`].
///
/// # Errors
/// [`EnvError::Unknown`] with the nearest id, and those of the suite.
pub fn describe(
    id: &str,
    image_size: usize,
    action_repeat: Option<usize>,
) -> Result<EnvSpec, Error> {
    let options = EnvOptions {
        image_size,
        action_repeat,
        ..EnvOptions::new(id)
    };
    options.describe()
}

/// Opens environments whose frames go to `store`. Native worlds stand at the start
/// of episode 0; real ones must be reset before anything else.
///
/// # Errors
/// [`EnvError::Unknown`] with the nearest id; [`EnvError::Mode`] for a look that a
/// suite does not have; [`EnvError::FrameSize`]; those of the suite, of the device
/// and of reading `backgrounds`.
pub fn open(
    gpu: &Gpu,
    store: &FrameStore,
    options: &EnvOptions,
) -> Result<Box<dyn Environment>, Error> {
    match suite(&options.id)? {
        Suite::Native => {
            let (id, mut world) = (&options.id, options.world());
            let bank = match &options.backgrounds {
                Some(folder) => {
                    let (size, python) = (options.image_size, options.python.clone());
                    let clips = Backgrounds::of_folder(folder, size, python)?.load_all()?;
                    world.clips = clips.iter().map(|clip| clip.len() as u32).collect();
                    Some(PictureBank::from_pictures(gpu, &clips.concat(), size)?)
                }
                None => None,
            };
            let opened = NativeEnvironment::open(gpu, store, id, world, bank.as_ref())?;
            Ok(Box::new(opened))
        }
        Suite::Real => {
            options.check_mode()?;
            // What is wrong with a folder of backgrounds is said before Python starts.
            if let (Some(folder), true) = (&options.backgrounds, options.mode.is_video()) {
                list_clips(folder)?;
            }
            let bridge = Bridge::open(options.bridge()).map_err(EnvError::from)?;
            let opened = BridgeEnvironment::new(gpu, store, bridge)?;
            Ok(Box::new(match options.mode.is_video() {
                true => opened.before(options.behind()?)?,
                false => opened,
            }))
        }
    }
}

/// Whether environments of this id know the saliency of their frames.
pub fn offers_saliency(id: &str) -> bool {
    matches!(suite(id), Ok(Suite::Native))
}

/// Whether the id alone tells that actions are discrete.
pub fn is_discrete(id: &str) -> bool {
    SUITES.iter().any(|suite| suite.discrete && suite.has(id))
}

/// The looks that an environment has.
pub fn modes_of(id: &str) -> &'static [Mode] {
    match id.split_once('/') {
        Some(("native" | DM_CONTROL, _)) => &Mode::ALL,
        _ => &[Mode::Train],
    }
}

enum Suite {
    Native,
    Real,
}

fn suite(id: &str) -> Result<Suite, EnvError> {
    match id.split_once('/') {
        Some(("native", _)) => Ok(Suite::Native),
        Some(_) if SUITES.iter().any(|suite| suite.has(id)) => Ok(Suite::Real),
        _ => Err(EnvError::Unknown {
            given: id.to_string(),
            nearest: nearest_id(id),
            known: known_ids(),
        }),
    }
}

/// All that an id may be, for messages.
pub fn known_ids() -> String {
    let real = SUITES.map(|suite| suite.ids).join(", ");
    format!("{}, and through Python {real}", native::IDS.join(", "))
}

/// What an id without a known suite was probably meant to be: a native world whose
/// suite was left out or misspelt, or a task of the suite that is most alike.
fn nearest_id(given: &str) -> Option<String> {
    let suites = ["native"].into_iter().chain(SUITES.map(|suite| suite.name));
    let (suite, name) = match given.split_once('/') {
        Some((suite, name)) => (nearest(suite, &suites.collect::<Vec<_>>())?, name),
        None => ("native".to_string(), given),
    };
    if suite != "native" {
        return Some(format!("{suite}/{name}"));
    }
    let names = native::IDS.map(|id| id.trim_start_matches("native/"));
    nearest(name, &names).map(|name| format!("native/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One list of versions for `make real-envs` and for what `foveate envs` says.
    #[test]
    fn the_packages_of_suites_are_those_of_the_requirements() {
        let text = include_str!("../../scripts/real-envs-requirements.txt");
        let lines: Vec<&str> = text.lines().collect();
        for suite in SUITES {
            for package in suite.packages {
                let pinned = lines.contains(package);
                assert!(pinned, "{}: {package}", suite.name);
            }
        }
    }

    #[test]
    fn the_nearest_id_is_found_with_and_without_a_suite() {
        for (given, right) in [
            ("nativ/reach", Some("native/reach")),
            ("Native/cartpol", Some("native/cartpole")),
            ("reach", Some("native/reach")),
            ("ball-in-cup", Some("native/ball_in_cup")),
            ("walker-wlak", Some("native/walker-walk")),
            ("dmcontrol/walker-walk", Some("dm_control/walker-walk")),
            ("meta-world/reach-v3", Some("metaworld/reach-v3")),
            ("gymnasium/Hopper-v5", Some("gym/Hopper-v5")),
            ("atari/pong", None),
            ("", None),
        ] {
            assert_eq!(nearest_id(given).as_deref(), right, "{given}");
        }
    }
}
