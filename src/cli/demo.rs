//! `foveate demo`: trains SGQN on a native world, shows that it learned and where it
//! looks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::episode::{Episode, Moments};
use super::error::CliError;
use super::eval::evaluate;
use super::explain::film_of;
use super::output::{duration, note, print, table};
use super::session::{Session, Trained, adapter_name, evaluation_options};
use super::summary::{self, Returns, normalised};
use super::train::{Fitting, fit};
use crate::agents::describe_world;
use crate::agents::evaluate::{Actor, returns};
use crate::config::{AgentKind, Config, Layers, Preset};
use crate::envs::native::Mode;
use crate::gpu::Gpu;
use crate::media::curve::Series;
use crate::run::{RunDirectory, atomic};
use crate::saliency::Method;
use crate::shell::quoted;

/// What the demo is: on two cores with software Vulkan it takes minutes, and every seed
/// that was tried learns within its budget (the README has the scores).
const AGENT: AgentKind = AgentKind::Sgqn;
const ENV: &str = "native/reach";
const PRESET: Preset = Preset::Tiny;
/// Episodes of each evaluation.
const EPISODES: usize = 10;
/// Agent steps of the animation: one episode.
const FILM_STEPS: usize = 60;
/// Looks that are evaluated, with their keys in `summary.json`.
const MODES: [(Mode, &str); 4] = [
    (Mode::Train, "train"),
    (Mode::ColorHard, "color_hard"),
    (Mode::VideoEasy, "video_easy"),
    (Mode::VideoHard, "video_hard"),
];
/// All that a demo, or a training that continues it, writes into its directory, beside
/// the lock.
const FILES: [&str; 8] = [
    "config.toml",
    "metrics.jsonl",
    "tuning.json",
    "profile.txt",
    "profile.json",
    "summary.json",
    CURVE,
    ATTENTION,
];
/// The same of the run's folders: how names of files begin and end, with nothing but digits
/// between.
const IN_FOLDERS: [(&str, &str, &str); 5] = [
    ("checkpoints", "step-", ".safetensors"),
    ("checkpoints", "step-", ".safetensors.unusable"),
    ("replay", "segment-", ".bin"),
    ("tensorboard", "events.out.tfevents.foveate", ""),
    ("media", "curve", ".png"),
];
const CURVE: &str = "curve.png";
const ATTENTION: &str = "attention.gif";

const EXAMPLES: &str = "\
Examples:
  foveate demo
  foveate demo --seed 2 --run runs/demo-2
  foveate demo --fresh

A demo that was interrupted goes on where it was. One that is finished is not repeated:
its results are printed again; --fresh starts over. The directory gets summary.json,
curve.png and attention.gif beside everything that foveate train writes, so that
foveate eval and foveate explain work on it.";

/// Train SGQN on a native world, evaluate it, and show where it looks.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of the demo
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    run: PathBuf,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Agent steps of training; the tiny preset's if absent
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Remove what an earlier demo left in the directory and start over
    #[arg(long)]
    fresh: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

impl Arguments {
    /// The command that goes on with the demo.
    fn resume_command(&self) -> String {
        let run = quoted(&self.run.display().to_string());
        let mut text = format!("foveate demo --run {run} --seed {}", self.seed);
        if let Some(steps) = self.steps {
            text.push_str(&format!(" --steps {steps}"));
        }
        text
    }
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let started = Instant::now();
    let config = configuration(arguments.seed, arguments.steps)?;
    let gpu = session.gpu()?;
    let root = &arguments.run;
    let spec = describe_world(&config, None)?;
    let replaced = match arguments.fresh {
        true => start_over(root, &config)?,
        false => None,
    };
    let directory = match replaced {
        Some(directory) => directory,
        None => match state(root, &config)? {
            State::New => RunDirectory::create(root)?,
            State::Unfinished => {
                note(&format!("continuing the demo in '{}'", root.display()));
                RunDirectory::resume(root)?
            }
            State::Finished(summary) => {
                note(&format!(
                    "the demo in '{}' is finished; --fresh starts over",
                    root.display()
                ));
                return print(&report(&summary, root));
            }
        },
    };
    let earlier = summary::seconds_of(&summary::rows(&directory.metrics())?);
    let fitting = Fitting {
        quiet: arguments.quiet,
        resume: arguments.resume_command() + &session.repeated(),
        ..Default::default()
    };
    let fitted = fit(&gpu, &config, spec, directory, &fitting)?;
    let train_seconds = earlier + started.elapsed().as_secs_f64();
    let (updates, steps) = (fitted.trainer.updates(), fitted.steps);
    let memory = fitted.trainer.memory();
    // From here on the agent is the one that was saved, as for eval and explain.
    drop(fitted);

