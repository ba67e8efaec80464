//! Running the program, and a small run that tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// Networks and a budget so small that a run takes a second.
pub const SMALL: &[&str] = &[
    "--preset=tiny",
    "--set=batch=4",
    "--set=hidden_dim=16",
    "--set=num_filters=4",
    "--set=projection_dim=8",
    "--set=decoder_channels=[4,4]",
    "--set=init_steps=8",
    "--set=checkpoint_freq=8",
    "--set=log_freq=1",
    "--set=eval_episodes=2",
    "--set=overlay_pictures=2",
    "--set=replay_capacity=200",
    "--quiet",
];

/// How the program ended and what it printed.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// The exit code and the texts that standard error must hold.
    #[track_caller]
    pub fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for text in texts {
            assert!(self.err.contains(text), "no '{text}' in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub fn succeeds(&self) -> &str {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        &self.out
    }
}

pub fn foveate(arguments: &[&str]) -> Answer {
    foveate_with(arguments, &[])
}

pub fn foveate_with(arguments: &[&str], environment: &[(&str, &str)]) -> Answer {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_foveate"))
        .args(arguments)
        // Never the user's own cache.
        .env(
            "FOVEATE_CACHE",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
        )
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `foveate train` of a small SGQN in a directory.
pub fn train(run: &Path, more: &[&str]) -> Answer {
    let run = format!("--run={}", run.display());
    let given = ["train", "--agent=sgqn", "--env=native/reach", &run];
    foveate(&[&given, SMALL, more].concat())
}

/// A finished run of 20 steps, trained once; tests that change it take a copy.
pub fn trained() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        // Nobody drops what is static: a fixed place, replaced by the next test run.
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-trained");
        if run.exists() {
            fs::remove_dir_all(&run).unwrap();
        }
        train(&run, &["--steps=20"]).succeeds();
        run
    })
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn copy_of_trained() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(trained(), &run);
    (folder, run)
}

/// Checkpoints of a run, oldest first.
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    files.sort();
    files
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Seconds that no test takes.
pub const LATE: f64 = 1e6;

/// Has all lines of a run's metrics tell of [`LATE`].
pub fn be_late(run: &Path) {
    let metrics = run.join("metrics.jsonl");
    let late: String = (fs::read_to_string(&metrics).unwrap().lines())
        .map(|line| {
            let (row, _) = line.split_once(",\"seconds\":").unwrap();
            format!("{row},\"seconds\":{LATE}}}\n")
        })
        .collect();
    fs::write(&metrics, late).unwrap();
}

/// Every file below a folder, with its content; but for the lock, which names the process.
pub fn all_files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(all_files(&path)),
            path if path.ends_with("run.lock") => {}
            path => files.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    files.sort();
    files
}
