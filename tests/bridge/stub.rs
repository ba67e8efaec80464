//! The stub worker of `stub_worker.py`, and what it left behind.

use std::{ffi::OsString, fs, time::Duration};

use foveate::envs::bridge::{Bridge, BridgeOptions, LastingBridge};
use tempfile::TempDir;

/// Pixels of a side.
pub const SIZE: usize = 4;

pub struct Stub {
    pub dir: TempDir,
}

impl Stub {
    /// Workers with these faults, one after the other; see `stub_worker.py`.
    pub fn new(plan: &str) -> Stub {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("plan.json"), plan).unwrap();
        Stub { dir }
    }

    pub fn options(&self, n: usize) -> BridgeOptions {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bridge/stub_worker.py");
        let folder = self.dir.path().as_os_str().to_owned();
        let python = || OsString::from("python3");
        BridgeOptions {
            n,
            image_size: SIZE,
            seed: 7,
            command: Some(vec![python(), "-S".into(), script.into(), folder]),
            call_timeout: Duration::from_secs(20),
            ..BridgeOptions::new("stub/task")
        }
    }

    pub fn open(&self, n: usize) -> LastingBridge {
        LastingBridge::new(Bridge::open(self.options(n)).unwrap())
    }

    fn lines(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Process ids of all workers that were started.
    pub fn workers(&self) -> Vec<u32> {
        self.lines("starts").iter().map(|&pid| pid as u32).collect()
    }

    /// Seeds that workers were opened with.
    pub fn seeds(&self) -> Vec<u64> {
        self.lines("seeds")
    }
}

/// The byte that every pixel of environment `index` has.
pub fn shown(bridge: &LastingBridge, index: usize) -> u8 {
    let frame = &bridge.frames()[index * 3 * SIZE * SIZE..][..3 * SIZE * SIZE];
    assert!(
        frame.iter().all(|&b| b == frame[0]),
        "one picture: {frame:?}"
    );
    frame[0]
}
