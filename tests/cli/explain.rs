//! `foveate explain`: methods, grids, numbers and scores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::support::{Answer, SMALL, copy_of_trained, foveate, json, text, trained};

/// A second agent of the same environment, trained once.
fn other() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-other");
        if run.exists() {
            fs::remove_dir_all(&run).unwrap();
        }
        let flag = format!("--run={}", run.display());
        let given = [
            "train",
            "--agent=sac",
            "--env=native/reach",
            "--steps=20",
            &flag,
        ];
        foveate(&[&given, SMALL].concat()).succeeds();
        run
    })
}

fn explain(more: &[&str]) -> Answer {
    foveate(&[&["explain", "--run", text(trained()), "--quiet"], more].concat())
}

/// Paths that were printed.
fn written(answer: &Answer) -> Vec<PathBuf> {
    answer.succeeds().lines().map(PathBuf::from).collect()
}

fn names(paths: &[PathBuf]) -> Vec<&str> {
    let names = paths.iter().map(|p| p.file_name().unwrap());
    names.map(|n| n.to_str().unwrap()).collect()
}

const ALL: &str = "--method=gradient,guided,guided-gradcam,occlusion,rise";

#[test]
fn each_method_draws_moments_and_films() {
    let folder = tempfile::tempdir().unwrap();
    let out = ["--out", text(folder.path()), "--modes=train"];
    for (method, more) in [
        ("guided-gradcam", "--raw"),
        ("occlusion", "--window=6x5"),
        ("rise", "--masks=70"),
    ] {
        let method = format!("--method={method}");
        let given = [&out[..], &[&method, more, "--at=2,4"]].concat();
        let paths = written(&explain(&given));
        for path in &paths {
            assert!(path.is_file(), "{path:?}");
        }
        let film = [&out[..], &[&method, more, "--episode-steps=4", "--every=2"]].concat();
        assert!(written(&explain(&film))[0].is_file());
    }
    let mut files: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "attention-guided-gradcam-step0002.png",
        "attention-guided-gradcam-step0004.png",
        "attention-guided-gradcam.gif",
        "attention-occlusion-step0002.png",
        "attention-occlusion-step0004.png",
        "attention-occlusion.gif",
        "attention-rise-step0002.png",
        "attention-rise-step0004.png",
        "attention-rise.gif",
        "maps.safetensors",
    ];
    assert_eq!(files, expected);
}

/// Rows are agents, columns observation, methods and truth; one grid for each look.
#[test]
fn agents_and_methods_make_a_grid() {
    let folder = tempfile::tempdir().unwrap();
    let out = ["--out", text(folder.path()), "--masks=60"];
    let both = [
        "--run",
        text(other()),
        ALL,
        "--modes=train,video-hard",
        "--at=3",
    ];
    let paths = written(&explain(&[&out[..], &both].concat()));
    let expected = ["grid-train-step0003.png", "grid-video-hard-step0003.png"];
    assert_eq!(names(&paths), expected);
    let grid = image::open(&paths[0]).unwrap();
    let cell = 140;
    assert!(grid.width() >= 7 * cell && grid.height() >= 2 * cell);
    // Of one agent the rows are its looks.
    let one = [&out[..], &["--method=guided,rise", "--show=mask", "--at=0"]].concat();
    assert_eq!(names(&written(&explain(&one))), ["grid-step0000.png"]);
}

/// Of the same options the same bytes: of maps, masks and what they are about.
#[test]
fn maps_come_as_numbers_with_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| -> Vec<u8> {
        let out = folder.path().join(name);
        let given = [
            ALL,
            "--masks=50",
            "--at=1,2",
            "--modes=train,color-hard",
            "--raw",
            "--run",
            text(other()),
            "--out",
            text(&out),
        ];
        let paths = written(&explain(&given));
        assert_eq!(
            names(&paths[4..]),
            ["maps-sgqn.safetensors", "maps-sac.safetensors"]
        );
        fs::read(&paths[4]).unwrap()
    };
    let bytes = read("first");
    assert!(bytes == read("second"), "the bytes differ");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
    let floats = |name: &str| -> Vec<f32> {
        bytemuck::pod_collect_to_vec(file.tensor(name).unwrap().data())
    };
    let (n, frames, side) = (4, 2, 32);
    let frames = shape("guided.mask")[1].max(frames);
    for method in ["gradient", "guided", "guided-gradcam", "occlusion", "rise"] {
        assert_eq!(shape(&format!("{method}.map")), [n, 3 * frames, side, side]);
        assert_eq!(shape(&format!("{method}.mask")), [n, frames, side, side]);
        let map = floats(&format!("{method}.map"));
        assert!(map.iter().all(|v| v.is_finite()), "{method}");
    }
    // Both are the same for the channels of a frame, RISE for all frames too.
    let area = side * side;
    let (covered, masked) = (floats("occlusion.map"), floats("rise.map"));
    assert_eq!(covered[..area], covered[2 * area..3 * area]);
    assert_ne!(covered[..area], covered[3 * area..4 * area]);
    assert_eq!(masked[..area], masked[3 * area..4 * area]);
    assert!(masked.iter().any(|v| *v > 0.0) && masked.iter().any(|v| *v < 0.0));
    assert_eq!(shape("segmentation"), [n, side, side]);
    assert_eq!(shape("observation"), [n, 3 * frames, side, side]);
    assert_eq!(shape("q"), [n]);
    let integers = |name: &str| -> Vec<i32> {
        bytemuck::pod_collect_to_vec(file.tensor(name).unwrap().data())
    };
    assert_eq!(integers("step"), [1, 1, 2, 2]);
    assert_eq!(integers("source"), [0, 1, 0, 1]);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let notes = json(&header.metadata().clone().unwrap()["foveate"]);
    assert_eq!(notes["sources"][1], "color-hard");
    assert_eq!(notes["agent"], "sgqn");
    let options = notes["methods"]["rise"]["options"].as_str().unwrap();
    assert!(options.contains("50 masks of 7×7"), "{options}");
    let options = notes["methods"]["occlusion"]["options"].as_str().unwrap();
    assert!(options.contains("window 8×8, stride 4×4, baseline 0"));
}

