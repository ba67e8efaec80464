//! The program as a person uses it: what it prints, writes and answers to mistakes.
//! Exit code 2 is a user's mistake, 1 a failure; nothing that is typed may panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// Networks and a budget so small that a run takes a second.
const SMALL: &[&str] = &[
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

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    /// The exit code and the texts that standard error must hold.
    #[track_caller]
    fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for text in texts {
            assert!(self.err.contains(text), "no '{text}' in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    fn succeeds(&self) -> &str {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        &self.out
    }
}

fn foveate(arguments: &[&str]) -> Answer {
    foveate_with(arguments, &[])
}

fn foveate_with(arguments: &[&str], environment: &[(&str, &str)]) -> Answer {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_foveate"))
        .args(arguments)
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
fn train(run: &Path, more: &[&str]) -> Answer {
    let run = format!("--run={}", run.display());
    let given = ["train", "--agent=sgqn", "--env=native/reach", &run];
    foveate(&[&given, SMALL, more].concat())
}

/// A finished run of 20 steps, trained once; tests that change it take a copy.
fn trained() -> &'static Path {
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

fn copy(from: &Path, to: &Path) {
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

fn copy_of_trained() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(trained(), &run);
    (folder, run)
}

/// Checkpoints of a run, oldest first.
fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    files.sort();
    files
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

// ---- what it does ----

#[test]
fn every_subcommand_explains_itself_with_an_example() {
    let whole = foveate(&["--help"]);
    for name in ["devices", "train", "eval", "explain", "demo"] {
        assert!(whole.succeeds().contains(name));
        let help = foveate(&[name, "--help"]);
        assert!(
            help.succeeds()
                .contains(&format!("Examples:\n  foveate {name}"))
        );
    }
    assert!(foveate(&["--version"]).succeeds().starts_with("foveate "));
}

#[test]
fn devices_lists_adapters_and_the_one_that_is_picked() {
    let list = json(foveate(&["devices", "--json"]).succeeds());
    let list = list.as_array().unwrap();
    let picked: Vec<_> = list.iter().filter(|a| a["picked"] == true).collect();
    assert_eq!(picked.len(), 1, "{list:?}");
    let name = picked[0]["name"].as_str().unwrap();
    assert!(picked[0]["max_storage_binding"].as_u64().unwrap() > 0);
    assert!(foveate(&["devices"]).succeeds().contains(name));
    // A part of the name, in any case, chooses too.
    let part = name.split(' ').next().unwrap().to_uppercase();
    foveate(&["devices", "--adapter", &part]).succeeds();
}

#[test]
fn training_leaves_a_complete_run_directory() {
    let run = trained();
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(summary["steps"], 20);
    // Updates begin at step init_steps.
    assert_eq!(summary["updates"], 12);
    assert!(summary["train"].as_f64().unwrap().is_finite());
    for file in ["config.toml", "metrics.jsonl", "media/curve.png"] {
        assert!(run.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    let names: Vec<_> = checkpoints(run)
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_string())
        .collect();
    let expected = [
        "step-000000000016.safetensors",
        "step-000000000020.safetensors",
    ];
    assert_eq!(names, expected);
}

#[test]
fn evaluation_covers_every_look_and_repeats_itself() {
    let run = text(trained());
    let first = foveate(&["eval", "--run", run, "--json", "--episodes=3"]);
    let answer = json(first.succeeds());
    assert_eq!(answer["step"], 20);
    let modes = answer["modes"].as_object().unwrap();
    assert_eq!(modes.len(), 5);
    for (mode, result) in modes {
        assert_eq!(result["episodes"], 3, "{mode}");
        assert_eq!(result["returns"].as_array().unwrap().len(), 3);
    }
    let again = foveate(&["eval", "--run", run, "--json", "--episodes=3"]);
    assert_eq!(first.out, again.out);

    let some = foveate(&["eval", "--run", run, "--modes=video-hard,train,train"]);
    let some = some.succeeds();
    assert!(some.contains("video-hard") && some.contains("train") && !some.contains("color"));
    assert_eq!(some.matches("train").count(), 1);
}

#[test]
fn a_finished_run_goes_on_when_it_is_given_more_steps() {
    let (_folder, run) = copy_of_trained();
    let resume = ["train", "--run", text(&run), "--resume", "--quiet"];
    // Nothing is left to do: the same results.
    foveate(&resume).succeeds();
    let summary = || json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(summary()["steps"], 20);
    foveate(&[&resume[..], &["--steps=24"]].concat()).succeeds();
    assert_eq!(
        (&summary()["steps"], &summary()["updates"]),
        (&24.into(), &16.into())
    );
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("steps = 24"), "{config}");

    let conflict = foveate(&[&resume[..], &["--set=batch=8"]].concat());
    conflict.fails(2, &["'batch'", "4", "8"]);
}

#[test]
fn an_episode_is_explained_by_an_animation() {
    let folder = tempfile::tempdir().unwrap();
    let out = text(folder.path());
    let given = [
        "explain",
        "--run",
        text(trained()),
        "--out",
        out,
        "--episode-steps=3",
    ];
    foveate(&given).succeeds();
    foveate(&[&given[..], &["--method=gradient", "--modes=color-hard"]].concat()).succeeds();
    for name in ["attention.gif", "attention-gradient.gif"] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        let mut decoder = gif::DecodeOptions::new().read_info(&bytes[..]).unwrap();
        let mut frames = 0;
        while decoder.read_next_frame().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, 3, "{name}");
    }
}

