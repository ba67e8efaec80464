//! How a world looks: as in training, or changed to test what an agent relies on.

use std::fmt;
use std::str::FromStr;

use super::WorldError;
use super::background::kind_of;
use super::palette::{PRESETS, Palette, Spread, presets};
use super::random::{Purpose, Stream};
use super::scene::Backdrop;

/// The look of a world. The physics of an episode is the same in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The default colours.
    #[default]
    Train,
    /// Colours of floor, body and sky from 100 sets near the default ones.
    ColorEasy,
    /// The same, twice as far from the default.
    ColorHard,
    /// A moving picture for a sky.
    VideoEasy,
    /// A moving picture for sky and floor, and no shadows.
    VideoHard,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 5] = [
        Mode::Train,
        Mode::ColorEasy,
        Mode::ColorHard,
        Mode::VideoEasy,
        Mode::VideoHard,
    ];

    /// The name that selects it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Train => "train",
            Mode::ColorEasy => "color-easy",
            Mode::ColorHard => "color-hard",
            Mode::VideoEasy => "video-easy",
            Mode::VideoHard => "video-hard",
        }
    }

    /// Whether a moving picture is seen in it.
    pub fn is_video(self) -> bool {
        matches!(self, Mode::VideoEasy | Mode::VideoHard)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = WorldError;

    fn from_str(given: &str) -> Result<Mode, WorldError> {
        let names = Mode::ALL.map(Mode::name);
        (Mode::ALL.into_iter().find(|m| m.name() == given)).ok_or_else(|| WorldError::Mode {
            given: given.to_string(),
            nearest: nearest(given, &names),
            known: names.join(", "),
        })
    }
}

/// The one of `names` that `given` was probably meant to be.
pub(in crate::envs) fn nearest(given: &str, names: &[&str]) -> Option<String> {
    (names.iter())
        .map(|name| (strsim::jaro_winkler(&given.to_lowercase(), name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_string())
}

/// The look of one episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub palette: Palette,
    pub backdrop: Backdrop,
    pub floor_covered: bool,
    pub shadows: bool,
    /// The moment of the moving backdrop, in agent steps.
    pub time: f32,
}

impl Look {
    /// The look of `episode` of environment `env` at agent step `step`. `clips`
    /// are the lengths of the clips in the picture bank; none: procedural.
    pub fn new(mode: Mode, seed: u64, env: usize, episode: u64, step: u64, clips: &[u32]) -> Look {
        let mut palette = Palette::default();
        let mut colours = |spread| {
            let mut stream = Stream::new(seed, env, episode, Purpose::Look);
            palette = presets(spread)[stream.below(PRESETS)];
        };
        match mode {
            Mode::ColorEasy => colours(Spread::Easy),
            Mode::ColorHard => colours(Spread::Hard),
            Mode::Train | Mode::VideoEasy | Mode::VideoHard => {}
        }
        let mut look = Look {
            palette,
            backdrop: Backdrop::Sky(palette.sky),
            floor_covered: mode == Mode::VideoHard,
            shadows: mode != Mode::VideoHard,
            time: 0.0,
        };
        if mode.is_video() {
            let mut stream = Stream::new(seed, env, episode, Purpose::Background);
            if clips.is_empty() {
                look.backdrop = Backdrop::Procedural {
                    kind: kind_of(stream.bits()),
                    seed: stream.bits(),
                };
                look.time = stream.below(512) as f32 + step as f32;
            } else {
                let clip = stream.below(clips.len());
                let start: u32 = clips[..clip].iter().sum();
                let within = (step % u64::from(clips[clip].max(1))) as u32;
                look.backdrop = Backdrop::Picture(start + within);
            }
        }
        look
    }
}