#[test]
fn image_files_make_grids_too() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    image::RgbImage::from_fn(50, 40, |x, y| image::Rgb([x as u8 * 5, y as u8 * 6, 40]))
        .save(&photo)
        .unwrap();
    let given = [
        "--images",
        text(&photo),
        "--method=guided,occlusion",
        "--all-frames",
        "--run",
        text(other()),
        "--raw",
        "--out",
        text(folder.path()),
    ];
    let paths = written(&explain(&given));
    let expected = [
        "photo.png.grid.png",
        "maps-sgqn.safetensors",
        "maps-sac.safetensors",
    ];
    assert_eq!(names(&paths), expected);
    let grid = image::open(&paths[0]).unwrap();
    assert!(grid.width() > 3 * 140 && grid.height() > 2 * 110);
}

#[test]
fn scores_compare_with_the_truth() {
    let given = [
        "--run",
        text(other()),
        "--method=guided,occlusion",
        "--score",
        "--modes=train,video-hard",
        "--episode-steps=6",
        "--every=3",
    ];
    let table = explain(&given);
    let lines: Vec<&str> = table.succeeds().lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 2 * 2);
    for head in [
        "agent",
        "method",
        "look",
        "pointing",
        "precision",
        "recall",
        "auc",
    ] {
        assert!(lines[0].contains(head), "{}", lines[0]);
    }
    assert!(lines[1].starts_with("sgqn") && lines[1].contains("guided"));
    assert!(lines[8].starts_with("sac") && lines[8].contains("video-hard"));

    let rows = json(explain(&[&given[..], &["--json"]].concat()).succeeds());
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert_eq!(row["moments"], 2);
        for share in ["pointing", "precision", "recall", "auc", "chance"] {
            let value = row[share].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&value), "{row}");
        }
        let chance = row["chance"].as_f64().unwrap();
        assert!(chance > 0.001 && chance < 0.2, "{chance}");
    }
    let csv = explain(&[&given[..], &["--csv"]].concat());
    let lines: Vec<&str> = csv.succeeds().lines().collect();
    assert_eq!(lines.len(), 9);
    let cells: Vec<&str> = lines[1].split(',').collect();
    assert_eq!(cells.len(), lines[0].split(',').count());
    let precision = lines[0].split(',').position(|c| c == "precision").unwrap();
    let printed: f64 = cells[precision].parse().unwrap();
    assert_eq!(Some(printed), rows[0]["precision"].as_f64());
}

#[test]
fn mistakes_are_named() {
    let all = ["guided-gradcam", "occlusion", "rise", "attention"];
    explain(&["--method=shap"]).fails(2, &[&["shap"], &all[..]].concat());
    explain(&["--method=rize"]).fails(2, &["'rise'"]);
    explain(&["--method=occlusion", "--window=40"]).fails(2, &["height is 40", "32"]);
    explain(&["--method=occlusion", "--stride=9"]).fails(2, &["stride is 9", "1 to 8"]);
    explain(&["--method=occlusion", "--window=wide"]).fails(2, &["wide", "10x7"]);
    explain(&["--method=occlusion", "--baseline=nan"]).fails(2, &["baseline", "finite"]);
    explain(&["--method=rise", "--cells=33"]).fails(2, &["33 cells", "1 to 32"]);
    explain(&["--method=rise", "--probability=0"]).fails(2, &["probability is 0", "above 0"]);
    explain(&["--method=rise", "--masks=0"]).fails(2, &["masks", "0"]);
    explain(&["--method=guided", "--masks=9"]).fails(2, &["--masks", "--method rise"]);
    explain(&["--method=rise", "--stride=2"]).fails(2, &["--stride", "--method occlusion"]);
    explain(&["--method=attention,guided"]).fails(2, &["attention", "guided-gradcam"]);
    explain(&["--method=rise", "--masks=9", "--at=25"]).fails(2, &["step 25", "25 steps"]);
    explain(&["--score", "--images=photos"]).fails(2, &["cannot be used with"]);
    explain(&["--json"]).fails(2, &["--score"]);

    // A real suite knows no truth; the same for agents of different environments.
    let (_folder, run) = copy_of_trained();
    let config = run.join("config.toml");
    let told = fs::read_to_string(&config).unwrap();
    let swap = |env: &str| {
        let swapped = told.replace("\"native/reach\"", env);
        assert_ne!(swapped, told);
        fs::write(&config, swapped).unwrap();
    };
    swap("\"dm_control/walker-walk\"");
    let score = ["explain", "--run", text(&run), "--score"];
    foveate(&score).fails(2, &["walker-walk", "native/reach", "--score"]);
    let cartpole = tempfile::tempdir().unwrap();
    let cartpole = cartpole.path().join("run");
    let flag = format!("--run={}", cartpole.display());
    let given = [
        "train",
        "--agent=sac",
        "--env=native/cartpole",
        "--steps=8",
        &flag,
    ];
    foveate(&[&given, SMALL].concat()).succeeds();
    explain(&["--run", text(&cartpole)]).fails(2, &["native/cartpole", "same moments"]);
}