#[test]
fn images_of_any_size_are_explained_at_their_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for (name, width, height) in [
        ("wide.png", 200, 150),
        ("small.jpg", 9, 21),
        ("dot.png", 1, 1),
    ] {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 7) as u8, (y * 5) as u8, 90])
        });
        picture.save(images.join(name)).unwrap();
    }
    let out = folder.path().join("out");
    let given = [
        "explain",
        "--run",
        text(trained()),
        "--images",
        text(&images),
    ];
    foveate(&[&given[..], &["--out", text(&out)]].concat()).succeeds();
    let panel = image::open(out.join("wide.png.attention.png")).unwrap();
    // Observation, attribution, mask, predicted mask.
    assert!(panel.width() >= 4 * 200 && panel.height() >= 150);
    assert!(out.join("small.jpg.attention.png").is_file());
    assert!(out.join("dot.png.attention.png").is_file());
}

#[test]
fn the_demo_writes_all_that_it_promises_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("demo");
    let demo = |more: &[&str]| {
        let given = ["demo", "--run", text(&run), "--steps=252", "--quiet"];
        foveate(&[&given[..], more].concat())
    };
    demo(&[]).succeeds();
    let written = fs::read_to_string(run.join("summary.json")).unwrap();
    let summary = json(&written);
    for key in [
        "random",
        "expert",
        "train",
        "color_hard",
        "video_easy",
        "video_hard",
        "normalised",
        "seconds",
        "updates",
    ] {
        assert!(summary[key].is_number(), "{key}: {summary}");
    }
    assert!(!summary["adapter"].as_str().unwrap().is_empty());
    // The preset's init_steps are 250: steps 250 and 251 update.
    assert_eq!(
        (&summary["updates"], &summary["seed"]),
        (&2.into(), &1.into())
    );
    let of = |key: &str| summary[key].as_f64().unwrap();
    let normalised = (of("train") - of("random")) / (of("expert") - of("random"));
    assert!((of("normalised") - normalised).abs() < 1e-9);
    assert!(of("expert") > of("random"));
    for file in ["curve.png", "attention.gif"] {
        assert!(run.join(file).metadata().unwrap().len() > 0, "{file}");
    }

    // Again: printed, not repeated. Other settings: a question. --fresh: from the start.
    let again = demo(&[]);
    assert!(again.err.contains("--fresh"), "{}", again.err);
    assert!(again.succeeds().contains("normalised"));
    assert_eq!(
        fs::read_to_string(run.join("summary.json")).unwrap(),
        written
    );
    demo(&["--seed=2"]).fails(2, &["seed was 1, is 2", "--fresh"]);

    // Interrupted before the summary: continued.
    fs::remove_file(run.join("summary.json")).unwrap();
    demo(&["--seed=2"]).fails(2, &["unfinished", "seed was 1, is 2"]);
    let continued = demo(&[]);
    assert!(continued.err.contains("continuing"), "{}", continued.err);
    continued.succeeds();
    let redone = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(redone["train"], summary["train"]);
}

// ---- mistakes in what is asked ----

