//! Stand-ins for a suite: what an adapter asks of it can be told.

use foveate::envs::{
    Transition,
    bridge::{Bridge, BridgeError, BridgeOptions},
};

use super::support::{open, python_with, reset_all};

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
    let Some(dir) = python_with(&METAWORLD) else {
        return;
    };
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
    let Some(dir) = python_with(&[("pictures.py", pictures)]) else {
        return;
    };
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