    let phase = |text: &str| {
        if !arguments.quiet {
            note(text);
        }
    };
    phase(&format!("evaluating: {EPISODES} episodes each"));
    let trained = Trained::load(&gpu, root, &None, &None)?;
    let scores = Scores::measure(&gpu, &trained)?;
    phase("filming where it looks");
    let film = Episode {
        runs: std::slice::from_ref(&trained),
        methods: &[Method::Guided],
        modes: &[Mode::Train, Mode::VideoHard],
        moments: Moments::Every {
            steps: FILM_STEPS,
            every: 1,
        },
    };
    film_of(&gpu, &film, root, true, &mut |_| Ok(()))?;
    scores.draw(&trained, steps, &root.join(CURVE))?;

    let mut summary = json!({
        "agent": AGENT,
        "env": ENV,
        "preset": PRESET,
        "seed": config.seed,
        "steps": steps,
        "updates": updates,
        "episodes": EPISODES,
        "random": scores.random.mean(),
        "expert": scores.expert.mean(),
        "normalised": scores.normalised(),
        "train_seconds": train_seconds,
        "seconds": earlier + started.elapsed().as_secs_f64(),
        "memory_bytes": memory,
        "adapter": adapter_name(&gpu),
    });
    for ((_, key), returns) in MODES.iter().zip(&scores.modes) {
        summary[*key] = json!(returns.mean());
    }
    // Last: a directory with a summary is a finished demo.
    let written = trained.directory.write_summary(&summary);
    written.map_err(|error| CliError::stopped(error.into(), &fitting.resume))?;
    print(&report(&summary, root))
}

fn configuration(seed: u64, steps: Option<u64>) -> Result<Config, CliError> {
    Ok(Config::resolve(&Layers {
        agent: Some(AGENT.to_string()),
        env: Some(ENV.to_string()),
        preset: Some(PRESET.to_string()),
        seed: Some(seed),
        steps,
        ..Default::default()
    })?)
}

/// The configuration of the demo in a directory.
///
/// # Errors
/// [`CliError::NotADemo`] where its run is another one, of whatever command.
fn saved_demo(directory: &RunDirectory) -> Result<Config, CliError> {
    let not_a_demo = || CliError::NotADemo {
        path: directory.root().to_path_buf(),
    };
    let saved = Config::read(&directory.config()).map_err(|_| not_a_demo())?;
    let demo = configuration(saved.seed, Some(saved.steps))?;
    match differences(&saved, &demo).is_empty() {
        true => Ok(saved),
        false => Err(not_a_demo()),
    }
}

/// What there is of a demo in a directory.
enum State {
    New,
    Unfinished,
    Finished(Value),
}

fn state(root: &Path, config: &Config) -> Result<State, CliError> {
    let Ok(directory) = RunDirectory::open(root) else {
        return Ok(State::New);
    };
    let differences = differences(&saved_demo(&directory)?, config);
    let finished = directory.summary().is_file();
    let path = root.to_path_buf();
    match (finished, differences.is_empty()) {
        (false, true) => Ok(State::Unfinished),
        (false, false) => Err(CliError::OtherDemo { path, differences }),
        (true, false) => Err(CliError::OtherFinishedDemo { path, differences }),
        (true, true) => read_summary(directory.summary()).map(State::Finished),
    }
}

