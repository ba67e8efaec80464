//! The video modes of the DMControl generalisation benchmark (SPEC.md F.1): what is green
//! in a frame is replaced by a moving picture.
//!
//! Each episode shows the clip after that of the episode before, beginning with the second
//! one of all; its clock counts agent steps since the reset. A frame is composed once, when
//! it is seen, so that every frame of a stack has its own background.

use super::{BridgeError, frame_bytes};
use crate::Error;
use crate::envs::EnvError;
use crate::envs::backgrounds::{Backgrounds, Clip};

/// What a saved state begins with in a video mode.
const MAGIC: &[u8; 4] = b"FOVG";
/// Bytes of one environment in it: clip and step, u64 each.
const EACH: usize = 16;

/// Backgrounds behind a group of environments.
#[derive(Debug)]
pub(super) struct GreenScreen {
    backgrounds: Backgrounds,
    shown: Vec<Shown>,
    /// u8[n][3][size][size], green replaced.
    frames: Vec<u8>,
    /// Scratch: one moment of a clip.
    behind: Vec<u8>,
}

/// What stands behind one environment.
#[derive(Debug, Default)]
struct Shown {
    index: u64,
    step: u64,
    clip: Option<Clip>,
}

impl GreenScreen {
    /// Backgrounds for `n` environments with frames of `size`. All are looked at and the
    /// first that will be seen is loaded, so that what is wrong with one is said now and
    /// not in the middle of an evaluation.
    ///
    /// # Errors
    /// Those of [`Backgrounds::load`].
    pub fn new(mut backgrounds: Backgrounds, n: usize, size: usize) -> Result<GreenScreen, Error> {
        backgrounds.check()?;
        let mut screen = GreenScreen {
            backgrounds,
            shown: (0..n).map(|_| Shown::default()).collect(),
            frames: vec![0; n * frame_bytes(size)],
            behind: vec![0; frame_bytes(size)],
        };
        for env in 0..n {
            screen.show(env, 1)?;
            screen.shown[env].index = 0;
        }
        Ok(screen)
    }

    /// Puts clip `index` behind environment `env`.
    fn show(&mut self, env: usize, index: u64) -> Result<(), Error> {
        let index = index % self.backgrounds.count() as u64;
        let shown = &self.shown[env];
        if shown.clip.is_none() || shown.index != index || self.backgrounds.count() > 1 {
            self.shown[env].clip = Some(self.backgrounds.load(index as usize)?);
        }
        self.shown[env].index = index;
        Ok(())
    }

    /// A new episode: the next clip from its beginning.
    pub fn begin(&mut self, env: usize) -> Result<(), Error> {
        self.shown[env].step = 0;
        self.show(env, self.shown[env].index + 1)
    }

    /// An agent step later.
    pub fn advance(&mut self, env: usize) {
        self.shown[env].step += 1;
    }

    /// The frames with backgrounds in place of green.
    pub fn compose(&mut self, frames: &[u8]) -> &[u8] {
        self.frames.copy_from_slice(frames);
        let each = self.frames.chunks_exact_mut(self.behind.len());
        for (shown, frame) in self.shown.iter().zip(each) {
            if let Some(clip) = &shown.clip {
                clip.show(shown.step, &mut self.behind);
                key(frame, &self.behind);
            }
        }
        &self.frames
    }

    /// `state` with what stands behind in front of it.
    pub fn save(&self, state: Vec<u8>) -> Vec<u8> {
        let numbers = self.shown.iter().flat_map(|s| [s.index, s.step]);
        let numbers = numbers.flat_map(u64::to_le_bytes);
        MAGIC.iter().copied().chain(numbers).chain(state).collect()
    }

    /// Takes from what [`save`](Self::save) gave its own part; gives the rest.
    ///
    /// # Errors
    /// [`BridgeError::State`], and those of [`Backgrounds::load`].
    pub fn restore<'a>(&mut self, saved: &'a [u8]) -> Result<&'a [u8], Error> {
        let parts = (saved.strip_prefix(MAGIC))
            .and_then(|rest| rest.split_at_checked(EACH * self.shown.len()));
        let Some((own, rest)) = parts else {
            let reason = "it does not say which video was shown: it was not saved in a video mode";
            return Err(EnvError::from(BridgeError::State {
                reason: reason.into(),
            })
            .into());
        };
        let (own, _) = own.as_chunks::<EACH>();
        for (env, bytes) in own.iter().enumerate() {
            let number = |at: usize| {
                bytes[at..at + 8]
                    .iter()
                    .rev()
                    .fold(0, |n, b| n << 8 | u64::from(*b))
            };
            self.show(env, number(0))?;
            self.shown[env].step = number(8);
        }
        Ok(rest)
    }
}

/// Replaces the pixels of `frame` that are green by those of `behind`; both
/// u8[3, size, size].
fn key(frame: &mut [u8], behind: &[u8]) {
    let plane = frame.len() / 3;
    for at in 0..plane {
        let pixel = [0, 1, 2].map(|c| frame[c * plane + at]);
        if is_green(pixel) {
            for c in 0..3 {
                frame[c * plane + at] = behind[c * plane + at];
            }
        }
    }
}

