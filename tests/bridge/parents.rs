//! A parent that is killed leaves no worker behind.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use foveate::envs::bridge::{Bridge, BridgeOptions};
use tempfile::TempDir;

use crate::{
    embedded::{NUMPY, python_with},
    fake::{Fake, eventually, runs},
};

/// Not a test: the parent that `a_killed_parent_…` starts from this same program.
#[test]
#[ignore = "the other half of the tests about killed parents"]
fn parent_to_be_killed() {
    let Some(dir) = std::env::var_os("FOVEATE_TEST_PARENT") else {
        return;
    };
    let dir = Path::new(&dir);
    let mut options = BridgeOptions::new("dm_control/cartpole-swingup");
    if dir.join("python").exists() {
        options.python = Some(dir.join("python"));
    } else {
        let fake = Fake::new();
        let script = format!(
            "cat opened; echo $$ > '{}/pid'; exec cat >/dev/null",
            dir.display()
        );
        options = fake.options(&script);
    }
    let bridge = Bridge::open(options);
    std::thread::sleep(Duration::from_secs(600));
    drop(bridge);
}

/// Starts the parent, waits until its worker has written its pid, kills the parent.
fn kill_a_parent(dir: &Path) -> u32 {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "parents::parent_to_be_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("FOVEATE_TEST_PARENT", dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pid = 0;
    eventually("the worker writes its pid", || {
        let text = fs::read_to_string(dir.join("pid")).unwrap_or_default();
        pid = text
            .strip_suffix('\n')
            .and_then(|t| t.parse().ok())
            .unwrap_or(0);
        pid != 0
    });
    assert!(runs(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    pid
}

#[test]
fn a_killed_parent_ends_the_worker_that_waits() {
    let dir = TempDir::new().unwrap();
    let pid = kill_a_parent(dir.path());
    eventually("the worker ends with its stdin", || !runs(pid));
}

/// Busy in an import that never ends, the worker cannot notice the end of its
/// stdin. (Tried: without its request for a death signal, this test fails.)
#[test]
fn a_killed_parent_ends_the_embedded_worker_that_hangs() {
    let hang = r#"
import os, time
with open("DIR/pid.new", "w") as f:
    f.write("%d\n" % os.getpid())
os.rename("DIR/pid.new", "DIR/pid")
while True:
    time.sleep(100)
"#;
    let Some(dir) = python_with(&[NUMPY, ("mujoco.py", hang)]) else {
        return;
    };
    let pid = kill_a_parent(dir.path());
    eventually("the hanging worker ends with its parent", || !runs(pid));
}
