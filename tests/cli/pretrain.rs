//! `foveate pretrain`: small runs from collected frames, and resumed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use foveate::pretrain::{Method, PretrainConfig, PretrainLayers};

use super::support::{Answer, LATE, all_files, be_late, checkpoints, copy, foveate, json, text};

/// 40 frames of 16×16 with saliency, collected once.
pub fn frames() -> &'static Path {
    static FRAMES: OnceLock<PathBuf> = OnceLock::new();
    FRAMES.get_or_init(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pretrain-frames");
        collect(&out, 1)
    })
}

/// 40 frames of 16×16 with saliency, in place of those that are there.
fn collect(out: &Path, seed: u32) -> PathBuf {
    let seed = format!("--seed={seed}");
    let world = ["--env=native/reach", "--policy=random", "--frames=40"];
    let rest = ["--size=16", "--fresh", "--quiet", "--out", text(out), &seed];
    foveate(&[&["collect"], &world[..], &rest].concat()).succeeds();
    out.join("frames.safetensors")
}

/// A model of 7,000 parameters, six updates.
pub fn pretrain(method: &str, run: &Path, more: &[&str]) -> Answer {
    let small = [
        "image_size=16",
        "patch=4",
        "batch=4",
        "dim=16",
        "decoder_dim=16",
        "depth=1",
        "heads=2",
        "decoder_heads=2",
        "num_encoded_tokens=6",
        "warmup_steps=2",
        "checkpoint_freq=3",
        "log_freq=2",
    ];
    let set = small.iter().flat_map(|s| ["--set", s]);
    let mut given = vec!["pretrain", method, "--quiet", "--no-tune", "--steps=6"];
    given.extend(set);
    let data = format!("--data={}", frames().display());
    let run = format!("--run={}", run.display());
    given.extend([data.as_str(), run.as_str()]);
    foveate(&[&given, more].concat())
}

#[test]
fn both_methods_write_a_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    for (method, decoders) in [("mae", 1), ("multimae", 3)] {
        let run = folder.path().join(method);
        let answer = pretrain(method, &run, &[]);
        let told = "hidden RGB patches are restored with error ";
        assert!(answer.succeeds().starts_with(told), "{}", answer.out);
        let told = " times that of showing the mean image (";
        assert!(answer.out.contains(told), "{}", answer.out);
        let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
        assert_eq!(summary["steps"], 6);
        assert_eq!(
            (&summary["images"], &summary["validation_images"]),
            (&36.into(), &4.into())
        );
        let error = |key: &str| {
            let error = summary[key].as_f64().unwrap();
            assert!(error.is_finite() && error > 0.0, "{key}: {error}");
            error
        };
        let ratio = error("masked_rgb_error") / error("mean_image_error");
        assert!((error("masked_over_mean_image") - ratio).abs() < 1e-9);
        let both = method == "multimae";
        assert_eq!(summary["inputs"], if both { "rgb+saliency" } else { "rgb" });
        assert_eq!(summary.get("cross_modal").is_some(), both);
        assert_eq!(run.join("media/cross-modal.png").exists(), both);
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 4, "{metrics}");
        let last = json(metrics.lines().last().unwrap());
        assert!(last["loss"].as_f64().unwrap() > 0.0);
        assert_eq!(last.get("loss_norm_rgb").is_some(), decoders == 3);
        assert!(run.join("media/reconstructions.png").exists());
        assert_eq!(checkpoints(&run).len(), 2);
        // The weights are the last checkpoint's, beside the fixed position embeddings.
        let last = tensors(checkpoints(&run).last().unwrap());
        let weights = tensors(&run.join("weights.safetensors"));
        let fixed = |name: &str| name.contains("pos_emb");
        assert_eq!(
            weights.keys().filter(|n| fixed(n)).count(),
            [2, 5][decoders / 2]
        );
        for (name, bytes) in weights.iter().filter(|(name, _)| !fixed(name)) {
            assert_eq!(last.get(name), Some(bytes), "{name}");
        }
        // Of each parameter the optimiser has two moments.
        let moments = last
            .keys()
            .filter(|n| n.contains(".m.") || n.contains(".v."))
            .count();
        assert_eq!(2 * weights.keys().filter(|n| !fixed(n)).count(), moments);
    }
}

