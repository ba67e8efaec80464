//! Which Python runs the worker, and how it gets the worker's source.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use super::process::Launch;
use crate::shell;

/// The modules of the worker that ships inside this program, each after those that it
/// imports.
const WORKER: [(&str, &str); 9] = [
    ("messages", include_str!("worker/messages.py")),
    ("adapter", include_str!("worker/adapter.py")),
    ("looks", include_str!("worker/looks.py")),
    (
        "suite_dm_control",
        include_str!("worker/suite_dm_control.py"),
    ),
    ("suite_metaworld", include_str!("worker/suite_metaworld.py")),
    ("suite_ale", include_str!("worker/suite_ale.py")),
    ("suite_gym", include_str!("worker/suite_gym.py")),
    ("video", include_str!("worker/video.py")),
    ("service", include_str!("worker/service.py")),
];
/// Reads the modules from stdin, as many bytes as its arguments say, and runs the last:
/// no file is written, and no limit on a command line's length is met.
const BOOTSTRAP: &str = include_str!("worker/bootstrap.py");

/// Where `make real-envs` puts its interpreter, seen from the working directory.
const VENV_PYTHON: &str = if cfg!(windows) {
    ".venv/Scripts/python.exe"
} else {
    ".venv/bin/python"
};
const SYSTEM_PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// An interpreter, and whether the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    pub program: PathBuf,
    pub named: bool,
}

/// The Python that would run a worker, chosen as [`super::BridgeOptions::python`].
pub fn interpreter(option: Option<&Path>) -> PathBuf {
    choose(option).program
}

/// The command that gives a Python these packages. One that belongs to the system is left
/// alone, as its pip wants it (PEP 668): a virtual environment is made from it, where
/// foveate looks for one.
pub fn install_command(program: &Path, packages: &[&str]) -> String {
    let quoted = |path: &Path| shell::quoted(&path.display().to_string());
    let packages: Vec<String> = packages.iter().map(|p| format!("'{p}'")).collect();
    let packages = packages.join(" ");
    let named = quoted(program);
    match is_virtual(program) {
        true => format!("{named} -m pip install {packages}"),
        false => format!(
            "{named} -m venv .venv && {} -m pip install {packages}",
            quoted(Path::new(VENV_PYTHON))
        ),
    }
}

/// Whether it says of itself that it runs in a virtual environment.
fn is_virtual(program: &Path) -> bool {
    let script = "import sys; sys.exit(sys.prefix == sys.base_prefix)";
    let asked = Command::new(program).args(["-c", script]).output();
    asked.is_ok_and(|answer| answer.status.success())
}

/// The option, else `FOVEATE_PYTHON`, else `.venv`, else the system's.
pub(super) fn choose(option: Option<&Path>) -> Python {
    let named = |program| Python {
        program,
        named: true,
    };
    if let Some(program) = option {
        return named(program.to_owned());
    }
    match std::env::var_os("FOVEATE_PYTHON") {
        Some(program) if !program.is_empty() => return named(program.into()),
        _ => {}
    }
    let venv = Path::new(VENV_PYTHON);
    Python {
        program: if venv.exists() {
            // `./` keeps a relative path from being searched in PATH.
            Path::new(".").join(venv)
        } else {
            SYSTEM_PYTHON.into()
        },
        named: false,
    }
}

impl Python {
    /// How to run the embedded worker with this interpreter.
    pub fn launch(&self) -> Launch {
        Launch {
            program: self.program.clone().into_os_string(),
            args: (["-c", BOOTSTRAP].map(OsString::from).into_iter())
                .chain(WORKER.map(|(name, text)| format!("{name}:{}", text.len()).into()))
                .collect(),
            preamble: WORKER.map(|(_, text)| text.as_bytes()).concat(),
        }
    }

    /// What was tried, for an error.
    pub fn tried(&self) -> String {
        match self.named {
            true => format!("'{}'", self.program.display()),
            false => format!(
                "FOVEATE_PYTHON, ./{VENV_PYTHON} and {SYSTEM_PYTHON} in PATH; chose '{}'",
                self.program.display()
            ),
        }
    }
}
