//! A run whose device is lost stops with an error that says how it goes on, loses
//! nothing that was saved, and on another device comes to the end that it would have
//! come to anyway.

use std::ops::ControlFlow;
use std::path::Path;

use foveate::Error;
use foveate::agents::Trainer;
use foveate::config::{AgentKind, Config, Preset};
use foveate::gpu::Gpu;
use foveate::run::{CheckpointStore, RunDirectory};

use crate::common::own_gpu;
use crate::end::End;

/// The smallest run that does everything: random steps, updates of all kinds, whole
/// episodes, evaluations, and a replay that overwrites its oldest.
fn config(agent: AgentKind) -> Config {
    Config {
        image_size: 8,
        action_repeat: Some(2),
        actor_update_freq: 2,
        critic_target_update_freq: 2,
        aux_update_freq: 2,
        soda_batch_size: 3,
        num_shared_layers: 1,
        num_head_layers: 0,
        batch: 2,
        num_filters: 2,
        hidden_dim: 8,
        projection_dim: 4,
        decoder_channels: [4, 4],
        overlay_pictures: 2,
        init_steps: 10,
        replay_capacity: 60,
        log_freq: 5,
        checkpoint_freq: 8,
        eval_freq: 50,
        eval_episodes: 1,
        steps: 75,
        ..Config::new(agent, "native/reach", Preset::Tiny)
    }
}

/// Begins a run or goes on with one. Its device is lost after the steps in `losses`.
fn train(
    gpu: &Gpu,
    agent: AgentKind,
    directory: RunDirectory,
    losses: &[u64],
) -> Result<(), Error> {
    let config = config(agent);
    directory.write_config(&config.to_toml()?)?;
    let mut trainer = Trainer::new(gpu, &config, directory, None, &mut |text| panic!("{text}"))?;
    let ended = trainer.run(&mut |report| {
        if losses.contains(&report.step) {
            gpu.device().destroy();
        }
        ControlFlow::Continue(())
    });
    ended.map(drop)
}

/// Goes on with a run, and stops after so many steps.
fn train_for(gpu: &Gpu, agent: AgentKind, directory: RunDirectory, steps: u64) -> ControlFlow<()> {
    let config = config(agent);
    directory.write_config(&config.to_toml().unwrap()).unwrap();
    let mut trainer = Trainer::new(gpu, &config, directory, None, &mut |text| panic!("{text}"));
    let mut left = steps;
    let trainer = trainer.as_mut().unwrap();
    let ended = trainer.run(&mut |_| {
        left -= 1;
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    ended.unwrap()
}

/// Whoever stops a run loses none of its steps, and none of the lines that a run which
/// nobody stops would write.
///
/// Sabotages tried: the losses that no line tells of yet left out of the checkpoint; the
/// latest loss taken from the last program by name. Each turns this red.
#[test]
fn a_run_that_is_stopped_again_and_again_comes_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let sgqn = AgentKind::Sgqn;
    train(&own_gpu(), sgqn, RunDirectory::create(&whole).unwrap(), &[]).unwrap();
    let whole = End::of(&whole);

    let run = folder.path().join("run");
    let gpu = own_gpu();
    let mut directory = RunDirectory::create(&run).unwrap();
    let mut step = 0;
    while train_for(&gpu, sgqn, directory, 7).is_break() {
        step += 7;
        assert_eq!(saved(&run), Some(step));
        directory = RunDirectory::resume(&run).unwrap();
    }
    assert_eq!(saved(&run), Some(75));
    End::of(&run).assert_same_state(&whole);
}

/// The step of the newest checkpoint.
fn saved(run: &Path) -> Option<u64> {
    let store = CheckpointStore::new(RunDirectory::open(run).unwrap().checkpoints());
    store.list().unwrap().last().map(|(step, _)| *step)
}

#[test]
fn a_run_whose_device_is_lost_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let sgqn = AgentKind::Sgqn;
    train(&own_gpu(), sgqn, RunDirectory::create(&whole).unwrap(), &[]).unwrap();
    let whole = End::of(&whole);
    assert!(whole.checkpoints[1].0.contains("75"));

    let run = folder.path().join("run");
    // Lost before there is a checkpoint, in the middle of an episode between two of
    // them, while one is being written, and before an evaluation. Each time another
    // device takes over.
    for (step, kept) in [(3, None), (21, Some(16)), (32, Some(24)), (50, Some(48))] {
        let directory = match run.exists() {
            true => RunDirectory::resume(&run).unwrap(),
            false => RunDirectory::create(&run).unwrap(),
        };
        let error = train(&own_gpu(), sgqn, directory, &[step]).unwrap_err();
        let said = error.to_string();
        for part in ["the device was lost", "is intact", run.to_str().unwrap()] {
            assert!(said.contains(part), "{said}");
        }
        assert!(error.leaves_a_run_to_resume());
        let Error::TrainingDeviceLost { step: at, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(at, step, "{said}");
        assert!(!error.is_user_mistake());
        assert_eq!(saved(&run), kept, "after step {step}");
    }
    train(&own_gpu(), sgqn, RunDirectory::resume(&run).unwrap(), &[]).unwrap();
    End::of(&run).assert_same(&whole);
}

/// What other agents have beside SAC's networks is in their checkpoints, and so are larger
/// frames.
///
/// Sabotage tried: SODA's target left out of the checkpoint. Turns this red.
#[test]
fn agents_with_phases_of_their_own_go_on_to_the_same_end() {
    for agent in [
        AgentKind::Curl,
        AgentKind::Pad,
        AgentKind::Soda,
        AgentKind::SveaSoda,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        train(
            &own_gpu(),
            agent,
            RunDirectory::create(&whole).unwrap(),
            &[],
        )
        .unwrap();
        let whole = End::of(&whole);
        let losses: Vec<&String> = (whole.metrics.iter())
            .filter(|line| line.contains("aux_loss"))
            .collect();
        assert!(losses.len() > 5, "{agent}: {:?}", whole.metrics);

        let run = folder.path().join("run");
        let directory = RunDirectory::create(&run).unwrap();
        train(&own_gpu(), agent, directory, &[21]).unwrap_err();
        assert_eq!(saved(&run), Some(16), "{agent}");
        train(&own_gpu(), agent, RunDirectory::resume(&run).unwrap(), &[]).unwrap();
        End::of(&run).assert_same(&whole);
    }
}
