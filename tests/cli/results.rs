//! What the program does when all is well.

use std::fs;
use std::path::Path;

use foveate::agents::evaluate::{Actor, returns};
use foveate::agents::{Agent, env_options, evaluation_seed, load_agent};
use foveate::config::Config;
use foveate::envs::native::Mode;
use foveate::gpu::{Gpu, GpuOptions};
use foveate::run::RunDirectory;

use super::support::{SMALL, checkpoints, copy_of_trained, foveate, json, text, trained};

#[test]
fn every_subcommand_explains_itself_with_an_example() {
    let whole = foveate(&["--help"]);
    for name in [
        "devices", "train", "eval", "explain", "sweep", "report", "demo", "bench",
    ] {
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

/// The ceilings and the rows that pass the filter, as JSON lines, and a picture.
#[test]
fn the_bench_prints_json_lines_and_draws_a_chart() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("bench.png");
    let given = format!("--plot={}", plot.display());
    let answer = foveate(&["bench", "--quick", "--json", "--filter=quantile", &given]);
    let rows: Vec<_> = answer.succeeds().lines().map(json).collect();
    let (last, ceilings) = rows.split_last().unwrap();
    assert!(ceilings.iter().all(|row| row["pass"] == "ceiling"));
    assert_eq!((ceilings.len(), &last["name"]), (4, &"quantile".into()));
    let copy = ceilings.iter().find(|row| row["name"] == "ceiling copy");
    let of = |row: &serde_json::Value| row["gbps"].as_f64().unwrap();
    let percent = 100.0 * of(last) / of(copy.unwrap());
    assert!((last["percent_of_ceiling"].as_f64().unwrap() - percent).abs() < 1e-6);
    assert!(fs::read(plot).unwrap().starts_with(b"\x89PNG"));
    // A table, for people.
    let table = foveate(&["bench", "--quick", "--filter=ceiling"]);
    assert!(table.succeeds().starts_with("name "));
    assert_eq!(table.succeeds().lines().count(), 5);
}

#[test]
fn training_leaves_a_complete_run_directory() {
    let run = trained();
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(summary["steps"], 20);
    // Updates begin at step init_steps.
    assert_eq!(summary["updates"], 12);
    assert!(summary["train"].as_f64().unwrap().is_finite());
    assert!(summary["memory_bytes"]["replay"].as_u64().unwrap() > 0);
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

/// In a line each before it starts, and exactly in the summary.
#[test]
fn training_says_what_it_takes_on_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let given = ["train", "--agent=sgqn", "--env=native/reach", "--run"];
    let loud: Vec<&str> = (SMALL.iter().copied())
        .filter(|option| *option != "--quiet")
        .collect();
    let answer = foveate(&[&given[..], &[text(&run), "--steps=1"], &loud].concat());
    answer.succeeds();
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    let memory = &summary["memory_bytes"];
    let of = |key: &str| memory[key].as_u64().unwrap();
    // 200 transitions of frames of 32×32 pixels, and at most a tenth more than those.
    let frames = 200 * 3 * 32 * 32;
    assert!(
        (frames..frames + frames / 10).contains(&of("replay")),
        "{memory}"
    );
    // The checkpoint holds the same tensors, a header and the environment.
    let checkpoint = checkpoints(&run)[0].metadata().unwrap().len();
    let header = 32 * 1024;
    assert!(of("state") + header > checkpoint, "{memory}: {checkpoint}");
    assert!(of("state") < checkpoint + header, "{memory}: {checkpoint}");
    assert!(
        of("programs") > 0 && of("pictures") == 2 * 3 * 32 * 32,
        "{memory}"
    );

    let line = answer
        .err
        .lines()
        .find(|l| l.starts_with("memory on the device: "));
    let line = line.unwrap_or_else(|| panic!("{}", answer.err));
    assert!(line.contains("replay 6"), "{line}");
    for part in [
        "parameters and optimisers ",
        "programs ",
        "overlay pictures 6 KiB",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let before_training = answer.err.split("step 1/1").next().unwrap();
    assert!(before_training.contains(line), "{}", answer.err);

    let programs = summary["program_bytes"].as_array().unwrap();
    let sum = |key: &str| -> u64 { programs.iter().map(|p| p[key].as_u64().unwrap()).sum() };
    assert_eq!(sum("planned"), of("programs"));
    let ratio = sum("planned") as f64 / sum("worst_moment") as f64;
    let said = format!(", {ratio:.2} × the least possible");
    assert!(line.contains(&said), "{said}: {line}");
    let names: Vec<_> = programs.iter().map(|p| p["program"].as_str()).collect();
    assert!(names.contains(&Some("act sampled")), "{names:?}");

    let made = &summary["kernels_made"];
    assert!(made["seconds"].as_f64().unwrap() > 0.0, "{made}");
    // Evaluation may need some more.
    let said = before_training.split("made ").nth(1).unwrap();
    let (said, _) = said.split_once(" kernels in ").unwrap();
    let (said, made): (u64, _) = (said.parse().unwrap(), made["count"].as_u64().unwrap());
    assert!((made - 5..=made).contains(&said), "{said} of {made}");
}

/// The returns are those of the agent in that look, in episodes that it was not trained on.
///
/// Sabotages tried: the seed of training, the look of training in every mode. Each turns
/// this red.
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
        let returns = result["returns"].as_array().unwrap();
        let right = judged(trained(), mode.parse().unwrap(), 3);
        assert_eq!(returns.len(), right.len());
        for (told, right) in returns.iter().zip(&right) {
            // Kernels that were measured add up in another order.
            let told = told.as_f64().unwrap() as f32;
            assert!((told - right).abs() < 0.05, "{mode}: {told} {right}");
        }
    }
    let of = |mode: &str| modes[mode]["mean"].as_f64().unwrap();
    assert!((of("train") - of("video-hard")).abs() > 0.1, "{answer}");
    let again = foveate(&["eval", "--run", run, "--json", "--episodes=3"]);
    assert_eq!(first.out, again.out);

    let some = foveate(&["eval", "--run", run, "--modes=video-hard,train,train"]);
    let some = some.succeeds();
    assert!(some.contains("video-hard") && some.contains("train") && !some.contains("color"));
    assert_eq!(some.matches("train").count(), 1);
}

