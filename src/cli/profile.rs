//! Where the time of updates went: a table by operation and kernel, and a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, json};

use super::error::CliError;
use super::output::{counted, note, print, table};
use crate::agents::sac::Turn;
use crate::agents::{ProfiledUpdate, Trainer};
use crate::config::Config;
use crate::run::Trace;
use crate::tape::{Profile, ProfileRow, Timer, summarise};

/// Prints the table of what a trainer has profiled, and writes it and the trace into
/// the run directory.
pub(super) fn report(trainer: &Trainer, config: &Config, adapter: &str) -> Result<(), CliError> {
    let updates = trainer.profiled();
    let directory = trainer.directory();
    if updates.is_empty() {
        note(
            "nothing was profiled: there were no updates beyond the first of each kind; give more --steps",
        );
        return Ok(());
    }
    let text = describe(updates, adapter);
    let title = format!("{} on {}", config.agent, config.env);
    directory.write_profile(&text, &trace(updates, &title, adapter))?;
    print(&format!(
        "{text}\n\n\
         table           {}\n\
         trace           {} (opens in https://ui.perfetto.dev)\n",
        directory.profile_table().display(),
        directory.profile_trace().display(),
    ))
}

/// Updates by what they updated, the most first.
fn by_turn(updates: &[ProfiledUpdate]) -> Vec<(Turn, Vec<&Profile>)> {
    let mut turns: BTreeMap<Turn, Vec<&Profile>> = BTreeMap::new();
    for update in updates {
        turns.entry(update.turn).or_default().push(&update.profile);
    }
    turns.into_iter().rev().collect()
}

/// What was timed and how, the time of each kind of update, and that of each kernel.
fn describe(updates: &[ProfiledUpdate], adapter: &str) -> String {
    let how = match updates.first().map(|u| u.profile.timer) {
        Some(Timer::WallClock) => {
            "wall clock (no good GPU timestamps): each\n\
             dispatch is submitted alone and waited for, and that is counted too"
        }
        _ => "GPU timestamps",
    };
    let profiles = updates.iter().map(|u| &u.profile);
    format!(
        "{} on {adapter}, by {how}\n\n{}\n\n{}",
        counted(updates.len(), "update"),
        table(&turn_rows(updates), &[true, false, true, true, true]),
        table(
            &kernel_rows(&summarise(profiles)),
            &[false, false, true, true, true, true, true, true],
        ),
    )
}

