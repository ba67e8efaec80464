//! `foveate train` with every agent, and what is done with what it learned.

use std::fs;
use std::path::Path;

use foveate::data::ImageSet;

use super::support::{SMALL, checkpoints, foveate, json, text};

/// The losses that each agent has tell which parts of its update ran.
#[test]
fn every_agent_trains_with_its_own_losses() {
    let folder = tempfile::tempdir().unwrap();
    for (agent, more, consistency, auxiliary) in [
        ("drq", "--set=batch=5", false, false),
        ("rad", "--set=batch=5", false, false),
        ("curl", "--set=batch=5", false, true),
        ("pad", "--set=batch=5", false, true),
        ("soda", "--set=soda_batch_size=6", false, true),
        ("svea-soda", "--set=soda_batch_size=6", false, true),
        ("svea-soda", "--set=svea_augmentation=conv", false, true),
        ("svea", "--set=svea_augmentation=overlay", false, false),
        ("svea", "--set=svea_augmentation=conv", false, false),
        ("sac-consistency", "--set=batch=5", true, false),
        ("sac-self-supervision", "--set=batch=5", false, true),
        ("sgqn", "--set=batch=5", true, true),
        ("sgqn", "--set=aux_augmentation=conv", true, true),
        ("soda", "--set=aux_augmentation=conv", false, true),
        ("dqn", "--set=batch=5", false, false),
        ("dqn", "--set=double_q=false", false, false),
        ("sgqn-dqn", "--set=batch=5", true, true),
    ] {
        let name = format!("{agent}-{}", more.rsplit('=').next().unwrap());
        let run = folder.path().join(&name);
        let flags = [&format!("--agent={agent}"), "--env=native/reach", more];
        let run_flag = format!("--run={}", run.display());
        let given = [
            &[
                "train",
                &run_flag,
                "--steps=16",
                "--set=epsilon_decay_steps=14",
            ],
            &flags[..],
            SMALL,
        ]
        .concat();
        foveate(&given).succeeds();
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        for (loss, expected) in [
            ("critic_loss", true),
            ("consistency_loss", consistency),
            ("aux_loss", auxiliary),
        ] {
            assert_eq!(
                metrics.contains(loss),
                expected,
                "{name}: {loss}: {metrics}"
            );
        }
        assert_eq!(metrics.contains("actor_loss"), !agent.ends_with("dqn"));
        // ε of the step that a line of training is of; half of it is gone in the end.
        let epsilon: Vec<f64> = (metrics.lines().map(json))
            .filter(|row| row["kind"] == "train")
            .filter_map(|row| row["epsilon"].as_f64())
            .collect();
        match agent.ends_with("dqn") {
            true => {
                let right = (0..8).map(|learning| 1.0 - 0.95 * f64::from(learning) / 14.0);
                let right: Vec<f64> = right.collect();
                assert_eq!(epsilon.len(), right.len(), "{metrics}");
                let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
                assert!(epsilon.iter().zip(&right).all(close), "{epsilon:?}");
            }
            false => assert!(epsilon.is_empty(), "{metrics}"),
        }
    }
    // An augmentation changes what is learned.
    let last = |name: &str| fs::read(checkpoints(&folder.path().join(name)).last().unwrap());
    assert_ne!(last("svea-overlay").unwrap(), last("svea-conv").unwrap());
}

/// A run whose frames are larger than what its agent sees is evaluated, explained and
/// collected from like any other; a film of it is as large as what is seen.
#[test]
fn an_agent_that_crops_is_looked_at_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let run_flag = format!("--run={}", run.display());
    let given = [
        "train",
        "--agent=rad",
        "--env=native/reach",
        &run_flag,
        "--steps=16",
    ];
    foveate(&[&given[..], SMALL].concat()).succeeds();
    let evaluate = [
        "eval",
        &run_flag,
        "--episodes=2",
        "--modes=train,video-hard",
    ];
    assert!(foveate(&evaluate).succeeds().contains("video-hard"));
    foveate(&["explain", &run_flag, "--episode-steps=3"]).succeeds();
    assert!(run.join("media/attention.gif").exists());

    let out = folder.path().join("frames");
    let policy = format!("--policy={}", run.display());
    let collect = [
        "collect",
        &policy,
        "--frames=5",
        "--quiet",
        "--out",
        text(&out),
    ];
    // What was drawn is kept: 40 pixels, of which the agent sees 32.
    foveate(&[&collect[..], &["--size=32"]].concat()).fails(2, &["size", "40"]);
    foveate(&collect).succeeds();
    let set = ImageSet::read(&out.join("frames.safetensors"), None).unwrap();
    assert_eq!((set.width(), set.height()), (40, 40));
}