/// Bytes of a file's tensors by name.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    (tensors.tensors().into_iter())
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect()
}

/// From another run's weights, whole or without decoders; also if it is killed before its
/// first checkpoint.
#[test]
fn a_run_begins_with_given_weights() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    pretrain("multimae", &first, &[]).succeeds();
    let given = tensors(&first.join("weights.safetensors"));

    // Without learning they stay what they were.
    let still = ["--set", "lr=0"];
    let second = folder.path().join("second");
    let from = format!("--weights={}", first.display());
    let answer = pretrain(
        "multimae",
        &second,
        &[&[from.as_str()][..], &still].concat(),
    );
    answer.succeeds();
    assert!(
        answer.err.contains("the weights of the whole model"),
        "{}",
        answer.err
    );
    assert_eq!(tensors(&second.join("weights.safetensors")), given);
    let config = fs::read_to_string(second.join("config.toml")).unwrap();
    assert!(
        config.contains(&format!("weights = \"{}\"", first.display())),
        "{config}"
    );

    // As a kill before the first checkpoint leaves it.
    for file in checkpoints(&second) {
        fs::remove_file(file).unwrap();
    }
    fs::remove_file(second.join("weights.safetensors")).unwrap();
    pretrain("multimae", &second, &[&["--resume"][..], &still].concat()).succeeds();
    assert_eq!(tensors(&second.join("weights.safetensors")), given);

    // The encoder alone.
    let encoder = folder.path().join("encoder.safetensors");
    let file = fs::read(first.join("weights.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&file).unwrap();
    let kept = file.tensors().into_iter();
    let kept = kept.filter(|(name, _)| !name.starts_with("output_adapters."));
    fs::write(&encoder, safetensors::serialize(kept, None).unwrap()).unwrap();
    let third = folder.path().join("third");
    let from = format!("--weights={}", encoder.display());
    let answer = pretrain(
        "multimae",
        &third,
        &[&[from.as_str(), "--seed=9"][..], &still].concat(),
    );
    answer.succeeds();
    assert!(answer.err.contains("fresh decoders"), "{}", answer.err);
    let mixed = tensors(&third.join("weights.safetensors"));
    assert_eq!(
        mixed.keys().collect::<Vec<_>>(),
        given.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &mixed {
        let of_encoder = !name.starts_with("output_adapters.");
        if of_encoder || name.ends_with(".pos_emb") {
            assert_eq!(bytes, &given[name], "{name}");
        } else if name.ends_with("proj_context.weight") {
            assert_ne!(bytes, &given[name], "{name}");
        }
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    pretrain("multimae", &first, &[]).succeeds();
    let run = folder.path().join("run");
    let from = format!("--weights={}", first.display());
    let missing = format!("--weights={}", folder.path().join("no/such").display());
    let no_weights = format!("--weights={}", folder.path().display());
    let alone = folder.path().join("image.png");
    image::RgbImage::new(16, 16).save(&alone).unwrap();
    let alone = format!("--data={}", alone.display());
    for (method, more, says) in [
        (
            "multimae",
            &["--set", "dim=24", "--set", "heads=2"][..],
            &[
                "misshapen (",
                "global_tokens: F32 [1, 1, 16], not [1, 1, 24]",
            ][..],
        ),
        (
            "multimae",
            &["--set", "depth=2"],
            &["missing (12):", "encoder.1.attn.qkv.weight [48, 16]"],
        ),
        (
            "multimae",
            &["--set", "heads=4"],
            &["heads = 2; 4 are asked for"],
        ),
        ("mae", &[], &["multimae; mae is needed"]),
    ] {
        pretrain(method, &run, &[&[from.as_str()][..], more].concat()).fails(2, says);
        assert!(!run.exists(), "{more:?} left something");
    }
    pretrain("multimae", &run, &[&missing]).fails(2, &["cannot read the weights", "such"]);
    pretrain("multimae", &run, &[&no_weights]).fails(2, &["holds no weights.safetensors"]);
    // Given for RGB alone: what there is of saliency is not expected.
    let given = [
        "pretrain",
        "multimae",
        "--preset=tiny",
        "--quiet",
        &from,
        &alone,
    ];
    let run = format!("--run={}", run.display());
    let sizes = [
        "--set=image_size=16",
        "--set=patch=4",
        "--set=dim=16",
        "--set=heads=2",
    ];
    let rest = [
        "--set=depth=1",
        "--set=decoder_dim=16",
        "--set=decoder_heads=2",
        "--set=num_encoded_tokens=6",
        &run,
    ];
    foveate(&[&given[..], &sizes, &rest].concat()).fails(
        2,
        &["unexpected (", "input_adapters.saliency.proj.bias [16]"],
    );
}

/// From its middle a run ends with the bits that it ended with before.
#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    pretrain("multimae", &whole, &[]).succeeds();
    let half = folder.path().join("half");
    copy(&whole, &half);
    let files = checkpoints(&half);
    fs::remove_file(files.last().unwrap()).unwrap();
    fs::remove_file(half.join("weights.safetensors")).unwrap();
    be_late(&half);
    pretrain("multimae", &half, &["--resume"]).succeeds();
    let bytes = |run: &Path| -> Vec<Vec<u8>> {
        let files = checkpoints(run);
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    };
    let parameters = |run: &Path| {
        let file = bytes(run).pop().unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let mut all: Vec<(String, Vec<u8>)> = (tensors.tensors().into_iter())
            .map(|(name, view)| (name, view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(parameters(&half), parameters(&whole));
    let seconds: Vec<f64> = (fs::read_to_string(half.join("metrics.jsonl"))
        .unwrap()
        .lines())
    .map(|line| json(line)["seconds"].as_f64().unwrap())
    .collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
    assert!(seconds[seconds.len() - 1] > LATE, "{seconds:?}");
    let weights = |run: &Path| fs::read(run.join("weights.safetensors")).unwrap();
    assert_eq!(weights(&half), weights(&whole));
    let summary = json(&fs::read_to_string(half.join("summary.json")).unwrap());
    assert!(
        summary["train_seconds"].as_f64().unwrap() > LATE,
        "{summary}"
    );
    // It cannot become shorter than it is.
    let config = || fs::read_to_string(half.join("config.toml")).unwrap();
    let before = config();
    let data = format!("--data={}", frames().display());
    let run = format!("--run={}", half.display());
    foveate(&["pretrain", "multimae", "--resume", "--steps=3", &data, &run])
        .fails(2, &["steps is 6 in the run", "it cannot become 3"]);
    assert_eq!(config(), before);
    // Parameters have the released names.
    let names: Vec<_> = parameters(&whole)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in [
        "global_tokens",
        "encoder.0.attn.qkv.weight",
        "output_adapters.rgb.mask_token",
    ] {
        assert!(names.iter().any(|n| n == name), "no {name}");
    }
}

/// The same model without saliency, though the recording has some.
#[test]
fn saliency_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("rgb");
    let more = ["--inputs=rgb", "--set", "num_encoded_tokens=4"];
    pretrain("multimae", &run, &more).succeeds();
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(summary["inputs"], "rgb");
    assert_eq!(summary.get("cross_modal"), None);
    let file = fs::read(checkpoints(&run).pop().unwrap()).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut names = tensors.names().into_iter();
    assert!(!names.any(|name| name.contains("saliency")));
}

/// Losses are near those of f32 and not the same; a device without f16 says so before
/// anything is written.
#[test]
fn operands_in_f16_where_the_device_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let loss = |run: &Path| {
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let last = json(metrics.lines().last().unwrap());
        last["loss"].as_f64().unwrap()
    };
    let [half, full] = ["half", "full"].map(|name| folder.path().join(name));
    let answer = pretrain("multimae", &half, &["--set", "precision=f16"]);
    if answer.code != 0 {
        assert!(answer.err.contains("has no f16"), "{}", answer.err);
        assert!(!half.exists());
        return;
    }
    pretrain("multimae", &full, &[]).succeeds();
    let (half, full) = (loss(&half), loss(&full));
    assert!(half != full, "nothing was rounded");
    assert!((half / full - 1.0).abs() < 0.01, "{half} / {full}");
}

/// It remembers that it was to leave saliency out, and is not talked out of it.
#[test]
fn a_resumed_run_sees_what_it_saw() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("rgb");
    let few = ["--set", "num_encoded_tokens=4"];
    let with = |flags: &[&str]| pretrain("multimae", &run, &[&few[..], flags].concat());
    with(&["--inputs=rgb"]).succeeds();
    let config = || fs::read_to_string(run.join("config.toml")).unwrap();
    let told = config();
    assert!(told.contains("inputs = \"rgb\"\n"), "{told}");
    let rewind = || fs::remove_file(checkpoints(&run).pop().unwrap()).unwrap();
    rewind();
    with(&["--resume"]).succeeds();
    with(&["--resume", "--inputs=rgb+saliency"]).fails(2, &["inputs is \"rgb\" in the run"]);

    // One from before the key was written goes on as it is told; what is wrong is not kept.
    let untold = told.replace("inputs = \"rgb\"\n", "");
    fs::write(run.join("config.toml"), &untold).unwrap();
    rewind();
    assert_ne!(with(&["--resume"]).code, 0);
    assert_eq!(config(), untold);
    with(&["--resume", "--inputs=rgb"]).succeeds();
    assert_eq!(config(), told);
    // Nor does it become another method's.
    pretrain("mae", &run, &[&few[..], &["--resume"]].concat())
        .fails(2, &["method is multimae in the run", "become mae"]);
}

/// Killed before its end, it does not go on with other images.
#[test]
fn a_run_goes_on_with_the_images_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    pretrain("multimae", &run, &[]).succeeds();
    fs::remove_file(checkpoints(&run).pop().unwrap()).unwrap();
    let before = all_files(&run);
    let other = collect(&folder.path().join("other"), 2);
    let data = format!("--data={}", other.display());
    let of_run = format!("--run={}", run.display());
    let resume = ["pretrain", "multimae", "--resume", "--quiet", &of_run];
    let refused = foveate(&[&resume[..], &[&data]].concat());
    refused.fails(2, &["began with other images", "--data", text(&run)]);
    assert!(all_files(&run) == before, "something changed");
    pretrain("multimae", &run, &["--resume"]).succeeds();
}

/// However they are given.
#[test]
fn weights_are_found_from_every_directory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("options.toml");
    fs::write(&file, "weights = \"some/run\"").unwrap();
    let base = || PretrainLayers {
        method: Some(Method::Mae),
        ..Default::default()
    };
    let set = |text: &str| PretrainLayers {
        set: vec![text.to_string()],
        ..base()
    };
    let by_flag = PretrainLayers {
        weights: Some("some/run".into()),
        ..base()
    };
    let by_file = PretrainLayers {
        file: Some(file),
        ..base()
    };
    let whole = std::path::absolute("some/run").unwrap();
    for layers in [by_flag, by_file, set("weights=some/run")] {
        let config = PretrainConfig::resolve(&layers).unwrap();
        assert_eq!(Path::new(&config.weights), whole, "{layers:?}");
    }
    let none = PretrainConfig::resolve(&set("weights=")).unwrap();
    assert_eq!(none.weights, "");
}

