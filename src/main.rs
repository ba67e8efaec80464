//! The program `foveate`; everything is in the library's `cli` module.

use std::process::ExitCode;

fn main() -> ExitCode {
    foveate::cli::main()
}
