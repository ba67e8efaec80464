//! Whole episodes that are played to be judged, against the same episodes played by hand.

mod common;

use std::ops::ControlFlow;

use common::gpu;
use foveate::agents::evaluate::{Actor, Episode, Stage, episodes, mean, returns, success_rate};
use foveate::agents::{Agent, Trainer, env_options, evaluation_seed};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::native::{Mode, World, WorldOptions, create};
use foveate::envs::{EnvOptions, Transition};
use foveate::ops::Stream;
use foveate::run::RunDirectory;

const SIDE: usize = 16;
const FRAMES: usize = 2;
/// Worlds side by side; more episodes than these are played in rounds.
const SIDE_BY_SIDE: usize = 32;
const EPISODES: usize = SIDE_BY_SIDE + 3;

/// Four agent steps an episode.
fn options() -> EnvOptions {
    EnvOptions {
        image_size: SIDE,
        seed: 6,
        action_repeat: Some(25),
        ..EnvOptions::new("native/reach")
    }
}

/// Returns of [`EPISODES`] episodes of worlds without pictures: environment i has its
/// episode 0, then all have their episode 1. `act` is told the number of the step, of all
/// rounds together, and writes the actions [`SIDE_BY_SIDE`] · 2.
fn by_hand(mut act: impl FnMut(&dyn World, u32, &mut [f32])) -> Vec<f32> {
    let asked = options();
    let world = WorldOptions {
        count: SIDE_BY_SIDE,
        image_size: SIDE,
        seed: asked.seed,
        action_repeat: asked.action_repeat,
        ..Default::default()
    };
    let mut world = create(&asked.id, world).unwrap();
    let (mut all, mut number) = (vec![], 0);
    for episode in 0..2 {
        for env in 0..SIDE_BY_SIDE {
            world.reset(env, episode).unwrap();
        }
        let mut sums = vec![0.0; SIDE_BY_SIDE];
        for step in 1..=4 {
            let mut actions = vec![0.0; 2 * SIDE_BY_SIDE];
            act(&*world, number, &mut actions);
            number += 1;
            let mut answers = vec![Transition::default(); SIDE_BY_SIDE];
            world.step(&actions, &mut answers).unwrap();
            for (sum, answer) in sums.iter_mut().zip(&answers) {
                *sum += answer.reward;
                assert_eq!(answer.truncated, step == 4);
            }
        }
        all.extend(sums);
    }
    all.truncate(EPISODES);
    all
}

/// What the two yardsticks score: the sums of the rewards, in as many different episodes as
/// were asked for.
///
/// Sabotages tried: the last reward alone, every round the same episodes, random actions in
/// 0..1, the same ones at every step. Each turns this red.
#[test]
fn yardsticks_score_what_they_do_by_hand() {
    let played = |actor| returns(&gpu(), &options(), FRAMES, &actor, EPISODES).unwrap();
    let expert = by_hand(|world, _, actions| {
        for (env, action) in actions.chunks_exact_mut(2).enumerate() {
            world.expert(env, action).unwrap();
        }
    });
    assert_eq!(played(Actor::Expert), expert);
    // The place of the random policy's stream.
    let stream = Stream {
        seed: 9,
        stream: 0x5EED,
    };
    let random = by_hand(|_, step, actions| {
        let drawn = stream.uniform(step, actions.len(), -1.0, 1.0).unwrap();
        actions.copy_from_slice(&drawn);
    });
    assert_eq!(played(Actor::Random(9)), random);
    let sum = |returns: &[f32]| returns.iter().sum::<f32>();
    assert!(sum(&expert) > 2.0 * sum(&random) && sum(&random) > 0.0);
}

fn config() -> Config {
    Config {
        image_size: SIDE,
        frame_stack: FRAMES,
        action_repeat: Some(25),
        num_shared_layers: 1,
        num_filters: 4,
        hidden_dim: 16,
        projection_dim: 8,
        ..Config::new(AgentKind::Sac, "native/reach", Preset::Tiny)
    }
}

/// An agent acts by the mean of its policy, upon what it sees then.
///
/// Sabotages tried: the last reward alone, actions sampled. Each turns this red.
#[test]
fn an_agent_scores_what_it_does_by_hand() {
    let agent = Agent::new(&gpu(), &config(), 2).unwrap();
    let side_by_side = EnvOptions {
        count: 3,
        ..options()
    };
    let mut stage = Stage::new(&gpu(), &side_by_side, FRAMES, Some(agent.eye())).unwrap();
    let policy = agent.policy(stage.store(), 3).unwrap();
    stage.reset(0).unwrap();
    let mut sums = vec![0.0; 3];
    for _ in 0..4 {
        let actions = policy.act(&stage.stacks(), false).unwrap();
        let mut answers = vec![Transition::default(); 3];
        stage.step(&actions, &mut answers).unwrap();
        for (sum, answer) in sums.iter_mut().zip(&answers) {
            *sum += answer.reward;
        }
    }
    let played = returns(&gpu(), &options(), FRAMES, &Actor::Agent(&agent), 3).unwrap();
    assert_eq!(played, sums);
}

/// While it trains, an agent is judged by the mean over episodes that it is not trained on.
///
/// Sabotages tried: the seed of training, the sum of the returns. Each turns this red.
#[test]
fn a_run_is_judged_by_other_episodes() {
    let config = Config {
        // Only random actions: the agent stays as it begins.
        init_steps: 1_000,
        steps: 10,
        eval_freq: 4,
        eval_episodes: 3,
        replay_capacity: 40,
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(folder.path().join("run")).unwrap();
    let mut trainer = Trainer::new(&gpu(), &config, directory, None, &mut |text| {
        panic!("{text}")
    })
    .unwrap();
    let ended = trainer.run(&mut |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_continue());
    let options = env_options(&config, Mode::Train, 1, None);
    let judged = |seed| {
        let options = EnvOptions {
            seed,
            ..options.clone()
        };
        let actor = Actor::Agent(trainer.agent());
        mean(&episodes(&gpu(), &options, FRAMES, &actor, 3, &mut |_| {}).unwrap())
    };
    let right = judged(evaluation_seed(config.seed));
    assert_ne!(right, judged(config.seed));
    let metrics = std::fs::read_to_string(trainer.directory().metrics()).unwrap();
    let told: Vec<(u64, f32)> = (metrics.lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["kind"] == "eval")
        .map(|line| {
            (
                line["step"].as_u64().unwrap(),
                line["train"].as_f64().unwrap() as f32,
            )
        })
        .collect();
    assert_eq!(told, [(4, right), (8, right)]);
}

/// Sabotage tried: those that do not tell counted too. Turns this red.
#[test]
fn success_is_the_share_of_the_episodes_that_tell() {
    let of = |told: &[Option<bool>]| {
        let episode = |&success| Episode {
            value: 1.0,
            success,
        };
        success_rate(&told.iter().map(episode).collect::<Vec<_>>())
    };
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(of(&[no, yes, no, no]), Some(0.25));
    assert_eq!(of(&[None, yes, no]), Some(0.5));
    assert_eq!(of(&[no]), Some(0.0));
    assert_eq!((of(&[None]), of(&[])), (None, None));
    let mean_of = |values: &[f32]| {
        let episode = |&value| Episode {
            value,
            success: None,
        };
        mean(&values.iter().map(episode).collect::<Vec<_>>())
    };
    assert_eq!((mean_of(&[1.0, 4.0, 4.0]), mean_of(&[])), (3.0, 0.0));
}
