//! `foveate explain`: methods, grids, numbers and scores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use foveate::saliency::{MeanScore, Score};

use super::skip::skipped;
use super::support::{Answer, SMALL, copy, copy_of_trained, foveate, json, text, trained};

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

/// A grid for each moment that is asked for; unasked one, early in an episode, which may
/// have fewer steps than that.
#[test]
fn grids_are_of_the_moments_that_are_asked_for() {
    let (folder, run) = copy_of_trained();
    let out = ["--out", text(folder.path()), "--modes=train", "--show=map"];
    let grids = |more: &[&str]| {
        let given = ["explain", "--run", text(&run), "--quiet"];
        let paths = written(&foveate(&[&given[..], &out, more].concat()));
        names(&paths)
            .into_iter()
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let every = grids(&["--episode-steps=7", "--every=3"]);
    assert_eq!(
        every,
        [
            "grid-step0000.png",
            "grid-step0003.png",
            "grid-step0006.png"
        ]
    );
    assert_eq!(grids(&["--episode-steps=1"]), ["grid-step0000.png"]);
    assert_eq!(grids(&[]), ["grid-step0010.png"]);
    // Episodes of 100 control steps.
    let config = run.join("config.toml");
    let told = fs::read_to_string(&config).unwrap();
    let longer = told.replace("action_repeat = 4", "action_repeat = 20");
    assert_ne!(longer, told);
    fs::write(&config, longer).unwrap();
    assert_eq!(grids(&[]), ["grid-step0004.png"]);
}

/// A task that ends before its time has no moment after that.
#[cfg(unix)]
#[test]
fn a_moment_after_the_end_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let promised = r#"{"promises": 9}"#;
    let plan = format!("[{}]", [promised; 9].join(","));
    let python = super::dying::python(folder.path(), &plan);
    let run = format!("--run={}", folder.path().join("run").display());
    let python = format!("--python={}", text(&python));
    let train = [
        "train",
        "--agent=sac",
        "--env=dm_control/stub-task",
        "--steps=10",
    ];
    foveate(&[&train[..], &[run.as_str(), python.as_str()], SMALL].concat()).succeeds();
    let explain = |more: &str| {
        let given = ["explain", &run, &python, "--quiet", "--modes=train", more];
        foveate(&given)
    };
    explain("--at=9").fails(2, &["no step 9", "9 steps"]);
    explain("--at=3,7").fails(2, &["no step 7", "5 steps"]);
    explain("--at=3").succeeds();
    explain("--episode-steps=8").succeeds();
}