/// Killed before it has got anywhere, whatever became of the file that it began with.
#[test]
fn a_run_keeps_what_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let [first, other] = ["first", "other"].map(|name| folder.path().join(name));
    pretrain("multimae", &first, &[]).succeeds();
    pretrain("multimae", &other, &["--seed=9"]).succeeds();
    let given = folder.path().join("given.safetensors");
    fs::copy(first.join("weights.safetensors"), &given).unwrap();
    let run = folder.path().join("run");
    let from = format!("--weights={}", text(&given));
    let rare = ["--set", "checkpoint_freq=100"];
    pretrain("multimae", &run, &[&[from.as_str()][..], &rare].concat()).succeeds();
    let end = tensors(&run.join("weights.safetensors"));
    assert!(end != tensors(&given), "nothing was learned");

    // The weights of the end stay: a kill may fall between them and their checkpoint.
    let files = checkpoints(&run);
    assert_eq!(files.len(), 2, "at the beginning and at the end");
    fs::remove_file(&files[1]).unwrap();
    fs::copy(other.join("weights.safetensors"), &given).unwrap();
    pretrain("multimae", &run, &[&["--resume"][..], &rare].concat()).succeeds();
    assert!(tensors(&run.join("weights.safetensors")) == end);
}

/// Runs until RGB was hidden once and visible once.
const SEEDS: u32 = 4;

