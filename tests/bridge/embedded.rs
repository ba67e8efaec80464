//! The embedded worker, with Python packages made up here.

use std::{fs, process::Command};

use foveate::envs::bridge::{Bridge, BridgeError, BridgeOptions};
use tempfile::TempDir;

/// `python3` without its own packages, and with the modules given here.
pub fn python_with(modules: &[(&str, &str)]) -> Option<TempDir> {
    let found = Command::new("python3").arg("--version").output();
    if !found.is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: there is no python3");
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
