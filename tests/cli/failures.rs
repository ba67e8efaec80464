//! Failures while doing what was rightly asked: exit code 1, and nothing lost.

use std::fs;

use super::skip::skipped;
use super::support::{
    SMALL, checkpoints, copy_of_trained, foveate, foveate_with, json, text, train, trained,
};

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
    let said = "the largest replay_capacity that fits is ";
    refused.fails(
        2,
        &["out of memory: replay_capacity=1000000000 needs", said],
    );
    let number = |text: &str| -> u64 {
        let digits = text.split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    };
    let after = |text: &str| number(refused.err.split_once(text).unwrap().1);
    // The preset's frames are 32×32 pixels.
    assert!(after(" needs ") > 1_000_000_000 * 3 * 32 * 32);
    assert!((1..1_000_000_000).contains(&after(said)), "{}", refused.err);
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
        .env(
            "FOVEATE_CACHE",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
        )
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
            skipped("no file system can be mounted here");
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