#[test]
fn names_that_do_not_exist_are_answered_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let run = format!("--run={}", folder.path().join("run").display());
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--agent=sgqm", "--env=native/reach"],
            &["agent", "sgqm", "'sgqn'"],
        ),
        (
            &["--agent=sac", "--env=native/rech"],
            &["native/rech", "'native/reach'"],
        ),
        (&["--agent=sac", "--env=reach"], &["'native/reach'"]),
        (
            &["--agent=sac", "--env=native/reach", "--preset=tyni"],
            &["tyni", "'tiny'"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--set=bacth=4"],
            &["bacth", "'batch'"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--stesp=4"],
            &["--stesp", "--steps"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--set=batch"],
            &["batch", "key=value"],
        ),
        (&["--env=native/reach"], &["agent", "sac", "sgqn"]),
        (&["--agent=sac"], &["--env"]),
    ];
    for (given, texts) in cases {
        foveate(&[&["train", &run], *given].concat()).fails(2, texts);
    }
    foveate(&["trian", &run]).fails(2, &["trian", "train"]);
    foveate(&[]).fails(2, &[]);
    // Nothing of all that was written.
    assert!(!folder.path().join("run").exists());
    let run = text(trained());
    foveate(&["eval", "--run", run, "--modes=vidoe-hard"])
        .fails(2, &["vidoe-hard", "'video-hard'"]);
    foveate(&["explain", "--run", run, "--method=gided"]).fails(2, &["gided", "guided"]);
    foveate(&["eval", "--run", run, "--episodes=0"]).fails(2, &["episodes", "0"]);
    foveate(&["devices", "--adapter=Nonesuch 9000"]).fails(2, &["Nonesuch 9000", "available"]);
}

#[test]
fn options_out_of_range_or_of_the_wrong_type_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let cases: &[(&str, &[&str])] = &[
        ("batch=0", &["'batch'", "0", "1"]),
        ("batch=many", &["'batch'", "many", "integer"]),
        ("critic_lr=-1e-3", &["'critic_lr'", "-0.001", "≥ 0"]),
        ("critic_lr=nan", &["'critic_lr'", "NaN", "finite"]),
        ("rho=1.5", &["'rho'", "1.5", "between 0 and 1"]),
        ("image_size=37", &["'image_size'", "37", "36 or 40"]),
        ("steps=0", &["'steps'", "0"]),
    ];
    for (assignment, texts) in cases {
        let given = format!("--set={assignment}");
        train(&run, &[&given]).fails(2, texts);
    }
    for (content, texts) in [
        ("batchsize = 4", &["batchsize", "options.toml"][..]),
        ("batch = \"four\"", &["'batch'", "four"]),
        ("batch = ", &["options.toml", "TOML"]),
    ] {
        let file = folder.path().join("options.toml");
        fs::write(&file, content).unwrap();
        let given = format!("--config={}", file.display());
        train(&run, &[&given]).fails(2, texts);
    }
    train(&run, &["--config=/nonexistent.toml"]).fails(2, &["/nonexistent.toml"]);
    assert!(!run.exists());
}

#[test]
fn a_run_directory_that_exists_is_not_touched() {
    let (_folder, run) = copy_of_trained();
    let before = fs::read(&checkpoints(&run)[1]).unwrap();
    train(&run, &[]).fails(2, &["not empty", "--resume"]);
    assert_eq!(fs::read(&checkpoints(&run)[1]).unwrap(), before);

    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("letters");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("letter.txt"), "dear").unwrap();
    train(&stranger, &[]).fails(2, &["not empty"]);
    train(&stranger, &["--resume"]).fails(2, &["no run to resume"]);
    let demo = foveate(&["demo", "--fresh", "--run", text(&stranger)]);
    demo.fails(2, &["not empty"]);
    assert_eq!(fs::read_dir(&stranger).unwrap().count(), 1);
    train(&stranger.join("letter.txt"), &[]).fails(2, &["not a directory"]);
    for command in ["eval", "explain"] {
        foveate(&[command, "--run", text(&stranger)]).fails(2, &["holds no run"]);
    }
}

#[test]
fn images_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |images: &Path| {
        foveate(&[
            "explain",
            "--run",
            text(trained()),
            "--images",
            text(images),
        ])
    };
    explain(&folder.path().join("missing")).fails(2, &["missing"]);
    explain(folder.path()).fails(2, &["holds no image"]);
    for (name, bytes, said) in [
        ("empty.png", &b""[..], "no pixels"),
        ("rubbish.jpg", b"this is no picture", "rubbish.jpg"),
        (
            "cut.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x05",
            "cut.png",
        ),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        explain(&file).fails(2, &[name, said]);
    }
    let stray = |p: &PathBuf| text(p).contains("attention.png");
    let media: Vec<_> = fs::read_dir(trained().join("media"))
        .unwrap()
        .flatten()
        .collect();
    assert!(!media.iter().any(|e| stray(&e.path())));
}

// ---- failures ----

