//! `foveate envs`: what can be acted in on this machine, now.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::error::CliError;
use super::output::{print, table};
use crate::Error;
use crate::envs::bridge::{Bridge, BridgeError, BridgeOptions, install_command, interpreter};
use crate::envs::native::{IDS, Mode};
use crate::envs::{EnvError, EnvSpec, RealSuite, SUITES, Transition, describe, modes_of};

const EXAMPLES: &str = "\
Examples:
  foveate envs
  foveate envs metaworld                   the names of all its tasks
  foveate envs --python ~/venv/bin/python --json

A suite counts as usable after a task of it has been imported, begun, stepped and drawn in
a process of its own: packages install happily in combinations that fail there.";

/// List the environments that can be used now, and how to install those that cannot.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// List the tasks of one suite: native, dm_control, metaworld, ale or gym
    #[arg(value_name = "SUITE", value_parser = suite_name)]
    suite: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

/// Installs every suite.
const INSTALL_ALL: &str = "make real-envs";

fn suite_name(given: &str) -> Result<String, String> {
    let known: Vec<&str> = std::iter::once("native")
        .chain(SUITES.iter().map(|suite| suite.name))
        .collect();
    match known.contains(&given) {
        true => Ok(given.to_string()),
        false => Err(format!("it must be one of {}", known.join(", "))),
    }
}

/// What was found of a suite.
#[derive(Debug, Serialize)]
struct Found {
    suite: &'static str,
    /// How its ids look.
    ids: &'static str,
    usable: bool,
    tasks: Vec<String>,
    modes: Vec<String>,
    versions: std::collections::BTreeMap<String, String>,
    /// The task that was tried.
    example: &'static str,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What installs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    install: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let wanted = arguments.suite.as_deref();
    let python = arguments.python.as_ref();
    // Python that was named and is not there is a mistake, not a missing suite.
    if let (Some(path), false) = (python, wanted == Some("native")) {
        check_python(path)?;
    }
    let mut natives = vec![];
    if wanted.is_none_or(|name| name == "native") {
        for id in IDS {
            natives.push(describe(id, 84, None)?);
        }
    }
    // One process each, side by side: importing and drawing take seconds.
    let probes: Vec<&RealSuite> = (SUITES.iter())
        .filter(|suite| wanted.is_none_or(|name| name == suite.name))
        .collect();
    let found: Vec<Found> = std::thread::scope(|scope| {
        let running: Vec<_> = (probes.iter())
            .map(|suite| (*suite, scope.spawn(|| probe(suite, python))))
            .collect();
        let joined = running.into_iter().map(|(suite, thread)| {
            thread
                .join()
                .unwrap_or_else(|_| missing(suite, "the probe panicked".into(), None))
        });
        joined.collect()
    });
    let program = interpreter(python.map(PathBuf::as_path));
    let program = program.display().to_string();
    if arguments.json {
        let natives: Vec<_> = natives.iter().map(native_json).collect();
        let value = json!({ "native": natives, "python": program, "suites": found });
        return print(&format!("{value:#}"));
    }
    print(&match wanted {
        Some(_) => tasks_of(&natives, &found),
        None => overview(&natives, &found, &program),
    })
}

fn check_python(path: &std::path::Path) -> Result<(), CliError> {
    let started = std::process::Command::new(path).arg("--version").output();
    match started {
        Ok(out) if out.status.success() => Ok(()),
        _ => Err(Error::Env(EnvError::Bridge(BridgeError::PythonNotFound {
            tried: format!("'{}'", path.display()),
            named: true,
        }))
        .into()),
    }
}

/// Opens the suite's example, begins an episode, steps it once and asks for its tasks.
fn probe(suite: &RealSuite, python: Option<&PathBuf>) -> Found {
    let attempt = || -> Result<_, BridgeError> {
        let options = BridgeOptions {
            python: python.cloned(),
            image_size: 64,
            ..BridgeOptions::new(suite.example)
        };
        let mut bridge = Bridge::open(options)?;
        let mut frame = vec![0; bridge.frames().len()];
        bridge.reset(0, &mut frame)?;
        let action = vec![0.0; bridge.spec().action_dim];
        bridge.step(&action, &mut [Transition::default()])?;
        let tasks = bridge.tasks()?;
        let versions = bridge.versions().clone();
        bridge.close()?;
        Ok((tasks, versions))
    };
    match attempt() {
        Ok((tasks, versions)) => Found {
            suite: suite.name,
            ids: suite.ids,
            usable: true,
            tasks: (tasks.iter())
                .map(|task| format!("{}/{task}", suite.name))
                .collect(),
            modes: modes_of(suite.example)
                .iter()
                .map(Mode::to_string)
                .collect(),
            versions,
            example: suite.example,
            error: None,
            install: None,
        },
        Err(error) => {
            let install = install(suite, python, &error);
            missing(suite, error.to_string(), install)
        }
    }
}

