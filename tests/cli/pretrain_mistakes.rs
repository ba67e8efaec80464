//! `foveate pretrain`: what is refused, before anything is written.

use std::fs;

use super::pretrain::{frames, pretrain};
use super::support::{copy_of_trained, foveate, text};

/// A device that there is not, and images that are damaged, leave no run behind; what was
/// in the directory stays.
#[test]
fn a_run_that_cannot_begin_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    pretrain("multimae", &run, &["--adapter", "no such device"]).fails(2, &["no such device"]);
    assert!(!run.exists());

    let broken = folder.path().join("frames.safetensors");
    let whole = fs::read(frames()).unwrap();
    fs::write(&broken, &whole[..whole.len() - 9]).unwrap();
    let data = format!("--data={}", broken.display());
    let of_run = format!("--run={}", run.display());
    foveate(&["pretrain", "multimae", &data, &of_run]).fails(2, &["frames.safetensors"]);
    assert!(!run.exists());

    fs::create_dir(&run).unwrap();
    fs::write(run.join("mine.txt"), "mine").unwrap();
    pretrain("multimae", &run, &[]).fails(2, &["empty"]);
    assert_eq!(fs::read_dir(&run).unwrap().count(), 1);
}

#[test]
fn mistakes_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    for (more, says) in [
        (&["--set", "patch=5"][..], "image_size"),
        (
            &["--set", "num_encoded_tokens=33"],
            "33 visible patches of 32",
        ),
        (&["--set", "num_encoded_tokens=32"], "1 to 31"),
        (&["--inputs=depth"], "rgb or rgb+saliency"),
        (&["--set", "inputs=rgbs"], "rgb or rgb+saliency"),
        (
            &["--set", "num_encoded_tokens=0"],
            "num_encoded_tokens is 0",
        ),
        (&["--set", "image_size=32"], "16×16"),
        (&["--set", "dim=18"], "dim is 18"),
        (&["--set", "saliency_loss=l2"], "weighted-mse"),
        (&["--set", "precision=f8"], "f16"),
        (
            &["--set", "saliency_weight=-1"],
            "saliency_weight is -1; it must be",
        ),
        (&["--set", "method=mae"], "method is mae in the options"),
        (&["--set", "warmup_steps=7"], "warmup_steps is 7"),
        (&["--set", "lernrate=1"], "there is no option 'lernrate'"),
        (
            &["--set", "batch=many"],
            "option 'batch' in --set is \"many\", but must be an integer from 0",
        ),
        (&["--set", "batch=-1"], "is -1, but must be an integer"),
        (&["--set", "lr=fast"], "but must be a number"),
        (&["--set", "flip=1"], "is 1, but must be true or false"),
        (&["--preset", "huge"], "preset 'huge'"),
        (&["--saliency", "no/such/folder"], "no/such/folder"),
        (&["--resume"], "run"),
    ] {
        pretrain("multimae", &run, more).fails(2, &[says]);
        assert!(!run.exists(), "{more:?} left something");
    }
    pretrain("vae", &run, &[]).fails(2, &["mae or multimae"]);
    let more = ["--inputs=rgb+saliency"];
    pretrain("mae", &run, &more).fails(2, &["'inputs' is rgb+saliency", "must be rgb:"]);
    // Photos, whose maps are somewhere else.
    image::RgbImage::new(16, 16)
        .save(folder.path().join("photo.png"))
        .unwrap();
    let data = format!("--data={}", text(folder.path()));
    let of_run = format!("--run={}", text(&run));
    foveate(&["pretrain", "multimae", &data, &of_run, more[0]])
        .fails(2, &["holds no saliency maps", "--saliency DIR"]);
    assert!(!run.exists());
}

/// What there is to resume is no pretraining, or not all of one.
#[test]
fn options_that_are_none_are_named() {
    let (folder, run) = copy_of_trained();
    let resume = || pretrain("mae", &run, &["--resume"]);
    let data = format!("--data={}", frames().display());
    resume().fails(2, &["is a run of foveate train", "foveate train --resume"]);
    let file = run.join("config.toml");
    for wrong in ["batch = 4\n", "batch = "] {
        fs::write(&file, wrong).unwrap();
        resume().fails(2, &[text(&file)]);
    }
    let nothing = format!("--run={}", folder.path().join("nothing").display());
    let answer = foveate(&["pretrain", "mae", "--resume", &data, &nothing]);
    answer.fails(2, &["holds no run"]);
    assert!(!answer.err.contains("foveate train"), "{}", answer.err);

    let run = folder.path().join("pretrained");
    pretrain("mae", &run, &[]).succeeds();
    foveate(&["train", "--resume", "--run", text(&run)]).fails(
        2,
        &["is a run of foveate pretrain", "foveate pretrain --resume"],
    );
}
