//! The embedded worker, with Python packages made up here.

use std::{fs, process::Command};

use foveate::envs::bridge::{Bridge, BridgeError, BridgeOptions};
use tempfile::TempDir;

use crate::skip::skipped;

/// `python3` without its own packages, and with the modules given here.
pub fn python_with(modules: &[(&str, &str)]) -> Option<TempDir> {
    let found = Command::new("python3").arg("--version").output();
    if !found.is_ok_and(|out| out.status.success()) {
        skipped("there is no python3");
        return None;
    }
    let dir = TempDir::new().unwrap();
    let path = dir.path().display().to_string();
    for (name, text) in modules {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text.replace("DIR", &path)).unwrap();
    }
    let script = format!("#!/bin/sh\nPYTHONPATH='{path}' exec python3 -S \"$@\"\n");
    fs::write(dir.path().join("script"), script).unwrap();
    // Copied by another process: a program that this one has open for writing
    // while a second test forks could not be started.
    let status = Command::new("install")
        .args(["-m", "755", "script", "python"])
        .current_dir(dir.path())
        .status();
    assert!(status.unwrap().success());
    Some(dir)
}

fn open_with(dir: &TempDir) -> Result<Bridge, BridgeError> {
    Bridge::open(BridgeOptions {
        python: Some(dir.path().join("python")),
        ..BridgeOptions::new("dm_control/cartpole-swingup")
    })
}

/// Episodes that are saved by their actions: what is played again, and what is drawn.
#[test]
fn a_replay_is_drawn_once_and_what_has_ended_is_not_played_again() {
    let script = r#"
import sys, types
for name in ("messages", "adapter"):
    module = sys.modules["foveate_" + name] = types.ModuleType("foveate_" + name)
    with open("%s/%s.py" % (sys.argv[1], name)) as f:
        exec(f.read(), module.__dict__)
Step, Repeated = module.Step, module.Repeated

class Random:
    def __init__(self, words): self.word = words[-1]
    def randint(self, low, high): return 7 * self.word
class np:
    class random: RandomState = Random

class Counter(Repeated):
    def __init__(self):
        self.size, self.acted, self.drawn = 2, 0, 0
        self.prepare(np, {"seed": 5, "n": 1, "image_size": 2})
    def begin(self, index, seed): self.sum = seed
    def advance(self, index, action):
        self.acted += 1
        self.sum += action[0]
        return Step(action[0], self.sum > 100, False, None, action[0])
    def frame(self, index):
        self.drawn += 1
        return bytes([int(self.sum)]) * 12

old = Counter()
never = old.save(0)
assert Counter().restore(0, never) == (bytes(12), False)
assert old.reset(0) == bytes([7]) * 12
for _ in range(9):
    step = old.step(0, [10.0])
assert step.frame == bytes([97]) * 12 and old.drawn == 10
saved = old.save(0)
new = Counter()
assert new.restore(0, saved) == (bytes([97]) * 12, False)
assert (new.acted, new.drawn) == (9, 1), (new.acted, new.drawn)
assert new.step(0, [10.0]) == old.step(0, [10.0])
assert new.running == [False]
saved = new.save(0)
last = Counter()
assert last.restore(0, saved) == (bytes([107]) * 12, False)
assert (last.acted, last.drawn, last.running) == (0, 0, [False])
assert last.reset(0) == new.reset(0) == bytes([14]) * 12
# One that does not repeat itself is broken off.
saved = new.save(0)
saved["picture"] += 1
assert last.restore(0, saved)[1]
"#;
    let worker = concat!(env!("CARGO_MANIFEST_DIR"), "/src/envs/bridge/worker");
    let ran = Command::new("python3")
        .args(["-S", "-c", script, worker])
        .output();
    let Ok(ran) = ran else {
        skipped("there is no python3");
        return;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}

/// Gymnasium's own exception names no module: what it was raised from does.
#[test]
fn a_missing_module_is_named_however_it_is_told() {
    let gymnasium = r#"
class error:
    class Error(Exception): pass
    class UnregisteredEnv(Error): pass
    class DependencyNotInstalled(Error): pass
registry = {}
def make(name, **options):
    try:
        import pygame_of_dreams
    except ImportError as e:
        raise error.DependencyNotInstalled("pygame is not installed") from (e if "-v0" in name else None)
"#;
    let Some(dir) = python_with(&[NUMPY, ("gymnasium.py", gymnasium)]) else {
        return;
    };
    let open = |id: &str| {
        let options = BridgeOptions {
            python: Some(dir.path().join("python")),
            ..BridgeOptions::new(id)
        };
        Bridge::open(options).unwrap_err().to_string()
    };
    let named = open("gym/Dream-v0");
    assert!(
        named.contains("cannot import 'pygame_of_dreams': pygame is not installed"),
        "{named}"
    );
    assert!(!open("gym/Dream-v1").contains('?'));
}

pub const NUMPY: (&str, &str) = (
    "numpy.py",
    "class random:\n    class RandomState:\n        def __init__(self, seed): pass\n",
);

#[test]
fn the_embedded_worker_names_the_missing_module() {
    let Some(dir) = python_with(&[NUMPY]) else {
        return;
    };
    let error = open_with(&dir).unwrap_err();
    assert!(
        matches!(&error, BridgeError::ModuleMissing { module, .. } if module == "mujoco"),
        "{error:?}"
    );
    let python = dir.path().join("python").display().to_string();
    assert!(error.to_string().contains(&python), "{error}");
}

#[test]
fn stray_prints_do_no_harm_and_exceptions_come_with_their_traceback() {
    let suite = r#"
import os, sys
ALL_TASKS = (("cartpole", "swingup"),)
print("a stray print")
os.write(1, b"a stray write\n")
sys.__stdout__.write("a stray write to the original stdout\n"); sys.__stdout__.flush()
assert sys.stdin.read() == ""
def load(domain, task, task_kwargs):
    raise RuntimeError("no %s today" % domain)
"#;
    let modules = [
        NUMPY,
        ("mujoco.py", ""),
        ("dm_control/__init__.py", ""),
        ("dm_control/suite.py", suite),
    ];
    let Some(dir) = python_with(&modules) else {
        return;
    };
    let error = open_with(&dir).unwrap_err();
    assert!(
        matches!(error, BridgeError::WorkerRaised { during: "open", .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("RuntimeError: no cartpole today"), "{text}");
    assert!(
        text.contains("suite.py") && text.contains("foveate_suite_dm_control.py"),
        "{text}"
    );
    assert!(text.contains("suite.load("), "with source lines: {text}");
}

#[test]
fn an_interpreter_that_crashes_is_reported() {
    let modules = [
        NUMPY,
        (
            "mujoco.py",
            "import os\nos.write(2, b'segfault-ish\\n')\nos.abort()\n",
        ),
    ];
    let Some(dir) = python_with(&modules) else {
        return;
    };
    let error = open_with(&dir).unwrap_err();
    assert!(matches!(error, BridgeError::WorkerDied { .. }), "{error:?}");
    assert!(error.to_string().contains("segfault-ish"), "{error}");
}