/// `seed was 1, is 2, …`; empty if there are none.
fn differences(saved: &Config, asked: &Config) -> String {
    let as_json = |config| serde_json::to_value(config).unwrap_or_default();
    let (saved, asked) = (as_json(saved), as_json(asked));
    let differing = crate::config::known_keys().filter(|key| saved.get(key) != asked.get(key));
    let texts: Vec<String> = differing
        .map(|key| {
            let show = |value: &Value| value.get(key).map_or("absent".into(), Value::to_string);
            format!("{key} was {}, is {}", show(&saved), show(&asked))
        })
        .collect();
    texts.join(", ")
}

fn read_summary(path: PathBuf) -> Result<Value, CliError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| CliError::Summary {
            path,
            reason: error.to_string(),
        }),
        Err(source) => Err(CliError::File {
            action: "read",
            path,
            source,
        }),
    }
}

/// Makes the demo in `root` the beginning of another one: removes what a demo has written,
/// and nothing else. What does not come from a demo stays, wherever it lies, and is in
/// nobody's way. Does nothing where there is no run.
///
/// # Errors
/// [`CliError::NotADemo`] where there is another run: nothing is removed.
fn start_over(root: &Path, config: &Config) -> Result<Option<RunDirectory>, CliError> {
    let Ok(directory) = RunDirectory::open(root) else {
        return Ok(None);
    };
    saved_demo(&directory)?;
    // Held from now on: no process may be training into it.
    let directory = RunDirectory::resume(root)?;
    // The summary first: without it a demo is unfinished, as it will be when more is gone.
    atomic::remove(&directory.summary())?;
    for (folder, start, end) in IN_FOLDERS {
        let folder = root.join(folder);
        for name in atomic::file_names(&folder)? {
            let between = name.strip_prefix(start).and_then(|n| n.strip_suffix(end));
            if between.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit())) {
                atomic::remove(&folder.join(name))?;
            }
        }
    }
    // config.toml last: until then it is the old demo, and this can be tried again.
    for path in FILES.map(|name| root.join(name)) {
        if path != directory.config() {
            atomic::remove(&path)?;
        }
    }
    directory.write_config(&config.to_toml()?)?;
    Ok(Some(directory))
}

/// What the demo measures: whole episodes, the same ones for everybody.
struct Scores {
    random: Returns,
    expert: Returns,
    /// As [`MODES`].
    modes: Vec<Returns>,
}

impl Scores {
    fn measure(gpu: &Gpu, trained: &Trained) -> Result<Scores, CliError> {
        let options = evaluation_options(&trained.config, Mode::Train, None);
        let stack = trained.config.frame_stack;
        let of = |actor: &Actor| -> Result<Returns, CliError> {
            Ok(Returns(returns(gpu, &options, stack, actor, EPISODES)?))
        };
        let agent = Actor::Agent(&trained.agent);
        Ok(Scores {
            random: of(&Actor::Random(options.seed))?,
            expert: of(&Actor::Expert)?,
            modes: MODES
                .iter()
                .map(|(mode, _)| evaluate(gpu, trained, *mode, &agent, EPISODES))
                .collect::<Result<_, _>>()?,
        })
    }

    fn normalised(&self) -> Option<f64> {
        let train = self.modes.first()?.mean();
        normalised(train, self.random.mean(), self.expert.mean())
    }

