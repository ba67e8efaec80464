//! `foveate train` with other eyes: a frozen encoder, inputs with saliency.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::pretrain;
use super::skip::skipped;
use super::support::{Answer, SMALL, checkpoints, foveate, foveate_with, json, text};

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
    let frozen = foveate(&explain);
    frozen.fails(
        2,
        &[
            "guided is about an agent's convolutions",
            "frozen encoder",
            "--method gradient, occlusion and rise",
            "--method attention",
        ],
    );
    foveate(&[&explain[..], &["--method=guided-gradcam"]].concat()).fails(2, &["guided-gradcam"]);
    // What asks for values, and what follows gradients through whatever there is, do.
    let methods = "--method=gradient,occlusion,rise";
    let at = [methods, "--masks=20", "--at=1", "--raw"];
    let written = foveate(&[&explain[..], &at].concat());
    let written: Vec<&str> = written.succeeds().lines().collect();
    assert!(written[0].ends_with("grid-step0001.png"), "{written:?}");
    let bytes = fs::read(written[1]).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for name in ["gradient.map", "occlusion.map", "rise.map"] {
        let map: Vec<f32> = bytemuck::pod_collect_to_vec(file.tensor(name).unwrap().data());
        assert!(map.iter().all(|v| v.is_finite()) && map.iter().any(|v| *v != 0.0));
    }
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
        let all = "--method=gradient,guided-gradcam,occlusion,rise";
        foveate(&[&explain[..], &[all, "--masks=10", "--at=0"]].concat()).succeeds();
        let photo = folder.path().join("photo.png");
        image::RgbImage::new(32, 32).save(&photo).unwrap();
        let images = format!("--images={}", folder.path().display());
        let says = [
            &format!("sees saliency (inputs={inputs})"),
            "leave --images out",
        ];
        foveate(&[&explain[..], &[&images]].concat()).fails(2, &says);
    }
}

fn text_of(kernel: &Value) -> &str {
    kernel.as_str().unwrap_or_default()
}

/// Kernels that were measured for the encoder are those of the resumed run too.
#[test]
fn a_resumed_run_embeds_with_the_kernels_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let source = pretrained(folder.path());
    let cache = folder.path().join("cache");
    let cache = [("FOVEATE_CACHE", text(&cache))];
    let run = folder.path().join("run");
    let run_flag = format!("--run={}", run.display());
    let encoder = format!("--encoder=multimae:{}", source.display());
    let given = [
        "train",
        "--agent=sac",
        "--env=native/reach",
        &run_flag,
        &encoder,
    ];
    foveate_with(&[&given, SMALL, &["--steps=9"]].concat(), &cache).succeeds();
    let kernels = || -> Vec<Value> {
        let tuning = json(&fs::read_to_string(run.join("tuning.json")).unwrap());
        tuning["kernels"].as_array().unwrap().clone()
    };
    // As if the most unlikely kernel of the embedding had been measured to be the best.
    let mut tuning = json(&fs::read_to_string(run.join("tuning.json")).unwrap());
    let class = (tuning["choices"].as_object().unwrap().keys())
        .find(|class| class.starts_with("matmul 16x"))
        .expect("a product of one image's patches")
        .clone();
    let with_subgroups = kernels().iter().any(|k| text_of(k).contains("subgroup"));
    let candidates: &[&str] = match with_subgroups {
        true => &[
            "32x64", "32x32", "32x16", "16x32", "16x16", "8x32", "32x8", "8x8",
        ],
        false => &["wide", "narrow"],
    };
    let (kept, before) = (if with_subgroups { "subgroup_" } else { "" }, kernels());
    let odd = (candidates.iter())
        .map(|tile| format!("matmul/matmul.{kept}{tile}"))
        .find(|key| !before.contains(&key.as_str().into()));
    let Some(odd) = odd else {
        skipped("the run uses every kernel of products");
        return;
    };
    tuning["choices"][&class] = odd.as_str().into();
    fs::write(run.join("tuning.json"), tuning.to_string()).unwrap();
    let resume = ["train", &run_flag, "--resume", "--quiet", "--steps=12"];
    foveate_with(&resume, &cache).succeeds();
    assert!(
        kernels().contains(&odd.as_str().into()),
        "{class}: {:?}",
        kernels()
    );
}

#[test]
fn what_cannot_be_seen_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = pretrained(folder.path());
    let encoder = format!("--encoder=multimae:{}", source.display());
    let missing = "--encoder=multimae:nowhere/at/all";
    let run = folder.path().join("run");
    for (more, says) in [
        (&[encoder.as_str(), "--set=image_size=18"][..], "18"),
        (&[encoder.as_str(), "--set=encoder_heads=3"], "heads"),
        (
            &["--inputs=rgbs", "--env=dm_control/walker-walk"],
            "has no saliency",
        ),
        (&[&encoder, "--inputs=rgbs"], "rgb+saliency"),
        (&[&encoder, "--agent=sgqn"], "'agent' is sgqn"),
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
        let mut given = vec!["train", &run];
        if !more.iter().any(|m| m.starts_with("--env")) {
            given.push("--env=native/reach");
        }
        given.extend(agent);
        given.extend(kept);
        given.extend_from_slice(more);
        foveate(&given).fails(2, &[says]);
    }
    assert!(!run.exists());
}
