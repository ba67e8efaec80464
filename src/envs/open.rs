//! From an id to environments.

use std::path::PathBuf;

use super::bridge::{Bridge, BridgeEnvironment, BridgeOptions};
use super::environment::Environment;
use super::native::{self, Mode, NativeEnvironment, PictureBank, WorldOptions, nearest};
use super::{EnvError, EnvSpec};
use crate::Error;
use crate::gpu::{FrameStore, Gpu};
use crate::media::image_file;

/// The suite whose tasks come through the bridge.
const DM_CONTROL: &str = "dm_control";
const SUITES: [&str; 2] = ["native", DM_CONTROL];

/// Which environments to open, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvOptions {
    /// One of [`native::IDS`] or `dm_control/DOMAIN-TASK`.
    pub id: String,
    /// How many environments are stepped together, 1 or more.
    pub count: usize,
    /// Height and width of a frame in pixels, a multiple of 4.
    pub image_size: usize,
    pub seed: u64,
    /// The look; real suites have only [`Mode::Train`] in this version.
    pub mode: Mode,
    /// Control steps per agent step; none: the task's own default.
    pub action_repeat: Option<usize>,
    /// A folder of PNG or JPEG files that the video modes of native worlds show in
    /// place of procedural moving pictures: sorted by name they are one clip, of
    /// which every agent step shows the next picture (the first follows the last).
    /// They are centre-cropped and resized to `image_size`. Real suites pass it over.
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
            Suite::DmControl => {
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
            python: self.python.clone(),
            ..BridgeOptions::new(&self.id)
        }
    }

    /// Real suites look as they do in training.
    fn check_mode(&self) -> Result<(), EnvError> {
        if self.mode == Mode::Train {
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
            let bank = match &options.backgrounds {
                Some(folder) => {
                    let size = options.image_size;
                    let pictures: Vec<_> = image_file::read_backgrounds(folder, size)?
                        .iter()
                        .map(|picture| picture.to_chw())
                        .collect();
                    Some(PictureBank::from_pictures(gpu, &pictures, size)?)
                }
                None => None,
            };
            let (id, world) = (&options.id, options.world());
            let opened = NativeEnvironment::open(gpu, store, id, world, bank.as_ref())?;
            Ok(Box::new(opened))
        }
        Suite::DmControl => {
            options.check_mode()?;
            let bridge = Bridge::open(options.bridge()).map_err(EnvError::from)?;
            Ok(Box::new(BridgeEnvironment::new(gpu, store, bridge)?))
        }
    }
}

/// Whether environments of this id know the saliency of their frames.
pub fn offers_saliency(id: &str) -> bool {
    matches!(suite(id), Ok(Suite::Native))
}

enum Suite {
    Native,
    DmControl,
}

fn suite(id: &str) -> Result<Suite, EnvError> {
    match id.split_once('/') {
        Some(("native", _)) => Ok(Suite::Native),
        Some((DM_CONTROL, _)) => Ok(Suite::DmControl),
        _ => Err(EnvError::Unknown {
            given: id.to_string(),
            nearest: nearest_id(id),
            known: format!(
                "{}, {DM_CONTROL}/DOMAIN-TASK (through Python)",
                native::IDS.join(", ")
            ),
        }),
    }
}

/// What an id without a known suite was probably meant to be: a native world whose
/// suite was left out or misspelt, or a task of the suite that is most alike.
fn nearest_id(given: &str) -> Option<String> {
    let (suite, name) = match given.split_once('/') {
        Some((suite, name)) => (nearest(suite, &SUITES)?, name),
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

    #[test]
    fn the_nearest_id_is_found_with_and_without_a_suite() {
        for (given, right) in [
            ("nativ/reach", Some("native/reach")),
            ("Native/cartpol", Some("native/cartpole")),
            ("reach", Some("native/reach")),
            ("ball-in-cup", Some("native/ball_in_cup")),
            ("walker-wlak", Some("native/walker-walk")),
            ("dmcontrol/walker-walk", Some("dm_control/walker-walk")),
            ("atari/pong", None),
            ("", None),
        ] {
            assert_eq!(nearest_id(given).as_deref(), right, "{given}");
        }
    }
}
