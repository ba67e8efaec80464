mod common;

use common::*;
use foveate::agents::evaluate::{self, Actor};
use foveate::agents::{Trainer, env_options, evaluation_seed};
use foveate::config::{Config, Layers};
use foveate::envs::native::Mode;
use foveate::run::RunDirectory;

#[test]
fn explore() {
    let set: Vec<String> = std::env::var("LEARN_SET")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let layers = Layers {
        agent: Some(std::env::var("LEARN_AGENT").unwrap_or("sac".into())),
        env: Some("native/reach".into()),
        preset: Some("tiny".into()),
        set,
        ..Default::default()
    };
    let config = Config::resolve(&layers).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(folder.path().join("run")).unwrap();
    let start = std::time::Instant::now();
    let mut trainer = Trainer::new(&gpu(), &config, directory, None, &mut |text| {
        panic!("{text}")
    })
    .unwrap();
    eprintln!("ready {:.1}", start.elapsed().as_secs_f64());
    trainer
        .run(&mut |r| {
            if r.step % 50 == 0 {
                eprintln!(
                    "{:.1}s {} up {} ret {:?} {:?}",
                    start.elapsed().as_secs_f64(),
                    r.step,
                    r.updates,
                    r.episode_return,
                    r.losses
                        .iter()
                        .map(|(n, v)| format!("{n} {v:.3}"))
                        .collect::<Vec<_>>()
                );
            }
            if let Some(e) = &r.evaluation {
                eprintln!("  {:.1}s EVAL {e:?}", start.elapsed().as_secs_f64());
            }
        })
        .unwrap();
    let mut options = env_options(&config, Mode::Train, 1, None);
    options.seed = evaluation_seed(config.seed);
    let actor = Actor::Agent(trainer.agent());
    let returns = evaluate::returns(&gpu(), &options, config.frame_stack, &actor, 10).unwrap();
    eprintln!(
        "{:.1}s FINAL {} {returns:?}",
        start.elapsed().as_secs_f64(),
        evaluate::mean(&returns)
    );
}