#[test]
#[cfg(target_os = "linux")]
fn without_an_adapter_it_says_so() {
    let nothing = [
        ("VK_DRIVER_FILES", "/nonexistent.json"),
        ("VK_ICD_FILENAMES", "/nonexistent.json"),
        ("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent.json"),
        ("LIBGL_DRIVERS_PATH", "/nonexistent"),
        ("FOVEATE_BACKEND", "vulkan"),
        ("FOVEATE_ADAPTER", ""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let run = format!("--run={}", folder.path().join("run").display());
    let train = ["train", "--agent=sac", "--env=native/reach", &run];
    foveate_with(&train, &nothing).fails(1, &["no GPU adapter found", "install"]);
    foveate_with(&["devices"], &nothing).fails(1, &["no GPU adapter found"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_replay_larger_than_memory_is_refused_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let refused = train(&run, &["--set=replay_capacity=1000000000"]);
    refused.fails(1, &["memory"]);
    assert!(!run.exists(), "nothing was begun");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_two_are_an_error() {
    let (_folder, run) = copy_of_trained();
    let [older, newer] = &checkpoints(&run)[..] else {
        panic!("two checkpoints are kept");
    };
    let mut bytes = fs::read(newer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(newer, &bytes).unwrap();
    let eval = ["eval", "--run", text(&run), "--modes=train", "--json"];
    let answer = foveate(&eval);
    assert_eq!(json(answer.succeeds())["step"], 16);
    assert!(answer.err.contains("step-000000000020"), "{}", answer.err);

    // Resuming passes it over too and comes to the same end as the run itself.
    let whole = fs::read(&checkpoints(trained())[1]).unwrap();
    foveate(&["train", "--run", text(&run), "--resume", "--quiet"]).succeeds();
    assert!(
        fs::read(newer).unwrap() == whole,
        "other bits than uninterrupted"
    );

    fs::write(newer, &bytes).unwrap();
    let half = fs::read(older).unwrap();
    fs::write(older, &half[..half.len() / 2]).unwrap();
    foveate(&eval).fails(
        1,
        &["no checkpoint", "step-000000000016", "step-000000000020"],
    );
    fs::remove_file(older).unwrap();
    fs::remove_file(newer).unwrap();
    foveate(&eval).fails(2, &["no checkpoint yet"]);
}

#[test]
fn a_checkpoint_of_another_architecture_is_refused_by_name() {
    let (_folder, run) = copy_of_trained();
    let file = run.join("config.toml");
    let config = fs::read_to_string(&file).unwrap();
    let other = config.replace("hidden_dim = 16", "hidden_dim = 24");
    assert_ne!(config, other);
    fs::write(&file, other).unwrap();
    for command in [
        &["eval"][..],
        &["explain"],
        &["train", "--resume", "--quiet"],
    ] {
        let given = [command, &["--run", text(&run)]].concat();
        foveate(&given).fails(2, &["another architecture", "[24"]);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let diverged = train(&run, &["--steps=40", "--set=critic_lr=1e30"]);
    diverged.fails(1, &["_loss became", "last checkpoint is good"]);
    // The one from before the first update.
    let [kept] = &checkpoints(&run)[..] else {
        panic!("{:?}", checkpoints(&run));
    };
    assert!(kept.ends_with("step-000000000008.safetensors"));
    foveate(&["eval", "--run", text(&run), "--modes=train"]).succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_stops_training_and_room_lets_it_go_on() {
    let folder = tempfile::tempdir().unwrap();
    // A file system of its own, in a mount namespace that ends with the shell. Three
    // checkpoints do not fit, so the third fails while two are kept.
    let script = r#"
        disk=$1; shift; program=$1; shift
        mount -t tmpfs -o size="$SIZE" none "$disk" || exit 77
        "$program" train --run "$disk/run" --steps 40 "$@"
        echo "first $?"; ls "$disk/run/checkpoints"
        "$program" eval --run "$disk/run" --modes train >/dev/null; echo "eval $?"
        mount -o remount,size=64m "$disk"
        "$program" train --run "$disk/run" --resume --quiet >/dev/null; echo "second $?"
        ls "$disk/run/checkpoints"
    "#;
    let checkpoint = checkpoints(trained())[1].metadata().unwrap().len();
    let output = assert_cmd::Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh", text(folder.path())])
        .arg(env!("CARGO_BIN_EXE_foveate"))
        .args(["--agent=sgqn", "--env=native/reach"])
        .args(SMALL)
        // Room for the logs and the replay beside two checkpoints and a half.
        .env("SIZE", (checkpoint * 5 / 2 + 200_000).to_string())
        .output();
    let output = match output {
        Ok(output) if ![Some(1), Some(77)].contains(&output.status.code()) => output,
        _ => {
            eprintln!("skipped: no file system can be mounted here");
            return;
        }
    };
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("the disk is full") && err.contains("--resume"),
        "{out}{err}"
    );
    let (before, after) = out
        .split_once("eval 0")
        .unwrap_or_else(|| panic!("{out}{err}"));
    assert!(before.contains("first 1"), "{out}{err}");
    assert_eq!(before.matches(".safetensors").count(), 2, "{out}{err}");
    assert!(after.contains("second 0"), "{out}{err}");
    assert!(
        after.contains("step-000000000040.safetensors"),
        "{out}{err}"
    );
}