fn missing(suite: &RealSuite, error: String, install: Option<String>) -> Found {
    Found {
        suite: suite.name,
        ids: suite.ids,
        usable: false,
        tasks: vec![],
        modes: vec![],
        versions: Default::default(),
        example: suite.example,
        error: Some(error),
        install,
    }
}

/// The command that makes a suite usable, where something that can be installed is what it
/// lacks.
fn install(suite: &RealSuite, python: Option<&PathBuf>, error: &BridgeError) -> Option<String> {
    match error {
        BridgeError::PythonNotFound { .. } | BridgeError::NoRenderer { .. } => {
            Some(INSTALL_ALL.to_string())
        }
        BridgeError::ModuleMissing { .. } => {
            let program = interpreter(python.map(PathBuf::as_path));
            Some(install_command(&program, suite.packages))
        }
        _ => None,
    }
}

fn native_json(spec: &EnvSpec) -> serde_json::Value {
    json!({
        "id": spec.id,
        "action_dim": spec.action_dim,
        "episode_steps": spec.episode_steps,
        "action_repeat": spec.action_repeat,
        "modes": modes_of(&spec.id).iter().map(Mode::to_string).collect::<Vec<_>>(),
    })
}

fn tasks_of(natives: &[EnvSpec], found: &[Found]) -> String {
    let mut lines: Vec<String> = natives.iter().map(|spec| spec.id.clone()).collect();
    for suite in found {
        lines.extend(suite.tasks.iter().cloned());
    }
    lines.extend(why_not(found));
    lines.join("\n")
}

fn overview(natives: &[EnvSpec], found: &[Found], python: &str) -> String {
    let row = |cells: [&str; 4]| cells.map(str::to_string).to_vec();
    let mut rows = vec![row(["suite", "usable", "tasks", "ids"])];
    let ids: Vec<&str> = natives.iter().map(|spec| spec.id.as_str()).collect();
    let count = natives.len().to_string();
    rows.push(row(["native", "yes", &count, &ids.join(", ")]));
    for suite in found {
        let (usable, tasks) = match suite.usable {
            true => ("yes", suite.tasks.len().to_string()),
            false => ("no", "-".to_string()),
        };
        let ids = match suite.usable {
            true => format!("{}, e.g. {}", suite.ids, suite.example),
            false => suite.ids.to_string(),
        };
        rows.push(row([suite.suite, usable, &tasks, &ids]));
    }
    let mut text = table(&rows, &[false, false, true, false]);
    text += &format!("\n\nreal suites run in {python}");
    for suite in found.iter().filter(|suite| suite.usable) {
        let versions: Vec<String> = (suite.versions.iter())
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        text += &format!("\n{}: {}", suite.suite, versions.join(", "));
    }
    for why in why_not(found) {
        text += &format!("\n\n{why}");
    }
    text
}

/// Why suites cannot be used, shortly, and what would help: each reason once, with all the
/// suites that have it.
fn why_not(found: &[Found]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&Found>)> = vec![];
    for suite in found {
        let Some(error) = suite.error.as_deref() else {
            continue;
        };
        let first = error.lines().next().unwrap_or_default();
        match reasons.iter_mut().find(|(reason, _)| *reason == first) {
            Some((_, suites)) => suites.push(suite),
            None => reasons.push((first, vec![suite])),
        }
    }
    let told = |(reason, suites): (&str, Vec<&Found>)| {
        let names: Vec<&str> = suites.iter().map(|suite| suite.suite).collect();
        let mut text = format!("{} cannot be used: {reason}", names.join(", "));
        let is_all = |suite: &&Found| suite.install.as_deref() == Some(INSTALL_ALL);
        let (all, single): (Vec<&Found>, Vec<&Found>) = suites.into_iter().partition(is_all);
        for suite in &single {
            let Some(install) = &suite.install else {
                continue;
            };
            let it = match names.len() {
                1 => "it",
                _ => suite.suite,
            };
            text += &format!("\n  to install {it}: {install}");
        }
        let installs = single.iter().any(|suite| suite.install.is_some());
        match (all.is_empty(), installs) {
            (false, _) => text += &format!("\n  to install what it needs: {INSTALL_ALL}"),
            (true, true) => {
                text += &format!("\n  or all suites, in a checkout of foveate: {INSTALL_ALL}");
            }
            (true, false) => {}
        }
        text
    };
    reasons.into_iter().map(told).collect()
}
