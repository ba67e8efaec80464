//! `foveate envs`: what it says of suites that are there, that are not, and that only
//! seem to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use foveate::envs::native::IDS;
use serde_json::Value;

use super::skip::skipped;
use super::support::{foveate, text};

/// A `python3` without its own packages and with the modules given here; `None` where
/// there is no `python3`.
fn python_with(folder: &Path, modules: &[(&str, &str)]) -> Option<PathBuf> {
    let found = Command::new("python3").arg("--version").output();
    if !found.is_ok_and(|out| out.status.success()) {
        skipped("there is no python3");
        return None;
    }
    for (name, text) in modules {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{}' exec python3 -S \"$@\"\n",
        folder.display()
    );
    fs::write(folder.join("script"), script).unwrap();
    // Copied by another process: a program that this one has open for writing while a
    // second test forks could not be started.
    let status = Command::new("install")
        .args(["-m", "755", "script", "python"])
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
    Some(folder.join("python"))
}

#[test]
#[cfg(unix)]
fn what_is_missing_comes_with_the_command_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    // One suite imports and then fails, which imports alone do not tell.
    let modules = [
        ("numpy.py", ""),
        ("mujoco.py", ""),
        (
            "gymnasium.py",
            "def __getattr__(name): raise RuntimeError('broken build')",
        ),
    ];
    let Some(python) = python_with(folder.path(), &modules) else {
        return;
    };
    let option = format!("--python={}", text(&python));
    let answer = foveate(&["envs", &option]);
    answer.succeeds();
    for said in [
        &format!("native      yes         {}  {}", IDS.len(), IDS.join(", ")),
        "ale         no          -  ale/GAME",
        "ale cannot be used:",
        "No module named 'ale_py'",
        // It is no virtual environment: the system's pip would refuse.
        &format!(
            "{} -m venv .venv && .venv/bin/python -m pip install 'ale-py==0.12.1' 'numpy>=1.26,<3'",
            text(&python)
        ),
        "make real-envs",
        "gym cannot be used: the environment failed during 'open': RuntimeError: broken build",
    ] {
        assert!(answer.out.contains(said), "'{said}' in\n{}", answer.out);
    }
    let answer = foveate(&["envs", "--json", &option]);
    answer.succeeds();
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(json["native"][0]["id"], "native/reach");
    assert_eq!(json["native"][0]["modes"][4], "video-hard");
    let suites = json["suites"].as_array().unwrap();
    let names: Vec<&str> = suites
        .iter()
        .map(|s| s["suite"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dm_control", "metaworld", "ale", "gym"]);
    for suite in suites {
        assert_eq!(suite["usable"], false, "{suite}");
        let install = suite["install"].as_str();
        match suite["suite"].as_str() {
            // Nothing is missing there.
            Some("gym") => assert_eq!(install, None, "{suite}"),
            _ => assert!(install.unwrap().contains("pip install"), "{suite}"),
        }
    }
    // In a virtual environment its own pip does it; paths are quoted.
    let venv = folder.path().join("a venv");
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&venv)
        .status();
    if made.is_ok_and(|status| status.success()) {
        let python = venv.join("bin/python");
        let answer = foveate(&["envs", "ale", &format!("--python={}", text(&python))]);
        let said = format!("to install it: '{}' -m pip install", text(&python));
        assert!(answer.succeeds().contains(&said), "{}", answer.out);
    }
}

/// Without a module that all suites need.
#[test]
#[cfg(unix)]
fn what_all_suites_lack_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python_with(folder.path(), &[]) else {
        return;
    };
    let answer = foveate(&["envs", &format!("--python={}", text(&python))]);
    let out = answer.succeeds();
    assert_eq!(out.matches("cannot import 'numpy'").count(), 1, "{out}");
    assert!(
        out.contains("dm_control, metaworld, ale, gym cannot be used"),
        "{out}"
    );
    for suite in ["dm_control", "metaworld", "ale", "gym"] {
        assert!(out.contains(&format!("to install {suite}: ")), "{out}");
    }
    assert_eq!(out.matches("or all suites").count(), 1, "{out}");
}

#[test]
fn mistakes_are_said_in_words() {
    foveate(&["envs", "atari"]).fails(2, &["native, dm_control, metaworld, ale, gym"]);
    foveate(&["envs", "--python=/nowhere/python"]).fails(2, &["/nowhere/python", "make real-envs"]);
    let native = foveate(&["envs", "native"]);
    native.succeeds();
    assert_eq!(native.out.trim(), IDS.join("\n"));
}
