//! Opening a real suite where there is one, and playing in it.

use foveate::envs::{
    Transition,
    bridge::{Bridge, BridgeError, BridgeOptions, interpreter},
};

use crate::skip::skipped_suite;

pub const SIZE: usize = 84;
pub const FRAME: usize = 3 * SIZE * SIZE;

/// `None` when there is no Python environment for real suites on this machine.
pub fn open(options: BridgeOptions) -> Option<Bridge> {
    match Bridge::open(options) {
        Ok(bridge) => Some(bridge),
        Err(e @ (BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. })) => {
            skipped_suite(&e.to_string());
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// The Python of real suites with these modules before its own; `None` where there is no
/// Python.
pub fn python_with(modules: &[(&str, &str)]) -> Option<tempfile::TempDir> {
    let python = interpreter(None);
    let found = std::process::Command::new(&python)
        .arg("--version")
        .output();
    if !found.is_ok_and(|out| out.status.success()) {
        skipped_suite("there is no Python");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    for (name, text) in modules {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text.replace("DIR", &path)).unwrap();
    }
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
    Some(dir)
}

pub fn reset_all(bridge: &mut Bridge) {
    let size = bridge.spec().image_size;
    let mut frame = vec![0; 3 * size * size];
    for index in 0..bridge.n() {
        bridge.reset(index, &mut frame).unwrap();
    }
}

/// What steps answered, and the frames after each.
pub type Played = Vec<(Vec<Transition>, Vec<u8>)>;

/// `count` actions' worth of what can be seen: outcomes and frames.
pub fn play(bridge: &mut Bridge, from: usize, count: usize) -> Played {
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
