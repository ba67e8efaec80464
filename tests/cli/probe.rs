//! `foveate probe`: what it reads of a state that the embedding holds, and what it
//! refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use foveate::data::{ImageSet, Moment, Recording};
use foveate::gpu::{Gpu, GpuOptions};
use foveate::pretrain::features;
use foveate::pretrained::PretrainedEncoder;

use super::support::{Answer, foveate, json, text};

/// Frames of 16×16 in episodes, and an encoder of one block with saliency and one without.
struct Small {
    root: PathBuf,
}

fn small() -> &'static Small {
    static SMALL: OnceLock<Small> = OnceLock::new();
    SMALL.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-probe");
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        let small = Small { root };
        small.collect("frames", &["--frames=220", "--size=16"]);
        for (run, inputs) in [("both", "rgb+saliency"), ("alone", "rgb")] {
            foveate(&[
                "pretrain",
                "multimae",
                "--quiet",
                "--no-tune",
                "--steps=4",
                "--set=image_size=16",
                "--set=patch=4",
                "--set=batch=4",
                "--set=dim=16",
                "--set=decoder_dim=16",
                "--set=depth=1",
                "--set=heads=2",
                "--set=decoder_heads=2",
                "--set=num_encoded_tokens=6",
                "--set=warmup_steps=2",
                &format!("--inputs={inputs}"),
                &format!("--data={}", text(&small.file("frames"))),
                &format!("--run={}", text(&small.root.join(run))),
            ])
            .succeeds();
        }
        small
    })
}

impl Small {
    fn collect(&self, name: &str, more: &[&str]) {
        let out = format!("--out={}", text(&self.root.join(name)));
        let given = ["collect", "--env=native/reach", "--quiet", "--fresh", &out];
        foveate(&[&given, more].concat()).succeeds();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name).join("frames.safetensors")
    }

    fn probe(&self, run: &str, data: &Path, more: &[&str]) -> Answer {
        let run = self.root.join(run);
        let given = ["probe", text(&run), "--quiet", "--data", text(data)];
        foveate(&[&given, more].concat())
    }
}

#[test]
fn it_reads_what_is_recorded() {
    let small = small();
    let data = small.root.join("frames");
    for (inputs, width) in [("rgb", 3 * 64), ("rgb+saliency", 4 * 64)] {
        let answer = small.probe("both", &data, &["--json", "--inputs", inputs]);
        let answer = json(answer.succeeds());
        assert_eq!(answer["inputs"], inputs);
        assert_eq!(answer["embedding_width"], 16);
        assert_eq!(answer["training"]["frames"], 220 - 20);
        let r2 = &answer["r2"];
        let coordinates = r2["coordinates"].as_object().unwrap();
        assert_eq!(coordinates.len(), 6);
        let all: Vec<f64> = (coordinates.values())
            .filter_map(|c| c["embedding"].as_f64())
            .collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((r2["mean"]["embedding"].as_f64().unwrap() - mean).abs() < 1e-9);
        assert!(all.iter().all(|r2| *r2 <= 1.0), "{width}: {answer}");
    }
    let table = small.probe("both", &data, &["--coordinates", "ball_y,ball_x"]);
    let table = table.succeeds();
    let rows: Vec<_> = (table.lines().skip(3))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(rows, ["ball_y", "ball_x", "mean"], "{table}");
}