    /// The learning curve, between its yardsticks, with the final returns in every look.
    fn draw(&self, trained: &Trained, steps: u64, path: &Path) -> Result<(), CliError> {
        let rows = summary::rows(&trained.directory.metrics())?;
        let references = vec![
            ("random".to_string(), self.random.mean()),
            ("expert".to_string(), self.expert.mean()),
        ];
        let title = format!("{AGENT} on {ENV}, seed {}", trained.config.seed);
        let mut curve = summary::curve(title, &rows, references);
        for ((mode, _), returns) in MODES.iter().zip(&self.modes) {
            let last = (steps as f64, returns.mean());
            match (mode, curve.evaluations.first_mut()) {
                (Mode::Train, Some(series)) => series.points.push(last),
                _ => curve.evaluations.push(Series {
                    label: mode.to_string(),
                    points: vec![last],
                    ..Default::default()
                }),
            }
        }
        curve.render()?.save_png(path)?;
        Ok(())
    }
}

/// The summary as people read it. Values that are missing from an old one show as `?`.
fn report(summary: &Value, root: &Path) -> String {
    let number = |key: &str| summary.get(key).and_then(Value::as_f64);
    let show = |key: &str| number(key).map_or("?".to_string(), |v| format!("{v:.1}"));
    let mut rows = vec![vec!["".to_string(), "mean return".to_string()]];
    let keys = ["random", "expert"].into_iter();
    for key in keys.chain(MODES.iter().map(|(_, key)| *key)) {
        rows.push(vec![key.replace('_', "-"), show(key)]);
    }
    let normalised = number("normalised").map_or("?".to_string(), |v| format!("{v:.2}"));
    format!(
        "{}\n\nnormalised (train − random) / (expert − random): {normalised}\n\
         training {}, all {}; {} updates\n\n\
         where it looks   {}\n\
         learning curve   {}\n\
         summary          {}",
        table(&rows, &[false, true]),
        duration(number("train_seconds").unwrap_or(f64::NAN)),
        duration(number("seconds").unwrap_or(f64::NAN)),
        number("updates").unwrap_or(f64::NAN),
        root.join(ATTENTION).display(),
        root.join(CURVE).display(),
        root.join("summary.json").display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_key_and_both_values() {
        let one = Config::new(AGENT, ENV, PRESET);
        let other = Config {
            seed: 2,
            steps: 7,
            ..one.clone()
        };
        assert_eq!(differences(&one, &one), "");
        let expected = format!("seed was 1, is 2, steps was {}, is 7", one.steps);
        assert_eq!(differences(&one, &other), expected);
    }

    #[test]
    fn starting_over_removes_a_demo_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("demo");
        let run = RunDirectory::create(&root).unwrap();
        let config = Config::new(AGENT, ENV, PRESET);
        run.write_config(&config.to_toml().unwrap()).unwrap();
        run.write_summary(&json!({})).unwrap();
        drop(run);
        let [written, others] = [
            [
                "metrics.jsonl",
                "attention.gif",
                "checkpoints/step-000000000001.safetensors",
                "replay/segment-000001.bin",
                "tensorboard/events.out.tfevents.foveate",
                "media/curve.png",
            ],
            [
                "notes.txt",
                "media/cat.png.attention.png",
                "media/curve-of-mine.png",
                "checkpoints/step-of-mine.safetensors",
                "replay/segment-1.bin.copy",
                "tensorboard/another/events",
            ],
        ];
        std::fs::create_dir(root.join("tensorboard/another")).unwrap();
        for name in written.iter().chain(&others) {
            std::fs::write(root.join(name), "x").unwrap();
        }
        let another = Config { seed: 2, ..config };
        let directory = start_over(&root, &another).unwrap().unwrap();
        for name in written.iter().chain(&["summary.json"]) {
            assert!(!root.join(name).exists(), "{name} is there");
        }
        for name in others {
            assert!(root.join(name).is_file(), "{name} is gone");
        }
        assert_eq!(Config::read(&directory.config()).unwrap(), another);
        drop(directory);
        assert!(matches!(state(&root, &another), Ok(State::Unfinished)));

        std::fs::write(folder.path().join("precious.txt"), "x").unwrap();
        assert!(start_over(folder.path(), &another).unwrap().is_none());
        assert!(folder.path().join("precious.txt").is_file());
    }
}