/// Whether a pixel belongs to the green screen: hue 100° to 185°, saturation at least
/// 80/255, value at least 70/255 (SPEC.md F.1).
fn is_green([r, g, b]: [u8; 3]) -> bool {
    let [r, g, b] = [r, g, b].map(|v| f64::from(v) / 255.0);
    let value = r.max(g).max(b);
    let spread = value - r.min(g).min(b);
    if spread == 0.0 || value * 255.0 < 70.0 || spread / value * 255.0 < 80.0 {
        return false;
    }
    // As Python's colorsys has it, in sixths of a circle; red's is neither here nor there.
    let hue = if r == value {
        return false;
    } else if g == value {
        2.0 + (b - r) / spread
    } else {
        4.0 + (r - g) / spread
    };
    (100.0..=185.0).contains(&(hue / 6.0 * 360.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::native::Mode;
    use crate::media::Rgb8;
    use crate::media::animation::{Loops, write_gif};

    /// Decided by Python's colorsys.
    #[test]
    fn green_is_what_the_benchmark_keys_out() {
        for (pixel, green) in [
            ([51, 204, 51], true),
            ([51, 200, 217], false),
            ([51, 204, 217], true),
            ([51, 204, 203], true),
            ([40, 100, 40], true),
            ([20, 69, 20], false),
            ([20, 71, 20], true),
            ([200, 255, 200], false),
            ([174, 255, 174], true),
            ([176, 255, 176], false),
            ([128, 255, 0], false),
            ([80, 255, 0], true),
            ([90, 255, 0], false),
            ([0, 0, 0], false),
            ([255, 255, 255], false),
            ([178, 128, 76], false),
            ([102, 153, 204], false),
            ([0, 230, 255], false),
            ([0, 254, 255], true),
        ] {
            assert_eq!(is_green(pixel), green, "{pixel:?}");
        }
    }

    #[test]
    fn a_clip_that_is_none_is_found_before_the_first_episode() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pictures = [0, 255].map(|v| Rgb8::filled(4, 4, [v; 3]).unwrap());
        for name in ["a.gif", "b.gif", "d.gif"] {
            write_gif(&path(name), &pictures, 100, Loops::Forever).unwrap();
        }
        let made = || {
            let backgrounds = Backgrounds::of_folder(folder.path(), 4, None).unwrap();
            GreenScreen::new(backgrounds, 1, 4)
        };
        made().unwrap();
        // Neither the first nor the second one.
        std::fs::write(path("d.gif"), "no GIF").unwrap();
        let error = made().unwrap_err().to_string();
        assert!(error.contains("d.gif"), "{error}");
    }

    #[test]
    fn each_episode_has_the_next_clip_from_its_beginning() {
        const SIZE: usize = 4;
        let backgrounds = || Backgrounds::procedural(Mode::VideoEasy, SIZE);
        let clips: Vec<Clip> = (0..10).map(|i| backgrounds().load(i).unwrap()).collect();
        let mut screen = GreenScreen::new(backgrounds(), 2, SIZE).unwrap();
        let green: Vec<u8> = [51, 204, 51]
            .iter()
            .flat_map(|&v| [v; SIZE * SIZE])
            .collect();
        // One pixel of the agent's own stays.
        let mut frame = green.clone();
        for (c, value) in [178, 128, 76].into_iter().enumerate() {
            frame[c * SIZE * SIZE + 5] = value;
        }
        let frames = [frame.clone(), frame].concat();
        let expected = |clip: usize, step: u64| {
            let mut behind = vec![0; 3 * SIZE * SIZE];
            clips[clip].show(step, &mut behind);
            for (c, value) in [178, 128, 76].into_iter().enumerate() {
                behind[c * SIZE * SIZE + 5] = value;
            }
            behind
        };
        for episode in 1..=12 {
            screen.begin(0).unwrap();
            for step in 0..3 {
                let seen = screen.compose(&frames)[..3 * SIZE * SIZE].to_vec();
                assert_eq!(
                    seen,
                    expected(episode % 10, step),
                    "episode {episode}, step {step}"
                );
                screen.advance(0);
            }
        }
        // The other environment keeps a clock of its own, and a state brings both back.
        screen.begin(1).unwrap();
        screen.advance(0);
        let seen = screen.compose(&frames).to_vec();
        assert_eq!(seen, [expected(2, 4), expected(1, 0)].concat());
        let saved = screen.save(b"{}".to_vec());
        let mut fresh = GreenScreen::new(backgrounds(), 2, SIZE).unwrap();
        assert_eq!(fresh.restore(&saved).unwrap(), b"{}");
        assert_eq!(fresh.compose(&frames), seen);
        fresh.begin(0).unwrap();
        assert_eq!(
            fresh.compose(&frames)[..3 * SIZE * SIZE],
            expected(3, 0)[..]
        );
        for wrong in [&b"{}"[..], &saved[..20]] {
            assert!(fresh.restore(wrong).is_err());
        }
    }
}