/// Of several runs each is explained with the kernels that it was trained with, in company
/// as alone.
///
/// Sabotage tried: the choices of the last run for all. Turns this red.
#[test]
fn each_agent_keeps_its_kernels() {
    let folder = tempfile::tempdir().unwrap();
    let oddly_tuned = |from: &Path, name: &str| {
        let run = folder.path().join(name);
        copy(from, &run);
        let file = run.join("tuning.json");
        let mut tuning = json(&fs::read_to_string(&file).unwrap());
        // Adds up in another order.
        tuning["choices"]["layer_norm/forward 1x8"] = "layer_norm/forward.rows_quads".into();
        fs::write(file, tuning.to_string()).unwrap();
        run
    };
    let maps = |runs: &[&Path], name: &str| {
        let out = folder.path().join(name);
        let flags = runs.iter().flat_map(|run| ["--run", text(run)]);
        let given = [
            "--quiet",
            "--modes=train",
            "--at=3",
            "--raw",
            "--out",
            text(&out),
        ];
        let all: Vec<&str> = ["explain"].into_iter().chain(flags).chain(given).collect();
        fs::read(&written(&foveate(&all))[1]).unwrap()
    };
    let (same, changed) = (
        oddly_tuned(trained(), "same"),
        oddly_tuned(other(), "changed"),
    );
    let alone = maps(&[trained()], "alone");
    if maps(&[&same], "odd") == alone {
        skipped("both kernels have the same bits here");
        return;
    }
    assert!(maps(&[trained(), &changed], "together") == alone);
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

/// The scores are those of the maps that --raw writes: of the newest frame, by its colour of
/// the largest magnitude, against the pixels that the task is about.
#[test]
fn scores_are_those_of_the_maps() {
    let folder = tempfile::tempdir().unwrap();
    let given = [
        "--method=guided,rise",
        "--masks=40",
        "--score",
        "--json",
        "--raw",
        "--modes=train,color-hard",
        "--episode-steps=7",
        "--every=3",
        "--out",
        text(folder.path()),
    ];
    let rows = json(explain(&given).succeeds());
    let bytes = fs::read(folder.path().join("maps.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = |name: &str| file.tensor(name).unwrap().data().to_vec();
    let integers = |name: &str| -> Vec<i32> { bytemuck::pod_collect_to_vec(&data(name)) };
    let (sources, segmentation) = (integers("source"), data("segmentation"));
    let area = segmentation.len() / sources.len();
    assert_eq!(sources.len(), 3 * 2);
    let mut compared = 0;
    for method in ["guided", "rise"] {
        let maps: Vec<f32> = bytemuck::pod_collect_to_vec(&data(&format!("{method}.map")));
        let masks = data(&format!("{method}.mask"));
        for (source, look) in ["train", "color-hard"].into_iter().enumerate() {
            let mut mean = MeanScore::default();
            for (i, _) in sources
                .iter()
                .enumerate()
                .filter(|(_, s)| **s == source as i32)
            {
                let stack = maps.len() / sources.len();
                let newest = &maps[(i + 1) * stack - 3 * area..][..3 * area];
                let strongest: Vec<f32> = (0..area)
                    .map(|p| [0, 1, 2].map(|c| newest[c * area + p].abs()))
                    .map(|colours| colours.into_iter().fold(0.0, f32::max))
                    .collect();
                let frames = masks.len() / sources.len();
                let mask = &masks[(i + 1) * frames - area..][..area];
                let mask: Vec<bool> = mask.iter().map(|&v| v == 1).collect();
                let truth: Vec<bool> = (segmentation[i * area..][..area].iter())
                    .map(|&id| id >= 2)
                    .collect();
                mean.add(Score::of(&strongest, &mask, &truth));
            }
            let row = (rows.as_array().unwrap().iter())
                .find(|row| row["method"] == method && row["look"] == look)
                .unwrap();
            let right = mean.mean().unwrap();
            for (name, right) in [
                ("pointing", right.pointing),
                ("precision", right.precision),
                ("recall", right.recall),
                ("auc", right.auc),
                ("chance", right.chance),
            ] {
                let printed = row[name].as_f64().unwrap();
                assert!((printed - right).abs() < 1e-12, "{name}: {right}, {row}");
            }
            assert_eq!(row["moments"], mean.pictures);
            compared += mean.pictures;
        }
    }
    assert!(compared >= 8, "{compared}");
}

/// What a window covers is black already, so that nothing depends on it: such a map has no
/// mask, and its frame is counted.
///
/// Sabotage tried: the mask of training. Turns this red.
#[test]
fn nothing_is_kept_where_a_map_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let black = folder.path().join("black.png");
    image::RgbImage::new(36, 36).save(&black).unwrap();
    let photo = folder.path().join("photo.png");
    image::RgbImage::from_fn(36, 36, |x, y| image::Rgb([x as u8 * 7, y as u8 * 7, 40]))
        .save(&photo)
        .unwrap();
    let (images, out) = (text(folder.path()), folder.path().join("out"));
    let given = [
        "--images",
        images,
        "--method=occlusion",
        "--out",
        text(&out),
        "--show=mask",
        "--raw",
    ];
    let answer = explain(&given);
    answer.succeeds();
    let said = "1 of 2 maps is 0 everywhere: nothing is kept";
    assert!(answer.err.contains(said), "{}", answer.err);
    let bytes = fs::read(out.join("maps.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mask = file.tensor("occlusion.mask").unwrap();
    let kept: Vec<usize> = (mask.data().chunks(mask.data().len() / 2))
        .map(|mask| mask.iter().filter(|v| **v == 1).count())
        .collect();
    assert!(kept[0] == 0 && kept[1] > 0, "{kept:?}");
    // Whole rows of pictures say so too.
    let panels = explain(&given[..5]);
    panels.succeeds();
    assert!(panels.err.contains(said), "{}", panels.err);
}

/// One mask is its own mean: RISE has nothing to say.
#[test]
fn empty_maps_are_counted_as_misses() {
    let given = [
        "--method=guided,rise",
        "--masks=1",
        "--score",
        "--modes=train",
        "--episode-steps=6",
        "--every=3",
    ];
    let with = |more: &str| explain(&[&given[..], &[more]].concat());
    let rows = json(with("--json").succeeds());
    let (guided, rise) = (&rows[0], &rows[1]);
    assert_eq!(
        (&guided["moments"], &guided["empty"]),
        (&2.into(), &0.into())
    );
    assert_eq!((&rise["moments"], &rise["empty"]), (&2.into(), &2.into()));
    for (score, right) in [
        ("pointing", 0.0),
        ("precision", 0.0),
        ("recall", 0.0),
        ("auc", 0.5),
    ] {
        assert_eq!(rise[score], right, "{score}");
    }
    let csv = with("--csv");
    let lines: Vec<&str> = csv.succeeds().lines().collect();
    assert!(lines[0].ends_with(",moments,empty"), "{}", lines[0]);
    assert!(
        lines[1].ends_with(",2,0") && lines[2].ends_with(",2,2"),
        "{lines:?}"
    );
    let table = explain(&given);
    let lines: Vec<&str> = table.succeeds().lines().collect();
    assert!(lines[0].ends_with("moments  empty"), "{}", lines[0]);
    assert!(lines[2].ends_with("2      2"), "{}", lines[2]);
}

/// What the colours of segmentation and map mean stands under the pictures.
#[test]
fn pictures_have_legends() {
    use foveate::media::colormap::{class_colour, diverging_colour};
    let folder = tempfile::tempdir().unwrap();
    let out = ["--out", text(folder.path()), "--modes=train", "--at=3"];
    for more in [&["--show=map"][..], &[]] {
        let path = &written(&explain(&[&out[..], more].concat()))[0];
        let picture = foveate::media::image_file::read(path).unwrap();
        let below = picture.height() - 60;
        // Background, floor, ball, disc; then what raises Q and what lowers it.
        let colours = (0..4)
            .map(class_colour)
            .chain([1.0, -1.0].map(diverging_colour));
        for colour in colours {
            let samples = (below..picture.height())
                .flat_map(|y| (0..picture.width()).map(move |x| (x, y)))
                .filter(|&(x, y)| picture.get(x, y) == Some(colour))
                .count();
            assert!(samples >= 81, "{path:?}: {samples} of {colour:?}");
        }
    }
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
    let too_many = ["--method=rise", "--masks=1000000"];
    explain(&too_many).fails(2, &["1000000 masks of 7×7", "657930 fit into memory"]);
    // Attention asks nothing of other methods' options.
    let attention = ["--method=attention", "--data=frames"];
    let with = |more: &str| explain(&[&attention[..], &[more]].concat());
    with("--masks=9").fails(2, &["--masks", "--method rise"]);
    with("--window=4").fails(2, &["--window", "--method occlusion"]);
    for more in ["--at=3", "--every=2", "--show=map", "--raw"] {
        with(more).fails(2, &["cannot be used with"]);
    }
    explain(&["--method=attention,guided"]).fails(2, &["attention", "guided-gradcam"]);
    explain(&["--method=rise", "--masks=9", "--at=25"]).fails(2, &["step 25", "25 steps"]);
    explain(&["--score", "--images=photos"]).fails(2, &["cannot be used with"]);
    explain(&["--json"]).fails(2, &["--score"]);
    explain(&["--csv"]).fails(2, &["--score"]);
    // Beside what forbids --score, too.
    for beside in ["--images=photos", "--data=photos", "--show=overlay"] {
        for format in ["--json", "--csv"] {
            explain(&[format, beside]).fails(2, &[format, "cannot be used with"]);
        }
    }

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