/// A PAD agent is evaluated with and without learning on; others cannot.
#[test]
fn only_pad_is_evaluated_while_it_adapts() {
    let folder = tempfile::tempdir().unwrap();
    for agent in ["pad", "rad"] {
        let run = folder.path().join(agent);
        let (run_flag, agent_flag) = (
            format!("--run={}", run.display()),
            format!("--agent={agent}"),
        );
        let given = [
            "train",
            &agent_flag,
            "--env=native/reach",
            &run_flag,
            "--steps=16",
        ];
        foveate(&[&given[..], SMALL].concat()).succeeds();
        let evaluate = ["eval", &run_flag, "--episodes=1", "--modes=train"];
        assert!(!foveate(&evaluate).succeeds().contains("adapted"));
        let as_json = [&evaluate[..], &["--json"]].concat();
        assert_eq!(json(foveate(&as_json).succeeds())["adapts"], false);
        let adapting = foveate(&[&evaluate[..], &["--adapt"]].concat());
        match agent {
            "pad" => {
                assert!(adapting.succeeds().contains("adapted to each episode"));
                let adapting = foveate(&[&as_json[..], &["--adapt"]].concat());
                assert_eq!(json(adapting.succeeds())["adapts"], true);
            }
            _ => adapting.fails(2, &["--adapt is not for agent rad", "pad"]),
        }
    }
}

/// What agents that choose have learned is evaluated, explained by every method, scored and
/// collected from like that of any other; they are profiled, and go on where they stopped.
#[test]
fn agents_that_choose_are_looked_at_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["dqn", "sgqn-dqn"].map(|agent| folder.path().join(agent));
    let flags = runs
        .each_ref()
        .map(|run| format!("--run={}", run.display()));
    for (agent, run_flag) in ["dqn", "sgqn-dqn"].into_iter().zip(&flags) {
        let agent = format!("--agent={agent}");
        let given = ["train", &agent, "--env=native/cartpole", run_flag];
        let half = [&given[..], &["--steps=16", "--profile=2"], SMALL].concat();
        foveate(&half).succeeds();
        let on = ["train", run_flag, "--resume", "--steps=24", "--quiet"];
        foveate(&on).succeeds();
        // As if nobody had stopped it.
        let whole = folder.path().join("whole");
        let whole_flag = format!("--run={}", whole.display());
        let given = ["train", &agent, "--env=native/cartpole", &whole_flag];
        foveate(&[&given[..], &["--steps=24"], SMALL].concat()).succeeds();
        let last = |run| fs::read(checkpoints(run).last().unwrap()).unwrap();
        let run = Path::new(run_flag.trim_start_matches("--run="));
        assert!(last(run) == last(&whole), "{agent}");
        fs::remove_dir_all(&whole).unwrap();
        assert!(run.join("profile.txt").exists());

        let evaluate = ["eval", run_flag, "--episodes=1", "--modes=train"];
        assert!(foveate(&evaluate).succeeds().contains("train"));
        let out = folder.path().join("frames");
        let policy = format!("--policy={}", run.display());
        let collect = [
            "collect",
            &policy,
            "--frames=3",
            "--quiet",
            "--fresh",
            "--out",
        ];
        foveate(&[&collect[..], &[text(&out)]].concat()).succeeds();
    }
    let methods = "--method=gradient,guided,guided-gradcam,occlusion,rise";
    let score = ["explain", &flags[0], &flags[1], methods, "--score"];
    let few = ["--modes=train", "--episode-steps=2", "--masks=8"];
    let scored = foveate(&[&score[..], &few].concat());
    let table = scored.succeeds();
    for name in ["dqn", "sgqn-dqn", "guided-gradcam", "rise"] {
        assert!(table.contains(name), "{name}: {table}");
    }
    let out = folder.path().join("maps");
    let raw = [
        "explain",
        &flags[1],
        "--episode-steps=2",
        "--raw",
        "--quiet",
    ];
    foveate(&[&raw[..], &["--out", text(&out)]].concat()).succeeds();
    assert!(out.join("maps.safetensors").exists());
}
