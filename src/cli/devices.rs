//! `foveate devices`: the adapters of this machine.

use super::error::CliError;
use super::output::{bytes, print, table};
use super::session::Session;
use crate::gpu::{AdapterReport, GpuError, adapters};

const EXAMPLES: &str = "\
Examples:
  foveate devices
  foveate devices --json
  foveate devices --adapter nvidia        which one would this name pick?
  FOVEATE_ADAPTER=llvmpipe foveate devices";

/// List the adapters, what foveate would use of each, and which one it would pick.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let found = pollster::block_on(adapters(&session.gpu_options()))?;
    if arguments.json {
        let json = serde_json::to_value(&found).unwrap_or_default();
        print(&format!("{json:#}"))?;
    } else if !found.is_empty() {
        print(&describe(&found))?;
    }
    if found.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    Ok(())
}

fn describe(found: &[AdapterReport]) -> String {
    let mut rows = vec![
        [
            "",
            "adapter",
            "backend",
            "kind",
            "binding",
            "buffer",
            "workgroup",
            "subgroup",
        ]
        .map(str::to_string)
        .to_vec(),
    ];
    for adapter in found {
        let [low, high] = adapter.subgroup_size;
        rows.push(vec![
            if adapter.picked { "*" } else { "" }.to_string(),
            adapter.name.clone(),
            adapter.backend.clone(),
            adapter.kind.clone(),
            bytes(adapter.max_storage_binding),
            bytes(adapter.max_buffer),
            adapter.max_invocations_per_workgroup.to_string(),
            match (low, high) {
                (0, 0) => "-".to_string(),
                (low, high) if low == high => low.to_string(),
                (low, high) => format!("{low}-{high}"),
            },
        ]);
    }
    let right = [false, false, false, false, true, true, true, true];
    let mut text = table(&rows, &right);
    for adapter in found {
        text += &format!("\n\n{} ({})", adapter.name, adapter.backend);
        if !adapter.driver.is_empty() {
            text += &format!("\n  driver: {}", adapter.driver);
        }
        let features = match adapter.features.as_slice() {
            [] => "none".to_string(),
            features => features.join(", "),
        };
        text += &format!("\n  features that foveate uses: {features}");
        text += &match &adapter.lacks {
            Some(lacks) => format!("\n  cannot run foveate: {lacks}"),
            None if adapter.picked => "\n  foveate picks this one".to_string(),
            None => String::new(),
        };
    }
    text
}
