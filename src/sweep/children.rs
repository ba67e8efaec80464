//! Stages of runs as child processes of this same program.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::folder::SweepFolder;
use super::outcome::Failure;
use super::plan::{Plan, PlannedRun};
use super::schedule::{Launch, Stage};
use crate::config::AgentKind;
use crate::shell::quoted;

/// Lines of a log that tell why a run failed.
const LAST_LINES: usize = 8;
/// Longer lines are cut.
const LONGEST_LINE: usize = 400;

/// Starts `foveate train`, `foveate eval` and `foveate explain`.
#[derive(Debug, Clone)]
pub struct Children {
    /// The program.
    pub program: PathBuf,
    /// Options that all its commands are given, before the command's name.
    pub common: Vec<OsString>,
    /// Options of `train`, `eval` and `explain`.
    pub both: Vec<OsString>,
    /// Options of `train`.
    pub train: Vec<OsString>,
    /// Whether to film the first seed of every column and task.
    pub animations: bool,
}

impl Children {
    /// What the program is given for a stage.
    pub fn arguments(
        &self,
        directory: &Path,
        plan: &Plan,
        run: &PlannedRun,
        stage: &Stage,
    ) -> Vec<OsString> {
        let mut words: Vec<String> = vec![];
        match stage {
            Stage::Train { resume } => {
                words.push("train".to_owned());
                words.push(format!("--agent={}", run.agent));
                words.push(format!("--env={}", run.task));
                words.push(format!("--seed={}", run.seed));
                words.extend(run.set.iter().map(|option| format!("--set={option}")));
                words.extend((*resume).then(|| "--resume".to_owned()));
            }
            Stage::Evaluate { looks } => {
                let looks: Vec<_> = looks.iter().map(|look| look.name()).collect();
                words.extend(["eval", "--json"].map(str::to_owned));
                words.push(format!("--modes={}", looks.join(",")));
                words.push(format!("--episodes={}", plan.episodes(run)));
                // As PAD's returns are published.
                words.extend((run.config.agent == AgentKind::Pad).then(|| "--adapt".to_owned()));
            }
            Stage::Animate => {
                words.extend(["explain", "--quiet"].map(str::to_owned));
                let method = run.config.encoder.explained_by();
                words.extend(method.map(|method| format!("--method={method}")));
            }
        }
        let mut given = self.common.clone();
        given.extend(words.into_iter().map(OsString::from));
        if let Stage::Train { .. } = stage {
            given.extend(self.train.iter().cloned());
        }
        given.extend(self.both.iter().cloned());
        given.extend(["--run".into(), directory.into()]);
        given
    }

    fn start(&self, log: &Path, arguments: &[OsString]) -> std::io::Result<Ended> {
        let mut file = OpenOptions::new().create(true).append(true).open(log)?;
        let line: Vec<String> = arguments
            .iter()
            .map(|a| quoted(&a.to_string_lossy()))
            .collect();
        writeln!(file, "$ foveate {}", line.join(" "))?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()?;
        // Its other end says that we live: a child ends when it closes (see `cli`). Taken,
        // because waiting would close it first.
        let alive = child.stdin.take();
        let mut printed = vec![];
        if let Some(mut out) = child.stdout.take() {
            out.read_to_end(&mut printed)?;
        }
        let status = child.wait()?;
        drop(alive);
        file.write_all(&printed)?;
        Ok(Ended {
            printed: String::from_utf8_lossy(&printed).into_owned(),
            well: status.success(),
            status: status.to_string(),
        })
    }
}

struct Ended {
    printed: String,
    well: bool,
    status: String,
}

impl Launch for Children {
    fn animates(&self) -> bool {
        self.animations
    }

    fn launch(
        &self,
        folder: &SweepFolder,
        plan: &Plan,
        run: &PlannedRun,
        stage: &Stage,
    ) -> Result<String, Failure> {
        let log = folder.log(run);
        let arguments = self.arguments(&folder.directory(run), plan, run, stage);
        let failed = |ended: String| Failure {
            stage: stage.name().to_owned(),
            ended,
            log: last_lines(&log),
        };
        match self.start(&log, &arguments) {
            Ok(ended) if ended.well => Ok(ended.printed),
            Ok(ended) => Err(failed(ended.status)),
            Err(error) => Err(failed(format!("it could not be run: {error}"))),
        }
    }
}

/// The last lines that the latest command wrote to a log, without control characters.
pub fn last_lines(log: &Path) -> Vec<String> {
    let Ok(file) = File::open(log) else {
        return vec![];
    };
    let mut lines: Vec<String> = vec![];
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("$ foveate ") {
            lines.clear();
        } else if !line.trim().is_empty() {
            let plain = line.trim_end().chars().filter(|c| !c.is_control());
            lines.push(plain.take(LONGEST_LINE).collect());
            if lines.len() > LAST_LINES {
                lines.remove(0);
            }
        }
    }
    lines
}
