//! The command line: parse, call the library, print.
//!
//! | file | what it holds |
//! |---|---|
//! | `devices`, `envs`, `train`, `pretrain`, `probe`, `eval`, `explain`, `collect`, `sweep`, `report`, `demo`, `bench` | one subcommand each |
//! | `session` | the device that was asked for, and trained runs read from disk |
//! | `progress` | the progress bar, or plain lines where there is no terminal |
//! | `fleet` | the progress of all runs of a sweep |
//! | `parent` | the end of a sweep's child with its parent |
//! | `training` | a training to its end, shown, or stopped with the command that goes on |
//! | `interrupt` | Ctrl-C, which stops training where it can be gone on from |
//! | `profile` | where the time of updates went: a table and a trace |
//! | `summary` | what is computed from returns and from `metrics.jsonl` |
//! | `method` | which attributions `explain` is asked for, and their options |
//! | `episode`, `stills` | the moments of an episode, and image files, explained by agents |
//! | `film`, `attention`, `grid` | explanations → pictures: of one agent, or agents × methods |
//! | `raw`, `scoring` | explanations → numbers: the maps themselves, and their scores against the truth |
//! | `transformer` | images → the attention maps of a vision transformer |
//! | `inputs` | which images a pretrained encoder is given |
//! | `error` | what can go wrong on the command line |
//! | `output` | printing that survives a closed pipe |
//!
//! Results go to standard output, everything else (progress, notices, errors) to
//! standard error. Exit codes: 0 done, 1 a failure, 2 a user's mistake, 130 interrupted.

mod attention;
mod bench;
mod collect;
mod demo;
mod devices;
mod envs;
mod episode;
mod error;
mod eval;
mod explain;
mod film;
mod fleet;
mod grid;
mod inputs;
mod interrupt;
mod method;
mod output;
mod parent;
mod pretrain;
mod probe;
mod profile;
mod progress;
mod raw;
mod report;
mod scoring;
mod session;
mod stills;
mod summary;
mod sweep;
mod train;
mod training;
mod transformer;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use session::Session;

const EXAMPLES: &str = "\
Examples:
  foveate demo
  foveate train --agent sgqn --env native/reach --preset tiny --run runs/reach
  foveate eval --run runs/reach
  foveate explain --run runs/reach

Exit codes: 0 done, 1 a failure, 2 a mistake in what was asked, 130 interrupted by Ctrl-C.";

/// Train visual agents and see where they look; written for any Vulkan, Metal or DX12 GPU.
#[derive(Debug, Parser)]
#[command(name = "foveate", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    session: Session,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Devices(devices::Arguments),
    Envs(envs::Arguments),
    Train(train::Arguments),
    Pretrain(pretrain::Arguments),
    Probe(probe::Arguments),
    Eval(eval::Arguments),
    Explain(explain::Arguments),
    Collect(collect::Arguments),
    Sweep(sweep::Arguments),
    Report(report::Arguments),
    Demo(demo::Arguments),
    Bench(bench::Arguments),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" too, with exit code 0. If they cannot be
            // printed there is nobody to tell.
            let _ = error.print();
            return exit_code(error.exit_code());
        }
    };
    cli.session.begin();
    let outcome = match &cli.command {
        Command::Devices(arguments) => devices::run(&cli.session, arguments),
        Command::Envs(arguments) => envs::run(arguments),
        Command::Train(arguments) => train::run(&cli.session, arguments),
        Command::Pretrain(arguments) => pretrain::run(&cli.session, arguments),
        Command::Probe(arguments) => probe::run(&cli.session, arguments),
        Command::Eval(arguments) => eval::run(&cli.session, arguments),
        Command::Explain(arguments) => explain::run(&cli.session, arguments),
        Command::Collect(arguments) => collect::run(&cli.session, arguments),
        Command::Sweep(arguments) => sweep::run(&cli.session, arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Demo(arguments) => demo::run(&cli.session, arguments),
        Command::Bench(arguments) => bench::run(&cli.session, arguments),
    };
    cli.session.close();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {}", crate::with_causes(&error)));
            exit_code(error.exit_code())
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
