//! `foveate train` with other eyes: a frozen encoder, inputs with saliency.

use std::fs;
use std::path::{Path, PathBuf};

use super::pretrain;
use super::support::{Answer, SMALL, checkpoints, foveate, text};

/// A small SAC in a directory.
fn train(run: &Path, more: &[&str]) -> Answer {
    let run = format!("--run={}", run.display());
    let given = ["train", "--agent=sac", "--env=native/reach", &run];
    foveate(&[&given, SMALL, more].concat())
}

/// A pretraining run of a few updates, 16×16 pixels.
fn pretrained(folder: &Path) -> PathBuf {
    let run = folder.join("pretrained");
    pretrain::pretrain("multimae", &run, &[]).succeeds();
    run
}

/// The run keeps its encoder: it goes on, to the same bits, when the pretraining run is
/// gone.
#[test]
fn sac_trains_on_a_frozen_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let source = pretrained(folder.path());
    let encoder = format!("--encoder=multimae:{}", source.display());
    let flags = [encoder.as_str(), "--inputs=rgb+saliency"];
    let run = folder.path().join("run");
    train(&run, &[&flags[..], &["--steps=24"]].concat()).succeeds();
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("image_size = 16"), "{config}");
    assert!(run.join("encoder.safetensors").exists());

    let half = folder.path().join("half");
    train(&half, &[&flags[..], &["--steps=16"]].concat()).succeeds();
    fs::remove_dir_all(&source).unwrap();
    let run_flag = format!("--run={}", half.display());
    foveate(&["train", &run_flag, "--resume", "--steps=24", "--quiet"]).succeeds();
    let tensors = |run: &Path| {
        let file = fs::read(checkpoints(run).last().unwrap()).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let mut all: Vec<(String, Vec<u8>)> = (tensors.tensors().into_iter())
            .map(|(name, view)| (name, view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert!(tensors(&half) == tensors(&run));

    let eval = ["eval", "--run", text(&run), "--episodes=2"];
    foveate(&eval).succeeds();
    let explain = ["explain", "--run", text(&run)];
    foveate(&explain).fails(2, &["frozen encoder", "--method attention"]);
    let data = format!("--data={}", pretrain::frames().display());
    let attention = [
        "explain",
        "--run",
        text(&run),
        "--method=attention",
        &data,
        "--count=2",
    ];
    let written = foveate(&attention);
    assert_eq!(written.succeeds().lines().count(), 3);
    assert!(run.join("media/attention.safetensors").exists());
}

#[test]
fn a_cnn_trains_on_every_input() {
    let folder = tempfile::tempdir().unwrap();
    for inputs in ["saliency", "rgb-times-saliency", "rgbs"] {
        let run = folder.path().join(inputs);
        let flag = format!("--inputs={inputs}");
        train(&run, &[&flag, "--steps=10"]).succeeds();
        foveate(&["eval", "--run", text(&run), "--episodes=1"]).succeeds();
        let explain = ["explain", "--run", text(&run)];
        foveate(&explain).succeeds();
    }
}

#[test]
fn what_cannot_be_seen_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = pretrained(folder.path());
    let encoder = format!("--encoder=multimae:{}", source.display());
    let missing = "--encoder=multimae:nowhere/at/all";
    let run = folder.path().join("run");
    for (more, says) in [
        (&[encoder.as_str(), "--set=image_size=32"][..], "image_size"),
        (&[&encoder, "--inputs=rgbs"], "rgb+saliency"),
        (&[&encoder, "--agent=sgqn"], "agent"),
        (&[&encoder.replace("multimae", "mae")], "multimae:"),
        (&[missing], "nowhere/at/all"),
        (&["--encoder=vit"], "multimae:PATH"),
        (&["--inputs=depth"], "rgb-times-saliency"),
    ] {
        // A later --agent would be a second one.
        let kept = SMALL.iter().copied();
        let agent = match more.iter().any(|m| m.starts_with("--agent")) {
            true => None,
            false => Some("--agent=sac"),
        };
        let run = format!("--run={}", run.display());
        let mut given = vec!["train", "--env=native/reach", &run];
        given.extend(agent);
        given.extend(kept);
        given.extend_from_slice(more);
        foveate(&given).fails(2, &[says]);
    }
    assert!(!run.exists());
}
