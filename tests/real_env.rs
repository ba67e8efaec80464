//! The real suites, where `make real-envs` has been run. Elsewhere every test here says
//! that it was skipped.

use foveate::envs::native::Mode;
use foveate::envs::{
    Transition,
    bridge::{Bridge, BridgeError, BridgeOptions, VideoDecoder, interpreter},
};
use foveate::media::Rgb8;
use foveate::media::image_file::resize_bilinear;

const SIZE: usize = 84;
const FRAME: usize = 3 * SIZE * SIZE;

/// `None` when there is no Python environment for real suites on this machine.
fn open(options: BridgeOptions) -> Option<Bridge> {
    match Bridge::open(options) {
        Ok(bridge) => Some(bridge),
        Err(e @ (BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. })) => {
            skip(&e.to_string());
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// Says that a test finds nothing to test. Where `make real-envs` has just succeeded that
/// is a failure (`.ci/run` says so).
fn skip(why: &str) {
    let required = std::env::var_os("FOVEATE_REQUIRE_REAL_ENVS").is_some();
    assert!(!required, "the real environments are there, and yet: {why}");
    eprintln!("skipped: {why}");
}

/// The Python of real suites with these modules before its own.
fn python_with(modules: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    for (name, text) in modules {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text.replace("DIR", &path)).unwrap();
    }
    let python = interpreter(None);
    let python = match python.components().count() {
        1 => python,
        _ => std::path::absolute(python).unwrap(),
    };
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{path}' exec '{}' \"$@\"\n",
        python.display()
    );
    std::fs::write(dir.path().join("script"), script).unwrap();
    // Copied by another process: a program that this one has open for writing while a
    // second test forks could not be started.
    let status = std::process::Command::new("install")
        .args(["-m", "755", "script", "python"])
        .current_dir(dir.path())
        .status();
    assert!(status.unwrap().success());
    dir
}

fn cartpole(n: usize, seed: u64) -> BridgeOptions {
    BridgeOptions {
        n,
        seed,
        ..BridgeOptions::new("dm_control/cartpole-swingup")
    }
}

fn reset_all(bridge: &mut Bridge) {
    let size = bridge.spec().image_size;
    let mut frame = vec![0; 3 * size * size];
    for index in 0..bridge.n() {
        bridge.reset(index, &mut frame).unwrap();
    }
}

/// What steps answered, and the frames after each.
type Played = Vec<(Vec<Transition>, Vec<u8>)>;

/// `count` actions' worth of what can be seen: outcomes and frames.
fn play(bridge: &mut Bridge, from: usize, count: usize) -> Played {
    let width = bridge.n() * bridge.spec().action_dim;
    (from..from + count)
        .map(|t| {
            let actions: Vec<f32> = (0..width)
                .map(|i| match bridge.spec().discrete_actions {
                    Some(count) => ((t * 7 + i * 3) / 5 % count) as f32,
                    None => ((t * 7 + i * 3) as f32 * 0.37).sin(),
                })
                .collect();
            let mut outcomes = vec![Transition::default(); bridge.n()];
            bridge.step(&actions, &mut outcomes).unwrap();
            (outcomes, bridge.frames().to_vec())
        })
        .collect()
}