/// Of one patch an image either all is visible or nothing.
#[test]
fn where_nothing_is_hidden_there_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = [0; 2];
    for seed in 1..=SEEDS {
        let run = folder.path().join(seed.to_string());
        let seed = format!("--seed={seed}");
        let whole = ["--set", "patch=16", "--set", "num_encoded_tokens=1"];
        let one = ["--set", "validation=0.025", &seed];
        let answer = pretrain("multimae", &run, &[&whole[..], &one].concat());
        let out = answer.succeeds();
        let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
        assert_eq!(summary["validation_images"], 1);
        assert_eq!(summary.get("cross_modal"), None, "{summary}");
        let error = summary.get("masked_rgb_error");
        assert!(error.is_none_or(|e| e.is_f64()), "{summary}");
        assert_eq!(
            error.is_none(),
            out.contains("no patch of RGB was hidden"),
            "{out}"
        );
        assert!(!out.contains("NaN"), "{out}");
        told[usize::from(error.is_some())] += 1;
    }
    assert!(told.iter().all(|&runs| runs > 0), "{told:?}");
}

/// Half of all patches are visible in `tiny`, of one kind of image or of two; what is
/// given comes first.
#[test]
fn presets_count_visible_patches_for_the_images_that_there_are() {
    let visible = |rgb_alone, set: &[&str]| {
        let layers = PretrainLayers {
            method: Some(Method::MultiMae),
            set: set.iter().map(|s| s.to_string()).collect(),
            rgb_alone,
            ..Default::default()
        };
        PretrainConfig::resolve(&layers).unwrap().num_encoded_tokens
    };
    assert_eq!((visible(false, &[]), visible(true, &[])), (16, 8));
    assert_eq!(visible(true, &["num_encoded_tokens=5"]), 5);
}

#[test]
fn a_finished_run_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a run");
    let first = pretrain("multimae", &run, &[]);
    let next = format!("foveate probe '{}' --data DIR", run.display());
    assert!(first.succeeds().contains(&next), "{}", first.out);
    let before = all_files(&run);
    let again = pretrain("multimae", &run, &["--resume"]);
    for said in ["is finished at step 6: nothing was changed", &next] {
        assert!(again.succeeds().contains(said), "{}", again.out);
    }
    assert!(all_files(&run) == before, "something changed");
    // Killed before it was measured, it is measured.
    fs::remove_file(run.join("summary.json")).unwrap();
    let rest = pretrain("multimae", &run, &["--resume"]);
    assert!(!rest.succeeds().contains("is finished"), "{}", rest.out);
    assert!(run.join("summary.json").is_file());
}

#[test]
fn where_no_image_is_kept_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let answer = pretrain("mae", &run, &["--set", "validation=0"]);
    let said = "on the images that it was trained on, as none were kept";
    assert!(answer.succeeds().contains(said), "{}", answer.out);
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(
        (&summary["images"], &summary["validation_images"]),
        (&40.into(), &0.into())
    );
}
