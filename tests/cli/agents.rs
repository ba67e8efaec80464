//! `foveate train` with every agent, and what is done with what it learned.

use std::fs;

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
    ] {
        let name = format!("{agent}-{}", more.rsplit('=').next().unwrap());
        let run = folder.path().join(&name);
        let flags = [&format!("--agent={agent}"), "--env=native/reach", more];
        let run_flag = format!("--run={}", run.display());
        let given = [&["train", &run_flag, "--steps=16"], &flags[..], SMALL].concat();
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
        assert_eq!(json(foveate(&as_json).succeeds())["adapted"], false);
        let adapting = foveate(&[&evaluate[..], &["--adapt"]].concat());
        match agent {
            "pad" => {
                assert!(adapting.succeeds().contains("adapted to each episode"));
                let adapting = foveate(&[&as_json[..], &["--adapt"]].concat());
                assert_eq!(json(adapting.succeeds())["adapted"], true);
            }
            _ => adapting.fails(2, &["--adapt is not for agent rad", "pad"]),
        }
    }
}
