//! Which Python runs the worker, and how it gets the worker's source.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::process::Launch;

/// The worker that ships inside this program.
const WORKER: &str = include_str!("worker.py");
/// Reads the worker from stdin, as many bytes as its argument says, and runs it:
/// no file is written, and no limit on a command line's length is met.
const BOOTSTRAP: &str = include_str!("bootstrap.py");

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
            args: ["-c", BOOTSTRAP, &WORKER.len().to_string()]
                .map(OsString::from)
                .to_vec(),
            preamble: WORKER.as_bytes().to_vec(),
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
