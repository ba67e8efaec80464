//! Many runs: swept, interrupted, resumed and reported on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::support::{Answer, foveate, json, text};

/// `SMALL` as a grid: two agents, two seeds, seconds.
const GRID: &str = r#"
agents = ["sac", "sgqn"]
tasks = ["native/reach"]
seeds = [1, 2]
looks = ["train", "video-hard"]
[set]
preset = "tiny"
steps = 120
batch = 4
hidden_dim = 16
num_filters = 4
projection_dim = 8
decoder_channels = [4, 4]
init_steps = 8
checkpoint_freq = 8
eval_freq = 50
log_freq = 1
eval_episodes = 2
overlay_pictures = 2
replay_capacity = 200
"#;

fn grid(text: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grid.toml");
    fs::write(&file, text).unwrap();
    let out = folder.path().join("sweep");
    (folder, file, out)
}

fn sweep(grid: &Path, out: &Path, more: &[&str]) -> Answer {
    let given = ["sweep", text(grid), "--out", text(out), "--no-tune"];
    foveate(&[&given[..], more].concat())
}

/// The same, left running.
fn begin(grid: &Path, out: &Path) -> Child {
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");
    Command::new(env!("CARGO_BIN_EXE_foveate"))
        .args(["sweep", text(grid), "--out", text(out), "--no-tune"])
        .env("FOVEATE_CACHE", cache)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn last_checkpoint(run: &Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/step-000000000120.safetensors")).unwrap()
}

/// Killed in its second run, its child ends too; the same command ends with the bits of a
/// sweep that nobody interrupted.
#[test]
fn a_sweep_that_is_killed_goes_on_and_is_reported() {
    let (_keep, file, out) = grid(GRID);
    let mut killed = begin(&file, &out);
    let run = |name: &str| out.join("runs").join(name);
    let second = run("sgqn-native-reach-seed-1");
    let begun = || {
        let checkpoints = fs::read_dir(second.join("checkpoints"));
        checkpoints.is_ok_and(|files| files.count() > 1)
    };
    wait_for("the second run", begun);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let lock = fs::File::open(second.join("run.lock")).unwrap();
    wait_for("the end of its child", || lock.try_lock().is_ok());
    drop(lock);
    assert!(
        !second.join("summary.json").exists(),
        "it was not in the middle"
    );
    assert!(run("sac-native-reach-seed-1.json").is_file());

    // What there is can be reported on.
    let early = foveate(&["report", text(&out)]);
    let early = early.succeeds();
    assert!(
        early.contains("1 of 4 runs are done, 1 unfinished, 2 missing"),
        "{early}"
    );

    let answer = sweep(&file, &out, &["--jobs=2"]);
    assert!(
        answer.succeeds().contains("4 of 4 runs are done"),
        "{}",
        answer.out
    );
    for said in [
        "sac-native-reach-seed-1 was done before",
        "sgqn-native-reach-seed-1 resumes",
        "sgqn-native-reach-seed-2 begins",
        "4/4 runs done · step 480/480",
    ] {
        assert!(answer.err.contains(said), "no '{said}' in: {}", answer.err);
    }
    let (_other, file, whole) = grid(GRID);
    sweep(&file, &whole, &["--quiet"]).succeeds();
    for name in ["sgqn-native-reach-seed-1", "sac-native-reach-seed-2"] {
        let of = |out: &Path| last_checkpoint(&out.join("runs").join(name));
        assert!(
            of(&out) == of(&whole),
            "{name}: other bits than uninterrupted"
        );
    }

    // Again: nothing is left to do.
    let again = sweep(&file, &whole, &[]);
    assert_eq!(
        again.err.matches("was done before").count(),
        4,
        "{}",
        again.err
    );
    again.succeeds();

    foveate(&[
        "explain",
        "--run",
        text(&run("sgqn-native-reach-seed-1")),
        "--episode-steps=2",
    ])
    .succeeds();
    let answer = foveate(&["report", text(&out)]);
    assert!(
        answer.succeeds().contains("all 4 runs are done"),
        "{}",
        answer.out
    );
    let report = |name: &str| fs::read_to_string(out.join("report").join(name)).unwrap();
    let outcome = |name: &str| -> Value { json(&fs::read_to_string(run(name)).unwrap()) };
    let mean = |seed: u32| {
        let of = outcome(&format!("sac-native-reach-seed-{seed}.json"));
        of["evaluation"]["modes"]["video-hard"]["mean"]
            .as_f64()
            .unwrap()
    };
    let expected = format!("| native/reach | {:.1} ± ", (mean(1) + mean(2)) / 2.0);
    let (tables, expected) = (
        report("tables.md"),
        expected.replace("| native/reach | ", ""),
    );
    assert!(tables.contains(&expected), "no '{expected}' in: {tables}");
    assert!(!tables.contains("Runs that are not there"), "{tables}");
    let html = report("index.html");
    assert_eq!(html.matches("data:image/gif").count(), 1);
    assert_eq!(html.matches("data:image/png").count(), 1);
    assert_eq!(
        html.matches("<dt>foveate").count(),
        3,
        "two commands of sweep, one of report"
    );
    assert!(report("runs.csv").lines().count() == 1 + 4 * 2);
}

#[test]
fn a_run_that_fails_is_listed_with_the_end_of_its_log() {
    let text_of = GRID
        .replace("[1, 2]", "[1]")
        .replace("[\"sac\", \"sgqn\"]", "[\"sac\"]")
        .replace("steps = 120", "steps = 40");
    let (_keep, file, out) = grid(&format!("{text_of}\n[axes]\ncritic_lr = [1e30, 1e-3]\n"));
    let answer = sweep(&file, &out, &["--quiet"]);
    answer.fails(
        1,
        &[
            "failed: sac-native-reach-critic_lr-",
            "_loss became",
            "last checkpoint is good",
            "1 of 2 runs failed",
        ],
    );
    assert!(
        answer.out.contains("1 of 2 runs are done"),
        "{}",
        answer.out
    );
    let report = foveate(&["report", text(&out)]);
    let report = report.succeeds();
    assert!(
        report.contains("1 of 2 runs are done, 1 failed"),
        "{report}"
    );
    let html = fs::read_to_string(out.join("report/index.html")).unwrap();
    assert!(html.contains("_loss became"), "{html}");
}

#[test]
fn animations_are_made_and_shown() {
    let text_of = GRID
        .replace("[1, 2]", "[1]")
        .replace("[\"sac\", \"sgqn\"]", "[\"sac\"]")
        .replace("\"train\", \"video-hard\"", "\"train\"")
        .replace("steps = 120", "steps = 20");
    let (_keep, file, out) = grid(&text_of);
    sweep(&file, &out, &["--quiet"]).succeeds();
    let report = || {
        foveate(&["report", text(&out)]).succeeds();
        fs::read_to_string(out.join("report/index.html")).unwrap()
    };
    let html = report();
    assert!(html.contains("foveate sweep --animations"), "{html}");
    let run = out.join("runs/sac-native-reach-seed-1");
    let hint = format!("foveate explain --run {} this one", run.display());
    assert!(html.contains(&hint), "{html}");
    let answer = sweep(&file, &out, &["--animations"]);
    answer.succeeds();
    assert!(answer.err.contains("is filmed"), "{}", answer.err);
    let html = report();
    assert_eq!(html.matches("data:image/gif").count(), 1);
    assert!(!html.contains("foveate sweep --animations"), "{html}");
}

/// Returns before other backgrounds are not those of the grid.
#[test]
fn a_grid_that_names_other_backgrounds_is_another() {
    let [first, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for folder in [&first, &other] {
        let still = image::RgbImage::new(8, 8);
        still.save(folder.path().join("still.png")).unwrap();
    }
    let with = |folder: &TempDir| {
        let backgrounds = format!("backgrounds = '{}'", text(folder.path()));
        GRID.replace("[1, 2]", "[1]")
            .replace("[\"sac\", \"sgqn\"]", "[\"sac\"]")
            .replace("steps = 120", "steps = 10")
            .replace("overlay_pictures = 2", &backgrounds)
    };
    let (_keep, file, out) = grid(&with(&first));
    sweep(&file, &out, &["--quiet"]).succeeds();
    let outcome = || fs::read(out.join("runs/sac-native-reach-seed-1.json")).unwrap();
    let before = outcome();
    fs::write(&file, with(&other)).unwrap();
    let said = format!("this one has backgrounds={}", text(other.path()));
    sweep(&file, &out, &["--quiet"]).fails(2, &["another grid", &said, "--out"]);
    assert!(outcome() == before);
}

#[test]
fn a_wrong_grid_is_refused_before_anything_is_written() {
    let cases = [
        ("\"sgqn\"", "\"sgqm\"", &["grid.toml", "sgqm", "'sgqn'"][..]),
        (
            "native/reach",
            "native/rech",
            &["native/rech", "'native/reach'"],
        ),
        ("native/reach", "atari/pong", &["atari/pong", "native"]),
        ("seeds = [1, 2]", "seeds = [1, 1]", &["'seeds' has 1 twice"]),
        ("seeds =", "seds =", &["'seds'", "'seeds'"]),
        ("batch = 4", "bacth = 4", &["'bacth'", "'batch'"]),
        ("batch = 4", "inputs = 'rgb+saliency'", &["rgb+saliency"]),
    ];
    for (from, to, said) in cases {
        let (_keep, file, out) = grid(&GRID.replacen(from, to, 1));
        sweep(&file, &out, &[]).fails(2, said);
        assert!(!out.exists(), "{to}");
    }
    // Files that would be asked for after all the training, or in the middle of it.
    for (option, said) in [
        ("backgrounds = '/nowhere/clips'", &["/nowhere/clips"][..]),
        ("overlays = '/nowhere/places'", &["/nowhere/places"]),
        ("encoder = 'multimae:/nowhere/mae'", &["/nowhere/mae"]),
    ] {
        let text = GRID.replace("overlay_pictures = 2", option);
        let text = text.replace(
            "\"sac\", \"sgqn\"",
            match option.starts_with("encoder") {
                true => "\"sac\"",
                false => "\"sgqn\"",
            },
        );
        let (_keep, file, out) = grid(&text);
        sweep(&file, &out, &[]).fails(2, said);
        assert!(!out.exists(), "{option}");
    }
    // A clip that is none, which the first episodes would not show.
    let clips = tempfile::tempdir().unwrap();
    fs::write(clips.path().join("b.gif"), "no GIF").unwrap();
    let option = format!("backgrounds = '{}'", text(clips.path()));
    let (_keep, file, out) = grid(&GRID.replace("overlay_pictures = 2", &option));
    sweep(&file, &out, &[]).fails(2, &["b.gif"]);
    assert!(!out.exists());

    let (keep, file, out) = grid(GRID);
    sweep(&keep.path().join("missing.toml"), &out, &[]).fails(2, &["missing.toml"]);
    sweep(&file, &out, &["--jobs=0"]).fails(2, &["--jobs"]);
    foveate(&["report", text(keep.path())]).fails(2, &["holds no sweep"]);
    fs::create_dir(&out).unwrap();
    fs::write(out.join("letter.txt"), "dear").unwrap();
    sweep(&file, &out, &[]).fails(2, &["holds no sweep", "--out"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// Ctrl-C of a sweep's terminal reaches its children too, which say nothing of their own.
#[test]
#[cfg(unix)]
fn a_child_of_a_sweep_does_not_speak_of_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = Command::new(env!("CARGO_BIN_EXE_foveate"))
        .args(["--with-parent", "train", "--agent=sac", "--no-tune"])
        .args(["--env=native/reach", "--steps=100000", "--run", text(&run)])
        .args(super::support::SMALL)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let alive = child.stdin.take();
    let metrics = run.join("metrics.jsonl");
    wait_for("a step", || {
        fs::read(&metrics).is_ok_and(|rows| !rows.is_empty())
    });
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    drop(alive);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(!said.contains("Ctrl-C"), "{said}");
}
