//! The wrappers of Atari games (SPEC.md D.7), told from what they ask of an emulator that
//! stands in for the real one, and from what they make of its screens.

use std::ops::RangeInclusive;

use foveate::envs::{Transition, bridge::BridgeOptions};
use tempfile::TempDir;

use super::support::{SIZE, open, python_with, reset_all};
use crate::skip::skipped_suite;

/// Games that write down what they are asked and never end. Each UP scores 3, each RIGHT
/// loses a life. What screens show is the twin of [`shown`].
const EMULATOR: [(&str, &str); 2] = [
    (
        "ale_py-1.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: ale-py\nVersion: 1\n",
    ),
    (
        "ale_py/__init__.py",
        r#"
import enum
import numpy as np

class Action(enum.Enum):
    NOOP, FIRE, UP, RIGHT = range(4)
class LoggerMode(enum.Enum):
    Error = 2

GAMES = {
    "gun": [Action.NOOP, Action.FIRE, Action.UP, Action.RIGHT],
    "lone_gun": [Action.NOOP, Action.FIRE],
    "no_gun": [Action.NOOP, Action.UP, Action.RIGHT],
    "noise": [Action.NOOP, Action.UP],
}
NOISE = np.random.RandomState(1).randint(0, 256, (210, 160, 3)).astype(np.uint8)

class roms:
    def get_all_rom_ids(): return list(GAMES)
    def get_rom_path(rom): return rom

def asked(what):
    with open("DIR/asked", "a") as f:
        f.write(what + "\n")

class ALEInterface:
    def __init__(self): self.settings = {}
    def setLoggerMode(self, mode): pass
    def setInt(self, name, value): self.settings[name] = value
    def setFloat(self, name, value): self.settings[name] = value
    def loadROM(self, rom):
        # No action is held longer than it is asked for; half an hour of play.
        assert self.settings["repeat_action_probability"] == 0
        assert self.settings["max_num_frames_per_episode"] == 108_000
        self.rom = rom
    def getMinimalActionSet(self): return GAMES[self.rom]
    def reset_game(self):
        asked("reset")
        self.frame, self.left = 0, 100
    def act(self, action):
        asked(action.name)
        self.frame += 1
        self.left -= action is Action.RIGHT
        return 3 * (action is Action.UP)
    def lives(self): return self.left
    def game_over(self, with_truncation=True): return False
    def game_truncated(self): return False
    def getScreenRGB(self):
        if self.rom == "noise":
            return NOISE
        screen, odd = np.zeros((210, 160, 3), np.uint8), self.frame % 2
        screen[:70, 80 * odd:80 * odd + 80] = [(170, 90, 60), (20, 200, 80)][odd]
        screen[70:140] = [(200, 0, 50), (0, 100, 60)][odd]
        screen[140:] = 255 - self.frame
        return screen
"#,
    ),
];

/// What a screen shows in each of its thirds, from the top, on the left or the right. In
/// the first, even and odd frames light one half each; in the second, other channels. The
/// last grows darker with every frame: what it shows of several is the earliest of them.
fn shown(frame: usize, third: usize, left: bool) -> [u32; 3] {
    let even = frame.is_multiple_of(2);
    match (third, even) {
        (0, true) if left => [170, 90, 60],
        (0, false) if !left => [20, 200, 80],
        (0, _) => [0; 3],
        (1, true) => [200, 0, 50],
        (1, false) => [0, 100, 60],
        _ => [255 - frame as u32; 3],
    }
}

/// The picture of these frames together: OpenCV's grey of the largest value of each channel.
fn picture(frames: RangeInclusive<usize>) -> Vec<u8> {
    let grey = |third: usize, left: bool| {
        let mut most = [0; 3];
        for frame in frames.clone() {
            let seen = shown(frame, third, left);
            most = std::array::from_fn(|c| seen[c].max(most[c]));
        }
        let [r, g, b] = most;
        ((9798 * r + 19235 * g + 3735 * b + (1 << 14)) >> 15) as u8
    };
    let plane: Vec<u8> = (0..SIZE * SIZE)
        .map(|at| grey(at / SIZE / (SIZE / 3), at % SIZE < SIZE / 2))
        .collect();
    plane.repeat(3)
}

fn game(games: &TempDir, name: &str) -> BridgeOptions {
    BridgeOptions {
        python: Some(games.path().join("python")),
        ..BridgeOptions::new(format!("ale/{name}"))
    }
}

/// What was asked of the emulator since the last time, each with how often in a row.
fn asked(games: &TempDir) -> Vec<(String, usize)> {
    let path = games.path().join("asked");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let mut runs: Vec<(String, usize)> = vec![];
    for what in text.lines() {
        match runs.last_mut() {
            Some((last, count)) if *last == what => *count += 1,
            _ => runs.push((what.to_string(), 1)),
        }
    }
    runs
}

fn runs(of: &[(&str, usize)]) -> Vec<(String, usize)> {
    of.iter().map(|(what, n)| (what.to_string(), *n)).collect()
}

/// How many frames there have been since a game began.
fn age(asked: &[(String, usize)]) -> usize {
    let since = asked.iter().rev().take_while(|(what, _)| what != "reset");
    since.map(|(_, count)| count).sum()
}