/// A state that is a linear map of the embedding is read perfectly, from the images that
/// it was made of.
#[test]
fn a_state_that_is_linear_in_the_embedding_is_read() {
    let small = small();
    let gpu = Gpu::new_blocking(GpuOptions::default()).unwrap();
    let encoder = PretrainedEncoder::open(&gpu, &small.root.join("both")).unwrap();
    let set = ImageSet::read(&small.file("frames"), None).unwrap();
    let mut done = vec![];
    let embedding =
        features::embeddings(&gpu, &encoder, &set, false, &mut |n| done.push(n)).unwrap();
    // 220 is no multiple of the batch.
    assert_eq!((embedding.width, embedding.values.len()), (16, 16 * 220));
    assert_eq!(done.last(), Some(&220));

    let mut recording = Recording::new(220, 16, 3).unwrap();
    for (i, row) in embedding.values.chunks_exact(16).enumerate() {
        let salient: u32 = (set.saliency(i).unwrap().iter())
            .map(|&v| u32::from(v))
            .sum();
        recording
            .push(&Moment {
                frame: set.image(i).unwrap(),
                saliency: set.saliency(i),
                state: &[
                    300.0 * row[3] - 200.0 * row[8] + 1.0,
                    (i * 7919 % 220) as f32,
                    salient as f32,
                ],
                episode: (i / 11) as u64,
            })
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    recording.write_tensors(folder.path(), "{}").unwrap();
    let read = |inputs: &str| {
        let answer = small.probe("both", folder.path(), &["--json", "--inputs", inputs]);
        json(answer.succeeds())["r2"]["coordinates"].clone()
    };
    let rgb = read("rgb");
    assert!(
        rgb["state 0"]["embedding"].as_f64().unwrap() > 0.999,
        "{rgb}"
    );
    assert!(rgb["state 1"]["embedding"].as_f64().unwrap() < 0.5, "{rgb}");
    // Another embedding does not hold it.
    let both = read("rgb+saliency");
    // The plain features see as much as the encoder does.
    let mean = |of: &serde_json::Value| of["state 2"]["mean_colour"].as_f64().unwrap();
    assert!(mean(&both) > 0.999_999, "{both}");
    assert!(mean(&rgb) < 0.999, "{rgb}");
    let (rgb, both) = (&rgb["state 0"]["embedding"], &both["state 0"]["embedding"]);
    assert!(
        both.as_f64().unwrap() < rgb.as_f64().unwrap() - 1e-6,
        "{both} {rgb}"
    );
}

#[test]
fn mistakes_are_refused() {
    let small = small();
    let data = small.root.join("frames");
    small.collect("short", &["--frames=40", "--size=16"]);
    small.collect("large", &["--frames=160", "--size=32"]);
    let wrong = |run: &str, data: &str, more: &[&str], says: &[&str]| {
        small
            .probe(run, &small.root.join(data), more)
            .fails(2, says);
    };
    wrong("both", "short", &[], &["1 episode;", "at least 3"]);
    wrong("both", "large", &[], &["32×32", "16×16"]);
    wrong("both", "nowhere", &[], &["nowhere"]);
    wrong("nowhere", "frames", &[], &["nowhere"]);
    wrong("both", "frames", &["--held-out=1"], &["less than 1"]);
    let more = ["--inputs", "rgb+saliency"];
    wrong("alone", "frames", &more, &["trained on RGB alone"]);
    let more = ["--coordinates", "ball_z"];
    wrong(
        "both",
        "frames",
        &more,
        &["no coordinate 'ball_z'", "disc_x"],
    );
    let given = small.probe("both", &data, &["--inputs", "depth"]);
    given.fails(2, &["rgb or rgb+saliency"]);

    // One state too few.
    let bytes = fs::read(small.file("frames")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let short = file.tensors().into_iter().map(|(name, view)| {
        let mut shape = view.shape().to_vec();
        let mut data = view.data();
        if ["state", "episode"].contains(&name.as_str()) {
            data = &data[..data.len() / shape[0] * (shape[0] - 1)];
            shape[0] -= 1;
        }
        let view = safetensors::tensor::TensorView::new(view.dtype(), shape, data);
        (name, view.unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.safetensors");
    fs::write(&path, safetensors::serialize(short, None).unwrap()).unwrap();
    let says = ["frames.safetensors", "219 of 220 frames"];
    small.probe("both", &path, &[]).fails(2, &says);

    // A recording of an environment that tells neither state nor saliency.
    let set = ImageSet::read(&small.file("frames"), None).unwrap();
    for (states, says) in [(0, "'state'"), (1, "'saliency'")] {
        let mut recording = Recording::new(9, 16, states).unwrap();
        for i in 0..9 {
            recording
                .push(&Moment {
                    frame: set.image(i).unwrap(),
                    saliency: None,
                    state: &[i as f32][..states],
                    episode: i as u64,
                })
                .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        recording.write_tensors(folder.path(), "{}").unwrap();
        let more = ["--inputs", "rgb+saliency"];
        small.probe("both", folder.path(), &more).fails(2, &[says]);
    }
}
