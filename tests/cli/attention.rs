//! `foveate explain --method attention`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::pretrain::{frames, pretrain};
use super::support::{Answer, SMALL, foveate, text, trained};

/// A finished run of pretraining, made once.
fn pretrained() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-pretrained");
        if run.exists() {
            fs::remove_dir_all(&run).unwrap();
        }
        pretrain("multimae", &run, &[]).succeeds();
        run
    })
}

fn explain(run: &Path, more: &[&str]) -> Answer {
    let given = ["explain", "--method=attention", "--run", text(run)];
    foveate(&[&given[..], more].concat())
}

#[test]
fn every_image_gets_a_sheet_and_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let out = text(folder.path());
    let data = format!("--data={}", text(frames()));
    let answer = explain(pretrained(), &[&data, "--count=3", "--out", out]);
    let written: Vec<&str> = answer.succeeds().lines().collect();
    let names = ["000000.png", "000013.png", "000026.png"].map(|n| format!("attention-{n}"));
    let expected = names.iter().map(String::as_str);
    for (path, name) in written
        .iter()
        .zip(expected.chain(["attention.safetensors"]))
    {
        assert!(path.ends_with(name), "{path}");
        assert!(Path::new(path).is_file(), "{path}");
    }
    assert_eq!(written.len(), 4);
    // Input, rollout and two heads; RGB and saliency.
    let sheet = image::open(written[0]).unwrap();
    assert!(sheet.width() > 4 * 140 && sheet.height() > 2 * 140);
    let bytes = fs::read(written[3]).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("attention").unwrap().shape(), [3, 1, 2, 33]);
    assert_eq!(file.tensor("rollout").unwrap().shape(), [3, 33]);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let texts = header.metadata().clone().unwrap();
    assert_eq!(texts["images"], "0,13,26");
    assert_eq!(
        texts["tokens"],
        "rgb 0..16, saliency 16..32, global token 32"
    );

    // Images without maps: RGB alone; into the run, as no other place is named.
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    image::RgbImage::new(16, 16)
        .save(photos.join("black.png"))
        .unwrap();
    let data = format!("--data={}", text(&photos));
    explain(pretrained(), &[&data]).succeeds();
    assert!(pretrained().join("media/attention-000000.png").is_file());
    // The file of weights itself, and images twice as large.
    image::RgbImage::new(32, 32)
        .save(photos.join("black.png"))
        .unwrap();
    let file = pretrained().join("weights.safetensors");
    explain(&file, &[&data, "--image-size=32", "--out", out]).succeeds();
}

/// The encoder of an agent is given what the agent gives it, whatever the images have.
#[test]
fn an_agents_encoder_sees_what_the_agent_sees() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("agent");
    let encoder = format!("--encoder=multimae:{}", text(pretrained()));
    let of_run = format!("--run={}", text(&run));
    let given = ["train", "--agent=sac", "--env=native/reach", "--steps=8"];
    foveate(&[&given, SMALL, &[&encoder, &of_run]].concat()).succeeds();
    let data = format!("--data={}", text(frames()));
    let out = folder.path().join("out");
    let seen = || {
        let bytes = fs::read(out.join("attention.safetensors")).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        header.metadata().clone().unwrap()["tokens"].clone()
    };
    let look = |data: &str| explain(&run, &[data, "--count=1", "--out", text(&out)]);
    look(&data).succeeds();
    assert_eq!(seen(), "rgb 0..16, global token 16");

    // Of one that sees saliency, and has not begun: its encoder is where it was.
    let config = run.join("config.toml");
    let told = fs::read_to_string(&config).unwrap();
    let both = told.replace("inputs = \"rgb\"", "inputs = \"rgb+saliency\"");
    assert_ne!(both, told);
    fs::write(&config, both).unwrap();
    fs::remove_file(run.join("encoder.safetensors")).unwrap();
    look(&data).succeeds();
    assert_eq!(seen(), "rgb 0..16, saliency 16..32, global token 32");
    let photo = folder.path().join("photo.png");
    image::RgbImage::new(16, 16).save(&photo).unwrap();
    let photos = format!("--data={}", text(folder.path()));
    look(&photos).fails(
        2,
        &["holds no saliency maps", "the agent in", "--saliency DIR"],
    );
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("--data={}", text(frames()));
    explain(trained(), &[&data]).fails(2, &["no attention", "--method guided"]);
    explain(pretrained(), &[]).fails(2, &["needs --data", "16×16"]);
    image::RgbImage::new(24, 16)
        .save(folder.path().join("wide.png"))
        .unwrap();
    let wide = format!("--data={}", text(folder.path()));
    let answer = explain(pretrained(), &[&wide]);
    answer.fails(2, &["are 16×24", "takes 16×16"]);
    assert!(!answer.err.contains("--image-size"), "{}", answer.err);
    image::RgbImage::new(24, 24)
        .save(folder.path().join("wide.png"))
        .unwrap();
    explain(pretrained(), &[&wide]).fails(2, &["are 24×24", "--image-size 24"]);
    let file = pretrained().join("weights.safetensors");
    explain(&file, &[&data]).fails(2, &["is not a run", "--out"]);
    explain(&file, &[&data, "--heads=3"]).fails(2, &["heads is 3"]);
    explain(&folder.path().join("none"), &[&data]).fails(2, &["cannot read the weights"]);
    explain(folder.path(), &[&data]).fails(2, &["holds no weights.safetensors"]);
    explain(pretrained(), &["--data=no/such"]).fails(2, &["no/such"]);
    explain(pretrained(), &[&data, "--images=photos"]).fails(2, &["cannot be used with"]);
    explain(pretrained(), &["--count=2"]).fails(2, &["--data"]);
    let run = text(trained());
    foveate(&["explain", "--run", run, &data]).fails(2, &["not for", "--images"]);
    let run = text(pretrained());
    foveate(&["explain", "--run", run]).fails(2, &["--method attention"]);
    foveate(&["eval", "--run", run]).fails(2, &["has no agent"]);
}