#[test]
fn games_begin_with_no_ops_and_are_fired_up() {
    let Some(games) = python_with(&EMULATOR) else {
        return;
    };
    // The no-ops of so many games.
    let begun = |seed, action_repeat, count: usize| -> Option<Vec<usize>> {
        let mut bridge = open(BridgeOptions {
            seed,
            action_repeat,
            ..game(&games, "Gun")
        })?;
        let held = bridge.spec().action_repeat;
        let noops = (0..count).map(|_| {
            reset_all(&mut bridge);
            let asked = asked(&games);
            let noops = asked[1].1;
            let expected = [("reset", 1), ("NOOP", noops), ("FIRE", held), ("UP", held)];
            assert_eq!(asked, runs(&expected));
            noops
        });
        Some(noops.collect())
    };
    let Some(noops) = begun(1, None, 25) else {
        return;
    };
    let ends = (noops.iter().min(), noops.iter().max());
    assert_eq!(ends, (Some(&1), Some(&30)), "{noops:?}");
    // A seed decides them, however long actions are held.
    assert_eq!(begun(1, Some(2), 10).unwrap(), noops[..10]);
    assert_ne!(begun(2, None, 10).unwrap(), noops[..10]);

    // Nothing to fire with, or nothing after it.
    for (name, fired) in [("NoGun", None), ("LoneGun", Some(("FIRE", 4)))] {
        let mut bridge = open(game(&games, name)).unwrap();
        reset_all(&mut bridge);
        let asked = asked(&games);
        let begin = [("reset", 1), ("NOOP", asked[1].1)];
        let expected: Vec<_> = begin.into_iter().chain(fired).collect();
        assert_eq!(asked, runs(&expected), "{name}");
    }
}

#[test]
fn a_picture_is_what_the_last_two_screens_show_together() {
    let Some(games) = python_with(&EMULATOR) else {
        return;
    };
    let mut outcome = [Transition::default()];
    for action_repeat in [None, Some(3)] {
        let Some(mut bridge) = open(BridgeOptions {
            action_repeat,
            ..game(&games, "Gun")
        }) else {
            return;
        };
        reset_all(&mut bridge);
        let mut age = age(&asked(&games));
        assert!(bridge.frames() == picture(age - 1..=age), "after a reset");
        for step in 1..=5 {
            bridge.step(&[0.0], &mut outcome).unwrap();
            age += bridge.spec().action_repeat;
            let right = bridge.frames() == picture(age - 1..=age);
            assert!(right, "step {step}, held {action_repeat:?}");
        }
    }

    // After no-ops alone only one screen has been looked at.
    let mut bridge = open(game(&games, "NoGun")).unwrap();
    reset_all(&mut bridge);
    let age = age(&asked(&games));
    assert!(bridge.frames() == picture(age..=age), "after no-ops");
}

/// While it trains a lost life ends the episode and not the game; judged, the game goes on
/// within the step. Either way the next life is fired up, after one action of nothing.
#[test]
fn the_next_life_is_in_the_same_game() {
    let Some(games) = python_with(&EMULATOR) else {
        return;
    };
    let [nothing, up, right] = [0.0, 2.0, 3.0];
    let mut outcome = [Transition::default()];
    let begin = [("NOOP", 4), ("FIRE", 4), ("UP", 4)];

    let Some(mut bridge) = open(game(&games, "Gun")) else {
        return;
    };
    reset_all(&mut bridge);
    asked(&games);
    bridge.step(&[up], &mut outcome).unwrap();
    assert_eq!((outcome[0].reward, outcome[0].terminated), (1.0, false));
    assert_eq!(bridge.outcomes()[0].score, 12.0);
    bridge.step(&[right], &mut outcome).unwrap();
    assert!(outcome[0].terminated && !outcome[0].truncated);
    assert_eq!(asked(&games), runs(&[("UP", 4), ("RIGHT", 4)]));
    reset_all(&mut bridge);
    assert_eq!(asked(&games), runs(&begin));
    // An episode that is broken off is not gone on with.
    bridge.step(&[nothing], &mut outcome).unwrap();
    assert!(!outcome[0].terminated);
    reset_all(&mut bridge);
    assert_eq!(asked(&games)[..2], runs(&[("NOOP", 4), ("reset", 1)]));

    let mut judged = open(BridgeOptions {
        evaluation: true,
        ..game(&games, "Gun")
    })
    .unwrap();
    reset_all(&mut judged);
    asked(&games);
    judged.step(&[right], &mut outcome).unwrap();
    let expected = [&[("RIGHT", 4)][..], &begin].concat();
    assert_eq!(asked(&games), runs(&expected));
    assert_eq!((outcome[0].reward, outcome[0].terminated), (12.0, false));
    reset_all(&mut judged);
    assert_eq!(asked(&games)[0].0, "reset");
}

/// By a value at most, where the mean lies halfway between two: in 1 of 200 pixels.
#[test]
fn pictures_are_made_grey_and_small_as_by_opencv() {
    let Some(games) = python_with(&EMULATOR) else {
        return;
    };
    let Some(mut bridge) = open(game(&games, "Noise")) else {
        return;
    };
    let script = "import ale_py, cv2, sys\n\
        grey = cv2.cvtColor(ale_py.NOISE, cv2.COLOR_RGB2GRAY)\n\
        small = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)\n\
        sys.stdout.buffer.write(small.tobytes())";
    let ran = std::process::Command::new(games.path().join("python"))
        .args(["-c", script])
        .output();
    let Some(ran) = ran.ok().filter(|ran| ran.status.success()) else {
        skipped_suite("no OpenCV");
        return;
    };
    reset_all(&mut bridge);
    assert_eq!(ran.stdout.len(), SIZE * SIZE);
    let pairs = bridge.frames().iter().zip(&ran.stdout);
    let apart: Vec<u8> = pairs.map(|(ours, cv)| ours.abs_diff(*cv)).collect();
    assert!(apart.iter().all(|by| *by <= 1), "{:?}", apart.iter().max());
    let other = apart.iter().filter(|by| **by > 0).count();
    assert!(other < SIZE * SIZE / 100, "{other} pixels");
}