#[test]
fn cartpole_is_what_the_benchmark_says() {
    // Opened by a thread that ends: the worker belongs to the bridge, not to it.
    let opener = std::thread::spawn(|| open(cartpole(1, 1)));
    let Some(mut bridge) = opener.join().unwrap() else {
        return;
    };
    let spec = bridge.spec().clone();
    assert_eq!(spec.id, "dm_control/cartpole-swingup");
    assert_eq!(
        (
            spec.image_size,
            spec.action_dim,
            spec.episode_steps,
            spec.action_repeat
        ),
        (84, 1, 125, 8)
    );
    assert_eq!(bridge.versions()["mujoco"], "3.3.0");

    // Planes of a picture whose upper half is bluish sky: blue above red there.
    let mut frame = vec![0; FRAME];
    bridge.reset(0, &mut frame).unwrap();
    assert_eq!(frame, bridge.frames());
    let plane = |c: usize| -> u64 {
        let sky = &frame[c * SIZE * SIZE..][..10 * SIZE];
        sky.iter().map(|&v| u64::from(v)).sum()
    };
    assert!(plane(2) > plane(0), "blue {} red {}", plane(2), plane(0));

    // A whole episode: truncated at its last step and never terminated; every
    // reward is a sum of eight in [0, 1], and the hanging start earns little.
    let episode = play(&mut bridge, 0, 125);
    for (t, (outcome, _)) in episode.iter().enumerate() {
        assert!((0.0..=8.0).contains(&outcome[0].reward), "{:?}", outcome[0]);
        assert!(!outcome[0].terminated);
        assert_eq!(outcome[0].truncated, t == 124);
    }
    assert!(episode[0].0[0].reward < 0.5);
    assert_ne!(episode[0].1, episode[60].1, "the picture moves");

    // Beyond the end a reset is due; the refusal leaves the bridge usable.
    let mut outcome = [Transition::default()];
    let error = bridge.step(&[0.0], &mut outcome).unwrap_err();
    assert!(error.to_string().contains("without a reset"), "{error}");
    bridge.reset(0, &mut frame).unwrap();
    bridge.step(&[0.0], &mut outcome).unwrap();

    let wrong = bridge.step(&[0.0, 0.0], &mut outcome).unwrap_err();
    assert!(matches!(
        wrong,
        BridgeError::WrongLength {
            given: 2,
            expected: 1,
            ..
        }
    ));
    bridge.close().unwrap();
}

#[test]
fn a_seed_fixes_everything_and_environments_differ() {
    let (Some(mut a), Some(mut b)) = (open(cartpole(2, 5)), open(cartpole(2, 5))) else {
        return;
    };
    reset_all(&mut a);
    reset_all(&mut b);
    assert_eq!(a.save().unwrap(), b.save().unwrap());
    let played = play(&mut a, 0, 10);
    assert_eq!(played, play(&mut b, 0, 10));
    assert_ne!(
        played[9].0[0].reward, played[9].0[1].reward,
        "two starts, two trajectories"
    );

    let Some(mut other) = open(cartpole(2, 6)) else {
        return;
    };
    reset_all(&mut other);
    assert_ne!(played, play(&mut other, 0, 10));
}

/// Tasks that between them exercise what a state has to hold: plain physics, a
/// random state mid-stream, contacts with warm start, and a model that the task
/// rewrites at every reset.
#[test]
fn a_restored_state_continues_with_the_same_bits() {
    for (id, n) in [
        ("dm_control/cartpole-swingup", 2),
        ("dm_control/walker-walk", 1),
        ("dm_control/finger-spin", 1),
        ("dm_control/reacher-easy", 1),
    ] {
        let options = |seed| BridgeOptions {
            n,
            seed,
            ..BridgeOptions::new(id)
        };
        let Some(mut bridge) = open(options(3)) else {
            return;
        };
        reset_all(&mut bridge);
        play(&mut bridge, 0, 12);
        let state = bridge.save().unwrap();
        let seen = bridge.frames().to_vec();
        let future = |bridge: &mut Bridge| {
            let mut future = play(bridge, 12, 12);
            // Resets draw from the restored random state.
            reset_all(bridge);
            future.push((Vec::new(), bridge.frames().to_vec()));
            future.extend(play(bridge, 24, 4));
            future
        };
        let expected = future(&mut bridge);

        bridge.restore(&state).unwrap();
        assert!(bridge.frames() == seen, "{id}: the picture at the save");
        assert!(
            future(&mut bridge) == expected,
            "{id}: in the same process, the model changed meanwhile"
        );

        // In a new process, with another seed.
        let Some(mut fresh) = open(options(99)) else {
            return;
        };
        fresh.restore(&state).unwrap();
        assert!(fresh.frames() == seen, "{id}: the picture in a new process");
        assert!(future(&mut fresh) == expected, "{id}: in a new process");

        // What does not belong here is refused, and nothing is lost by asking.
        for wrong in [&state[..state.len() / 2], b"{}", b"\xff\x00"] {
            let error = fresh.restore(wrong).unwrap_err();
            assert!(matches!(error, BridgeError::State { .. }), "{error}");
        }
        play(&mut fresh, 28, 1);
    }
}