fn turn_rows(updates: &[ProfiledUpdate]) -> Vec<Vec<String>> {
    let head = ["updates", "of", "dispatches", "mean sum ms", "mean wall ms"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for (turn, profiles) in by_turn(updates) {
        let mean = |time: &dyn Fn(&Profile) -> Duration| {
            let sum: Duration = profiles.iter().map(|p| time(p)).sum();
            format!("{:.3}", milliseconds(sum) / profiles.len() as f64)
        };
        rows.push(vec![
            profiles.len().to_string(),
            turn.to_string(),
            profiles[0].dispatches.len().to_string(),
            mean(&|p| p.dispatches.iter().map(|d| d.time).sum()),
            mean(&|p| p.wall),
        ]);
    }
    rows
}

/// One row for each kernel of each operation, and one for all.
fn kernel_rows(summary: &[ProfileRow]) -> Vec<Vec<String>> {
    let head = [
        "operation",
        "shader",
        "calls",
        "total ms",
        "mean µs",
        "%",
        "GFLOP/s",
        "GB/s",
    ];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    let total: Duration = summary.iter().map(|row| row.time).sum();
    for row in summary {
        // What does arithmetic is measured by that, all else by what it moves.
        let bandwidth = match row.cost.flops {
            0 => row.gigabytes(),
            _ => None,
        };
        rows.push(vec![
            row.op.to_string(),
            row.shader.to_string(),
            row.calls.to_string(),
            format!("{:.3}", milliseconds(row.time)),
            format!("{:.1}", 1e3 * milliseconds(row.time) / row.calls as f64),
            percent(row.time, total),
            rate(row.gflops()),
            rate(bandwidth),
        ]);
    }
    let calls: u64 = summary.iter().map(|row| row.calls).sum();
    rows.push(vec![
        "total".to_string(),
        String::new(),
        calls.to_string(),
        format!("{:.3}", milliseconds(total)),
        String::new(),
        percent(total, total),
    ]);
    rows
}

fn milliseconds(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

fn percent(part: Duration, whole: Duration) -> String {
    if whole.is_zero() {
        return "?".to_string();
    }
    format!("{:.1}", 100.0 * part.as_secs_f64() / whole.as_secs_f64())
}

fn rate(billions: Option<f64>) -> String {
    let digits = |r| if r < 10.0 { 2 } else { 1 };
    billions.map_or(String::new(), |r| format!("{r:.*}", digits(r)))
}

/// One track for each kind of update, one slice for each dispatch.
fn trace(updates: &[ProfiledUpdate], title: &str, adapter: &str) -> Trace {
    let mut about = Map::new();
    about.insert("adapter".to_string(), json!(adapter));
    if let Some(first) = updates.first() {
        about.insert("timer".to_string(), json!(first.profile.timer.to_string()));
    }
    let mut trace = Trace::new(title, about);
    let mut tracks = BTreeMap::new();
    for (turn, _) in by_turn(updates) {
        tracks.insert(turn, trace.track(&turn.to_string()));
    }
    let mut end = Duration::ZERO;
    for update in updates {
        let profile = &update.profile;
        let since_first = profile.started.duration_since(updates[0].profile.started);
        // The clocks of host and device need not tick alike.
        let start = since_first.max(end);
        for d in &profile.dispatches {
            let begin = start + d.begin;
            let arguments = json!({
                "shader": d.shader,
                "groups": d.groups,
                "flops": d.cost.flops,
                "bytes": d.cost.bytes,
                "update": update.update,
            });
            trace.slice(tracks[&update.turn], d.op, begin, d.time, arguments);
            end = begin + d.time;
        }
    }
    trace
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::tape::{Cost, TimedDispatch};

    const CRITIC: Turn = Turn {
        actor: false,
        targets: false,
        auxiliary: false,
    };
    const BOTH: Turn = Turn {
        actor: true,
        ..CRITIC
    };

    fn dispatch(op: &'static str, [begin, time]: [u64; 2], cost: Cost) -> TimedDispatch {
        TimedDispatch {
            op,
            shader: "folder/file",
            groups: [3, 2, 1],
            cost,
            begin: Duration::from_micros(begin),
            time: Duration::from_micros(time),
        }
    }

    /// Two updates of the critic and one of critic and actor; the second is submitted
    /// when by its device's clock the first still runs.
    fn updates(timer: Timer) -> Vec<ProfiledUpdate> {
        let started = Instant::now();
        let sum = Cost {
            flops: 0,
            bytes: 3_000,
        };
        let product = Cost {
            flops: 80_000_000,
            bytes: 9,
        };
        let update = |update, turn, started, dispatches: &[TimedDispatch]| ProfiledUpdate {
            update,
            turn,
            profile: Profile {
                timer,
                dispatches: dispatches.to_vec(),
                started,
                wall: Duration::from_millis(5),
            },
        };
        let both = [
            dispatch("add", [0, 1_000], sum),
            dispatch("matmul", [1_000, 2_000], product),
        ];
        let add = [dispatch("add", [0, 500], sum)];
        let at = |us| started + Duration::from_micros(us);
        vec![
            update(8, BOTH, started, &both),
            update(9, CRITIC, at(2_900), &add),
            update(10, CRITIC, at(9_000), &add),
        ]
    }

    #[test]
    fn the_table_has_a_row_for_each_kernel_the_slowest_first() {
        let expected = "\
3 updates on a device, by GPU timestamps

updates  of              dispatches  mean sum ms  mean wall ms
      1  critic + actor           2        3.000         5.000
      2  critic                   1        0.500         5.000

operation  shader       calls  total ms  mean µs      %  GFLOP/s  GB/s
add        folder/file      3     2.000    666.7   50.0           0.00
matmul     folder/file      1     2.000   2000.0   50.0     40.0
total                       4     4.000           100.0";
        assert_eq!(describe(&updates(Timer::Timestamps), "a device"), expected);
        let text = describe(&updates(Timer::WallClock), "a device");
        assert!(text.contains("by wall clock"), "{text}");
    }

    /// No time at all has no rate and no share.
    #[test]
    fn clocks_that_stand_still_divide_nothing() {
        let mut updates = updates(Timer::Timestamps);
        for d in updates.iter_mut().flat_map(|u| &mut u.profile.dispatches) {
            d.time = Duration::ZERO;
        }
        let text = describe(&updates, "a device");
        assert!(text.contains('?'), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn the_trace_has_a_track_for_each_turn_and_no_overlap() {
        let updates = updates(Timer::WallClock);
        let trace = trace(&updates, "sac on a world", "a device").to_json();
        let trace: serde_json::Value = serde_json::from_str(&trace).unwrap();
        assert_eq!(trace["otherData"]["timer"], "wall clock");
        let events = trace["traceEvents"].as_array().unwrap();
        let names = |what: &str| -> Vec<_> {
            (events.iter().filter(|e| e["name"] == what))
                .map(|e| e["args"]["name"].as_str().unwrap())
                .collect()
        };
        assert_eq!(names("process_name"), ["sac on a world"]);
        assert_eq!(names("thread_name"), ["critic + actor", "critic"]);
        let slices: Vec<_> = (events.iter().filter(|e| e["ph"] == "X"))
            .map(|e| {
                let number = |key: &str| e[key].as_f64().unwrap();
                (
                    e["name"].as_str().unwrap(),
                    number("tid"),
                    number("ts"),
                    number("dur"),
                )
            })
            .collect();
        let expected = [
            ("add", 1.0, 0.0, 1_000.0),
            ("matmul", 1.0, 1_000.0, 2_000.0),
            ("add", 2.0, 3_000.0, 500.0),
            ("add", 2.0, 9_000.0, 500.0),
        ];
        assert_eq!(slices, expected);
        let product = events.iter().find(|e| e["name"] == "matmul").unwrap();
        let arguments = json!({
            "shader": "folder/file",
            "groups": [3, 2, 1],
            "flops": 80_000_000,
            "bytes": 9,
            "update": 8,
        });
        assert_eq!(product["args"], arguments);
    }
}
