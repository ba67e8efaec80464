//! Atari: lives, rewards, and an agent that chooses.

use foveate::envs::{
    Transition,
    bridge::{BridgeError, BridgeOptions},
};

use super::support::{SIZE, open, reset_all};

/// SPEC.md D.7: while it trains a lost life ends the episode and rewards are signs; an
/// evaluation plays on for the score.
#[test]
fn atari_lives_and_rewards_are_those_of_the_paper() {
    let game = |evaluation| BridgeOptions {
        evaluation,
        ..BridgeOptions::new("ale/MsPacman")
    };
    let (Some(mut bridge), Some(mut judged)) = (open(game(false)), open(game(true))) else {
        return;
    };
    let spec = bridge.spec().clone();
    assert_eq!((spec.discrete_actions, spec.action_dim), (Some(9), 1));
    assert_eq!((spec.action_repeat, spec.episode_steps), (4, 27_000));
    let mut outcome = [Transition::default()];
    let (mut lives, mut whole) = (vec![], 0.0);
    reset_all(&mut bridge);
    reset_all(&mut judged);
    let mut scores = 0.0;
    while lives.len() < 3 {
        bridge.step(&[0.0], &mut outcome).unwrap();
        let score = bridge.outcomes()[0].score;
        assert_eq!(outcome[0].reward, score.signum() * f32::from(score != 0.0));
        scores += score;
        if outcome[0].terminated {
            lives.push(scores);
            reset_all(&mut bridge);
        }
        assert!(!outcome[0].truncated);
    }
    loop {
        judged.step(&[0.0], &mut outcome).unwrap();
        assert_eq!(outcome[0].reward, judged.outcomes()[0].score);
        whole += outcome[0].reward;
        if outcome[0].terminated {
            break;
        }
    }
    // Three lives, one game, from the same seed.
    assert_eq!(whole, scores, "{lives:?}");
    let error = bridge.step(&[9.0], &mut outcome).unwrap_err();
    assert!(
        matches!(error, BridgeError::NoSuchAction { count: 9, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("0, 1, … 8"), "{error}");
    // Grey: three planes that are one.
    let planes = bridge.frames().chunks_exact(SIZE * SIZE);
    assert!(
        planes
            .clone()
            .all(|plane| plane == &bridge.frames()[..SIZE * SIZE])
    );
}

/// An agent that chooses trains on a game and goes on to the same bits as if nobody had
/// stopped it; one that acts by numbers is refused.
#[test]
fn an_agent_that_chooses_plays_atari() {
    if open(BridgeOptions::new("ale/Pong")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let train = |run: &str, more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_foveate"))
            .env(
                "FOVEATE_CACHE",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache-real"),
            )
            .args(["train", "--quiet", "--run"])
            .arg(folder.path().join(run))
            .args(more)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let game = "--env=ale/Pong";
    let small = [
        "--agent=sgqn-dqn",
        game,
        "--preset=tiny",
        "--set=batch=4",
        "--set=num_filters=4",
        "--set=hidden_dim=8",
        "--set=decoder_channels=[4,4]",
        "--set=overlay_pictures=2",
        "--set=init_steps=10",
        "--set=epsilon_decay_steps=10",
        "--set=checkpoint_freq=10",
        "--set=eval_episodes=1",
        "--steps=20",
    ];
    let last = |run: &str| {
        let entries = std::fs::read_dir(folder.path().join(run).join("checkpoints"));
        let files = entries.unwrap().flatten().map(|e| e.path());
        std::fs::read(files.max().unwrap()).unwrap()
    };
    for (run, more) in [
        ("stopped", &small[..]),
        ("stopped", &["--resume", "--steps=30"]),
        ("whole", &[&small[..12], &["--steps=30"]].concat()),
    ] {
        let (code, said) = train(run, more);
        assert_eq!(code, Some(0), "{said}");
    }
    assert!(last("stopped") == last("whole"));
    let (code, said) = train("refused", &["--agent=sgqn", game]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("has discrete ones"), "{said}");
    assert!(said.contains("dqn or sgqn-dqn"), "{said}");
}