/// Returns of a run's agent, without the program.
fn judged(run: &Path, mode: Mode, episodes: usize) -> Vec<f32> {
    let gpu = Gpu::new_blocking(GpuOptions::default()).unwrap();
    let directory = RunDirectory::open(run).unwrap();
    let config = Config::read(&directory.config()).unwrap();
    let agent = Agent::new(&gpu, &config, 2).unwrap();
    load_agent(&directory, &agent, &mut |text| panic!("{text}")).unwrap();
    let mut options = env_options(&config, mode, 1, None);
    options.seed = evaluation_seed(config.seed);
    let actor = Actor::Agent(&agent);
    returns(&gpu, &options, config.frame_stack, &actor, episodes).unwrap()
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
        let given = ["demo", "--run", text(&run), "--steps=2502", "--quiet"];
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
    assert!(summary["memory_bytes"]["programs"].as_u64().unwrap() > 0);
    assert!(!summary["adapter"].as_str().unwrap().is_empty());
    // The preset's init_steps are 2,500: steps 2,500 and 2,501 update.
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

/// What another command or a person put into its folders is not the demo's to remove.
#[test]
fn a_demo_that_starts_over_leaves_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("demo");
    let demo = |more: &[&str]| {
        let given = ["demo", "--run", text(&run), "--steps=2", "--quiet"];
        foveate(&[&given[..], more].concat())
    };
    let begun = demo(&[]);
    begun.succeeds();
    // It has no --set, by which `train` would do with fewer random steps.
    let warned = begun.err.contains("nothing will be learned");
    assert!(warned && !begun.err.contains("--set"), "{}", begun.err);
    let others = [
        "media/cat.png.attention.png",
        "checkpoints/old.txt",
        "notes",
    ];
    for name in others {
        fs::write(run.join(name), "mine").unwrap();
    }
    demo(&["--fresh", "--seed=2"]).succeeds();
    for name in others {
        assert_eq!(fs::read(run.join(name)).unwrap(), b"mine", "{name}");
    }
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(
        (&summary["seed"], &summary["steps"]),
        (&2.into(), &2.into())
    );
}