#[test]
fn the_step_limit_survives_a_restore() {
    let options = || BridgeOptions {
        action_repeat: Some(334),
        ..cartpole(1, 1)
    };
    let Some(mut bridge) = open(options()) else {
        return;
    };
    // 1,000 control steps, rounded up to whole agent steps.
    assert_eq!(bridge.spec().episode_steps, 3);
    reset_all(&mut bridge);
    play(&mut bridge, 0, 2);
    let state = bridge.save().unwrap();
    drop(bridge);
    let Some(mut bridge) = open(options()) else {
        return;
    };
    bridge.restore(&state).unwrap();
    let last = play(&mut bridge, 2, 1);
    assert!(last[0].0[0].truncated && !last[0].0[0].terminated);
    // The state of an ended episode says so too.
    let ended = bridge.save().unwrap();
    bridge.restore(&ended).unwrap();
    let mut outcome = [Transition::default()];
    assert!(bridge.step(&[0.0], &mut outcome).is_err());
}

#[test]
fn unknown_tasks_name_the_nearest() {
    for (given, nearest) in [
        (
            "dm_control/cartpole-swingupp",
            "dm_control/cartpole-swingup",
        ),
        ("dm_control/walker_walk", "dm_control/walker-walk"),
        ("dm_contol/cartpole-swingup", "dm_control/cartpole-swingup"),
    ] {
        match Bridge::open(BridgeOptions::new(given)) {
            Err(BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. }) => {
                skip("no Python environment for real suites");
                return;
            }
            Err(e @ BridgeError::UnknownEnvironment { .. }) => {
                assert!(e.is_user_mistake());
                let text = e.to_string();
                assert!(
                    text.contains(&format!("did you mean '{nearest}'")),
                    "{text}"
                );
                assert!(text.contains(&format!("'{given}'")), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A state of every other suite, with two environments, in the same process and in a new
/// one with another seed.
#[test]
fn other_suites_continue_with_the_same_bits_too() {
    for id in [
        "ale/MsPacman",
        "ale/Breakout",
        "metaworld/reach-v3",
        "gym/Hopper-v5",
        "gym/CartPole-v1",
    ] {
        let options = |seed| BridgeOptions {
            n: 2,
            image_size: 64,
            seed,
            ..BridgeOptions::new(id)
        };
        let Some(mut bridge) = open(options(3)) else {
            continue;
        };
        reset_all(&mut bridge);
        let firsts = bridge.frames().to_vec();
        let (a, b) = firsts.split_at(firsts.len() / 2);
        assert!(id.starts_with("ale/") || a != b, "{id}: two seeds");
        play(&mut bridge, 0, 3);
        let state = bridge.save().unwrap();
        let expected = play(&mut bridge, 3, 3);
        bridge.restore(&state).unwrap();
        assert_eq!(bridge.broken_off(), [false, false], "{id}");
        assert!(
            play(&mut bridge, 3, 3) == expected,
            "{id}: in the same process"
        );
        reset_all(&mut bridge);
        let next = bridge.frames().to_vec();

        let Some(mut fresh) = open(options(99)) else {
            continue;
        };
        fresh.restore(&state).unwrap();
        assert!(play(&mut fresh, 3, 3) == expected, "{id}: in a new process");
        reset_all(&mut fresh);
        assert!(fresh.frames() == next, "{id}: and the episode after it");
    }
}

/// SPEC.md D.7: while it trains a lost life ends the episode and rewards are signs; an
/// evaluation plays on for the score.
#[test]
fn atari_lives_and_rewards_are_those_of_the_paper() {
    let game = |evaluation| BridgeOptions {
        evaluation,
        ..BridgeOptions::new("ale/MsPacman")
    };
    let (Some(mut bridge), Some(mut judged)) = (open(game(false)), open(game(true))) else {
        return;
    };
    let spec = bridge.spec().clone();
    assert_eq!((spec.discrete_actions, spec.action_dim), (Some(9), 1));
    assert_eq!((spec.action_repeat, spec.episode_steps), (4, 27_000));
    let mut outcome = [Transition::default()];
    let (mut lives, mut whole) = (vec![], 0.0);
    reset_all(&mut bridge);
    reset_all(&mut judged);
    let mut scores = 0.0;
    while lives.len() < 3 {
        bridge.step(&[0.0], &mut outcome).unwrap();
        let score = bridge.outcomes()[0].score;
        assert_eq!(outcome[0].reward, score.signum() * f32::from(score != 0.0));
        scores += score;
        if outcome[0].terminated {
            lives.push(scores);
            reset_all(&mut bridge);
        }
        assert!(!outcome[0].truncated);
    }
    loop {
        judged.step(&[0.0], &mut outcome).unwrap();
        assert_eq!(outcome[0].reward, judged.outcomes()[0].score);
        whole += outcome[0].reward;
        if outcome[0].terminated {
            break;
        }
    }
    // Three lives, one game, from the same seed.
    assert_eq!(whole, scores, "{lives:?}");
    let error = bridge.step(&[9.0], &mut outcome).unwrap_err();
    assert!(
        matches!(error, BridgeError::NoSuchAction { count: 9, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("0, 1, … 8"), "{error}");
    // Grey: three planes that are one.
    let planes = bridge.frames().chunks_exact(SIZE * SIZE);
    assert!(
        planes
            .clone()
            .all(|plane| plane == &bridge.frames()[..SIZE * SIZE])
    );
}

/// An agent that chooses trains on a game and goes on to the same bits as if nobody had
/// stopped it; one that acts by numbers is refused.
#[test]
fn an_agent_that_chooses_plays_atari() {
    if open(BridgeOptions::new("ale/Pong")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let train = |run: &str, more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_foveate"))
            .env(
                "FOVEATE_CACHE",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache-real"),
            )
            .args(["train", "--quiet", "--run"])
            .arg(folder.path().join(run))
            .args(more)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let game = "--env=ale/Pong";
    let small = [
        "--agent=sgqn-dqn",
        game,
        "--preset=tiny",
        "--set=batch=4",
        "--set=num_filters=4",
        "--set=hidden_dim=8",
        "--set=decoder_channels=[4,4]",
        "--set=overlay_pictures=2",
        "--set=init_steps=10",
        "--set=epsilon_decay_steps=10",
        "--set=checkpoint_freq=10",
        "--set=eval_episodes=1",
        "--steps=20",
    ];
    let last = |run: &str| {
        let entries = std::fs::read_dir(folder.path().join(run).join("checkpoints"));
        let files = entries.unwrap().flatten().map(|e| e.path());
        std::fs::read(files.max().unwrap()).unwrap()
    };
    for (run, more) in [
        ("stopped", &small[..]),
        ("stopped", &["--resume", "--steps=30"]),
        ("whole", &[&small[..12], &["--steps=30"]].concat()),
    ] {
        let (code, said) = train(run, more);
        assert_eq!(code, Some(0), "{said}");
    }
    assert!(last("stopped") == last("whole"));
    let (code, said) = train("refused", &["--agent=sgqn", game]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("6 discrete ones"), "{said}");
    assert!(said.contains("dqn or sgqn-dqn"), "{said}");
}

#[test]
fn what_foveate_cannot_use_is_refused_with_the_reason() {
    for (id, says) in [
        ("ale/Pongg", "did you mean 'ale/Pong'"),
        ("gym/CartPoll-v1", "did you mean 'gym/CartPole-v1'"),
        ("metaworld/reach-v2", "did you mean 'metaworld/reach-v3'"),
        ("gym/Blackjack-v1", "'gym/Blackjack-v1'"),
    ] {
        match Bridge::open(BridgeOptions::new(id)) {
            Err(BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. }) => {
                skip(&format!("no Python environment for {id}"));
            }
            Err(error) => assert!(error.to_string().contains(says), "{error}"),
            // Blackjack shows a picture and has a choice: nothing is wrong with it.
            Ok(bridge) => assert_eq!(bridge.spec().discrete_actions, Some(2)),
        }
    }
}

/// SPEC.md F.1: physics is the same in every look; colours change with the episode, sky
/// and floor become green.
#[test]
fn looks_change_pictures_and_nothing_else() {
    let looked = |mode| {
        open(BridgeOptions {
            mode,
            ..BridgeOptions::new("dm_control/walker-walk")
        })
    };
    let mut seen: Vec<(Played, Vec<u8>)> = vec![];
    for mode in Mode::ALL {
        let Some(mut bridge) = looked(mode) else {
            return;
        };
        reset_all(&mut bridge);
        let first = bridge.frames().to_vec();
        let played = play(&mut bridge, 0, 2);
        if matches!(mode, Mode::ColorEasy | Mode::ColorHard) {
            // A state brings the colours of its episode back, and of those after it.
            let state = bridge.save().unwrap();
            reset_all(&mut bridge);
            let next = bridge.frames().to_vec();
            let sky = |frame: &[u8]| [0, 1, 2].map(|c| frame[c * SIZE * SIZE]);
            assert_ne!(sky(&next), sky(&first), "{mode}: other colours");
            let mut fresh = looked(mode).unwrap();
            fresh.restore(&state).unwrap();
            assert!(fresh.frames() == played[1].1, "{mode}");
            reset_all(&mut fresh);
            assert!(fresh.frames() == next, "{mode}");
        }
        seen.push((played, first));
    }
    for (i, (played, first)) in seen.iter().enumerate() {
        let rewards =
            |p: &Played| -> Vec<Transition> { p.iter().flat_map(|(t, _)| t.clone()).collect() };
        assert_eq!(rewards(played), rewards(&seen[0].0));
        for (_, other) in &seen[..i] {
            assert_ne!(first, other, "{}", Mode::ALL[i]);
        }
    }
    // The floor, which fills the lowest rows, is as green in the hard mode alone.
    let green_floor = |i: usize| {
        let plane = |c: usize| &seen[i].1[(c + 1) * SIZE * SIZE - 3 * SIZE..][..3 * SIZE];
        let rgb = plane(0).iter().zip(plane(1)).zip(plane(2));
        rgb.filter(|((r, g), b)| u16::from(**g) > 2 * u16::from(**r.max(b)))
            .count()
    };
    assert_eq!((green_floor(3), green_floor(4)), (0, 3 * SIZE));
    // (.2, .8, .2) of 255, all over the sky.
    let sky = |i: usize, c: usize| seen[i].1[c * SIZE * SIZE..][..3 * SIZE].to_vec();
    for (c, value) in [51, 204, 51].into_iter().enumerate() {
        assert_eq!(
            [sky(3, c), sky(4, c)],
            [vec![value; 3 * SIZE], vec![value; 3 * SIZE]]
        );
    }
}

/// Written by OpenCV itself: what is decoded is what was encoded, resized as the
/// benchmark does it, and what is no video is said to be none.
#[test]
fn videos_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.avi");
    let python = interpreter(None);
    let script = "import cv2, numpy as np, sys\n\
        w = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*'MJPG'), 25, (32, 16))\n\
        assert w.isOpened()\n\
        for v in (200, 100, 40): w.write(np.full((16, 32, 3), (0, 0, v), np.uint8))\n\
        w.release()";
    let wrote = std::process::Command::new(&python)
        .args(["-c", script])
        .arg(&path)
        .output();
    if !wrote.is_ok_and(|out| out.status.success()) {
        skip(&format!("{} has no OpenCV", python.display()));
        return;
    }
    let mut decoder = VideoDecoder::new(None);
    let frames = decoder.decode(&path, 8).unwrap();
    let reds: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
    assert_eq!((frames.len(), frames[0].len()), (3, 3 * 8 * 8));
    for (red, right) in reds.iter().zip([200i32, 100, 40]) {
        assert!((i32::from(*red) - right).abs() < 8, "{reds:?}");
    }
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "not a video").unwrap();
    for bad in [&text, &folder.path().join("none.mp4")] {
        let error = decoder.decode(bad, 8).unwrap_err();
        assert!(error.is_user_mistake(), "{error}");
        assert!(error.to_string().contains(bad.to_str().unwrap()), "{error}");
    }
    // The process is none the worse for it.
    assert_eq!(decoder.decode(&path, 4).unwrap().len(), 3);
    assert_eq!(decoder.decode_first(&path, 4, Some(2)).unwrap().len(), 2);
}

/// Videos are resized in Python, GIFs here: to the same bytes, enlarged and shrunk.
#[test]
fn videos_are_resized_as_everything_else() {
    let script = "import sys, types\n\
        for name in ('messages', 'adapter', 'video'):\n\
        \x20   module = sys.modules['foveate_' + name] = types.ModuleType(name)\n\
        \x20   exec(open('%s/%s.py' % (sys.argv[1], name)).read(), module.__dict__)\n\
        import numpy as np\n\
        y, x = np.mgrid[:23, :37]\n\
        picture = np.stack([x * 7 % 256, y * 11 % 256, (x * y) % 256], -1).astype(np.uint8)\n\
        resized = module.bilinear(np, picture, int(sys.argv[2]))\n\
        sys.stdout.buffer.write(picture.tobytes() + resized.tobytes())";
    let worker = concat!(env!("CARGO_MANIFEST_DIR"), "/src/envs/bridge/worker");
    for size in [16, 40] {
        let ran = std::process::Command::new(interpreter(None))
            .args(["-c", script, worker, &size.to_string()])
            .output();
        let Some(ran) = ran.ok().filter(|ran| ran.status.success()) else {
            skip("no NumPy");
            return;
        };
        let (picture, resized) = ran.stdout.split_at(23 * 37 * 3);
        let picture = Rgb8::new(37, 23, picture.to_vec()).unwrap();
        let twin = resize_bilinear(&picture, size).unwrap();
        assert!(twin.data() == resized, "to {size}");
    }
}

/// Stand-ins for Meta-World and its renderer: what an adapter asks of them can be told, and
/// how often.
const METAWORLD: [(&str, &str); 3] = [
    ("metaworld/__init__.py", ""),
    (
        "metaworld/env_dict.py",
        r#"
import numpy as np

def count(what):
    with open("DIR/" + what, "a") as f:
        f.write(".")

class Camera:
    def __init__(self): self.pos = np.zeros(3)
class Model:
    def __init__(self): self.cameras = {"corner2": Camera(), "topview": Camera()}
    def camera(self, name): return self.cameras[name]
class Box:
    shape = (4,)
class Env:
    action_space = Box()
    def __init__(self): self.model, self.data = Model(), self
    def seed(self, seed): self.drawn_from = seed
    def reset(self):
        # Anew for each episode, from its seed, with the goal in sight.
        assert (self._freeze_rand_vec, self.seeded_rand_vec) == (False, True)
        assert (self._set_task_called, self._partially_observable) == (True, False)
        self.goal, self.t = self.drawn_from % 200, 0
    def step(self, action):
        assert action.shape == (4,) and abs(action).max() <= 1
        count("steps")
        self.t += 1
        return None, 0.5, False, False, {"success": float(self.t == 3)}
ALL_V3_ENVIRONMENTS = {"reach-v3": Env}
"#,
    ),
    (
        "mujoco.py",
        r#"
import numpy as np
from metaworld.env_dict import count

class Renderer:
    def __init__(self, model, height, width): self.model, self.shape = model, (height, width, 3)
    def update_scene(self, data, camera):
        assert camera == "corner2", camera
        assert tuple(self.model.camera(camera).pos) == (0.75, 0.075, 0.7)
        self.data = data
    def render(self):
        count("draws")
        picture = np.zeros(self.shape, np.uint8)
        picture[0, 1] = (255, self.data.t % 256, self.data.goal)
        return picture
"#,
    ),
];

/// SPEC.md F.3, told from what is asked of the suite.
#[test]
fn meta_world_is_seen_and_ends_as_the_paper_has_it() {
    let dir = python_with(&METAWORLD);
    let options = |action_repeat| BridgeOptions {
        image_size: 4,
        action_repeat,
        python: Some(dir.path().join("python")),
        ..BridgeOptions::new("metaworld/reach-v3")
    };
    let counted = |what| std::fs::read(dir.path().join(what)).map_or(0, |dots| dots.len());
    let Some(mut bridge) = open(options(None)) else {
        return;
    };
    let spec = bridge.spec().clone();
    assert_eq!(
        (spec.episode_steps, spec.action_repeat, spec.action_dim),
        (500, 1, 4)
    );
    reset_all(&mut bridge);
    // OpenGL's first row is the lowest; columns stay.
    let at = |frame: &[u8], c: usize| frame[c * 16 + 3 * 4 + 1];
    assert_eq!(at(bridge.frames(), 0), 255);
    let lit = bridge.frames().iter().filter(|v| **v == 255).count();
    assert_eq!(lit, 1);
    let goal = at(bridge.frames(), 2);
    let mut done = vec![];
    let mut outcome = [Transition::default()];
    let mut state = None;
    let half = 120;
    for t in 1..=500 {
        bridge.step(&[0.1; 4], &mut outcome).unwrap();
        assert_eq!(outcome[0].reward, 0.5);
        assert!(!outcome[0].terminated);
        assert_eq!(outcome[0].truncated, t == 500, "step {t}");
        done.push(bridge.outcomes()[0].success.unwrap());
        if t == half {
            state = Some((bridge.save().unwrap(), bridge.frames().to_vec()));
        }
    }
    assert_eq!(done.iter().position(|d| *d), Some(2));
    assert_eq!(done.iter().filter(|d| **d).count(), 1);
    let over = bridge.save().unwrap();
    let last = bridge.frames().to_vec();
    drop(bridge);

    // Played again without drawing but the last, and not at all where it is over.
    let (state, seen) = state.unwrap();
    let mut bridge = open(options(None)).unwrap();
    let before = (counted("steps"), counted("draws"));
    bridge.restore(&state).unwrap();
    assert_eq!(
        (bridge.frames(), bridge.broken_off()),
        (&seen[..], &[false][..])
    );
    assert_eq!(at(bridge.frames(), 2), goal);
    assert_eq!(
        (counted("steps"), counted("draws")),
        (before.0 + half, before.1 + 1)
    );
    bridge.restore(&over).unwrap();
    assert_eq!(
        (bridge.frames(), bridge.broken_off()),
        (&last[..], &[false][..])
    );
    assert_eq!(
        (counted("steps"), counted("draws")),
        (before.0 + half, before.1 + 1)
    );
    reset_all(&mut bridge);
    assert_ne!(at(bridge.frames(), 2), goal, "another goal");

    // Any control step of an agent step counts for success.
    let mut bridge = open(options(Some(2))).unwrap();
    assert_eq!(bridge.spec().episode_steps, 250);
    reset_all(&mut bridge);
    let done: Vec<bool> = (0..3)
        .map(|_| {
            bridge.step(&[0.1; 4], &mut outcome).unwrap();
            bridge.outcomes()[0].success.unwrap()
        })
        .collect();
    assert_eq!((done, outcome[0].reward), (vec![false, true, false], 1.0));
}

/// Observations that are pictures, channels first, of an environment whose constructor
/// knows nothing of rendering.
#[test]
fn observations_that_are_pictures_are_what_is_seen() {
    let pictures = r#"
import gymnasium, numpy as np

class Pictures(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 255, (3, 12, 8), np.uint8)
    action_space = gymnasium.spaces.Discrete(3, start=5)
    def __init__(self): self.t = 0
    def seen(self):
        picture = np.zeros((3, 12, 8), np.uint8)
        picture[0], picture[1, :, 4:], picture[2, :6] = 10 * self.t, 200, 90
        return picture
    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.seen(), {}
    def step(self, action):
        self.t += 1
        return self.seen(), float(action), self.t == 3, False, {"is_success": self.t == 2}

class Blind(Pictures):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)

gymnasium.register("Pictures-v0", entry_point="pictures:Pictures")
gymnasium.register("Blind-v0", entry_point="pictures:Blind")
"#;
    let dir = python_with(&[("pictures.py", pictures)]);
    let options = |id: &str| BridgeOptions {
        image_size: 4,
        python: Some(dir.path().join("python")),
        ..BridgeOptions::new(id)
    };
    let Some(mut bridge) = open(options("gym/pictures:Pictures-v0")) else {
        return;
    };
    assert_eq!(bridge.spec().discrete_actions, Some(3));
    reset_all(&mut bridge);
    let mut outcome = [Transition::default()];
    for t in 0..=3u8 {
        let red = vec![10 * t; 16];
        let green = [0, 0, 200, 200].repeat(4);
        let blue = [vec![90; 8], vec![0; 8]].concat();
        assert_eq!(bridge.frames(), [red, green, blue].concat(), "step {t}");
        if t < 3 {
            bridge.step(&[1.0], &mut outcome).unwrap();
            assert_eq!((outcome[0].reward, outcome[0].terminated), (6.0, t == 2));
            assert_eq!(bridge.outcomes()[0].success, Some(t == 1));
        }
    }
    let error = Bridge::open(options("gym/pictures:Blind-v0")).unwrap_err();
    assert!(matches!(error, BridgeError::Unsuitable { .. }), "{error:?}");
    assert!(error.to_string().contains("no pictures"), "{error}");
}

#[test]
#[ignore = "measures: cargo test --release --test real_env -- --ignored --nocapture rate"]
fn rate() {
    for id in ["cartpole-swingup", "walker-walk"] {
        let options = BridgeOptions::new(format!("dm_control/{id}"));
        let Some(mut bridge) = open(options) else {
            return;
        };
        reset_all(&mut bridge);
        play(&mut bridge, 0, 10);
        let start = std::time::Instant::now();
        play(&mut bridge, 10, 100);
        let rate = 100.0 / start.elapsed().as_secs_f64();
        println!("{id}: {rate:.0} agent steps/s of 84×84 frames");
    }
}
