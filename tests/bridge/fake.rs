//! Workers made of shell scripts, and what is asked about their processes.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use foveate::envs::{
    Transition,
    bridge::{
        Bridge, BridgeError, BridgeOptions,
        protocol::{self, OPEN, REPLY},
    },
};
use tempfile::TempDir;

pub const ID: &str = "fake/task";
/// Frames of the fake environment: 2×2 pixels.
pub const FRAME: usize = 12;

/// A directory of prepared replies, each a file that a script can `cat`.
pub struct Fake {
    pub dir: TempDir,
}

impl Fake {
    pub fn new() -> Fake {
        let fake = Fake {
            dir: TempDir::new().unwrap(),
        };
        let spec = format!(
            r#"{{"spec":{{"id":"{ID}","n":1,"image_size":2,"action_dim":2,"episode_steps":10,"action_repeat":4}},"versions":{{"fake":"1"}}}}"#
        );
        fake.reply("opened", OPEN | REPLY, spec.as_bytes())
    }

    pub fn reply(self, name: &str, kind: u16, payload: &[u8]) -> Fake {
        self.file(name, &protocol::encode(kind, payload))
    }

    pub fn file(self, name: &str, bytes: &[u8]) -> Fake {
        fs::write(self.dir.path().join(name), bytes).unwrap();
        self
    }

    /// Options whose worker is `script`, run by sh in the directory.
    pub fn options(&self, script: &str) -> BridgeOptions {
        let script = format!("cd '{}' && {script}", self.dir.path().display());
        BridgeOptions {
            image_size: 2,
            command: Some(vec!["sh".into(), "-c".into(), script.into()]),
            ..BridgeOptions::new(ID)
        }
    }

    pub fn open(&self, script: &str) -> Result<Bridge, BridgeError> {
        Bridge::open(self.options(script))
    }
}

pub fn step(bridge: &mut Bridge) -> Result<Transition, BridgeError> {
    let mut transition = [Transition::default()];
    bridge.step(&[0.5, -0.5], &mut transition)?;
    Ok(transition[0])
}

pub fn step_payload(reward: f32, ends: [u8; 2]) -> Vec<u8> {
    let mut payload = reward.to_le_bytes().to_vec();
    payload.extend([ends[0], ends[1], protocol::UNKNOWN, 0]);
    payload.extend(reward.to_le_bytes());
    payload.extend((0..FRAME as u8).map(|i| i + 100));
    payload
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: u32) -> bool {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
        return state != Some("Z");
    }
    Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Waits for something that must happen soon; the limit only ends a failing test.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
