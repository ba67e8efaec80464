//! `foveate train --profile`.

use std::fs;

use serde_json::Value;

use super::support::{checkpoints, json, text, train, trained};

/// The files are there and say the same; the run ends as if nobody had looked.
///
/// Sabotages tried: profiled updates not run; slices that begin where the one before
/// begins; one update too many. Each turns this red.
#[test]
fn a_profiled_run_leaves_a_table_and_a_trace_and_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let answer = train(&run, &["--steps=20", "--profile=4"]);
    let printed = answer.succeeds();

    let content = |run| -> Vec<Vec<u8>> {
        let files = checkpoints(run);
        files.iter().map(|path| fs::read(path).unwrap()).collect()
    };
    assert!(content(&run) == content(trained()), "other bits");

    let table = fs::read_to_string(run.join("profile.txt")).unwrap();
    assert!(printed.starts_with(&table), "{printed}");
    assert!(table.starts_with("4 updates on "), "{table}");
    for column in ["operation", "total ms", "GFLOP/s", "conv2d", "adam/step"] {
        assert!(table.contains(column), "no {column}: {table}");
    }

    let trace = json(&fs::read_to_string(run.join("profile.json")).unwrap());
    let events = trace["traceEvents"].as_array().unwrap();
    let slices: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
    let mut end = 0.0;
    for slice in &slices {
        let (begin, time) = (slice["ts"].as_f64(), slice["dur"].as_f64());
        // Up to the rounding of microseconds that hold whole nanoseconds.
        assert!(begin.unwrap() >= end - 1e-4, "{slice} before {end}");
        end = begin.unwrap() + time.unwrap();
        assert!(!slice["args"]["shader"].as_str().unwrap().is_empty());
    }
    // The last four of twelve, each with all dispatches of its turn.
    let of = |update: u64| slices.iter().filter(move |s| s["args"]["update"] == update);
    for update in 9..=12 {
        let track = &of(update).next().unwrap()["tid"];
        let named = |e: &&Value| e["name"] == "thread_name" && e["tid"] == *track;
        let turn = events.iter().find(named).unwrap()["args"]["name"].as_str();
        let line = (table.lines()).find(|line| {
            let columns: Vec<&str> = line.split("  ").filter(|c| !c.is_empty()).collect();
            columns.get(1).map(|c| c.trim()) == turn
        });
        let columns: Vec<&str> = line.unwrap().split_whitespace().collect();
        let dispatches: usize = columns[columns.len() - 3].parse().unwrap();
        assert_eq!(of(update).count(), dispatches, "update {update}");
    }
    assert_eq!((9..=12).map(|u| of(u).count()).sum::<usize>(), slices.len());
    let total = table.lines().last().unwrap();
    let calls = total.split_whitespace().nth(1).unwrap();
    assert_eq!(calls.parse::<usize>().unwrap(), slices.len());
}

#[test]
fn a_run_without_updates_has_nothing_to_profile() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let answer = train(&run, &["--steps=8", "--profile"]);
    answer.succeeds();
    assert!(
        answer.err.contains("nothing was profiled"),
        "{}",
        answer.err
    );
    assert!(!run.join("profile.json").exists());

    let other = folder.path().join("other");
    train(&other, &["--profile=0"]).fails(2, &["--profile", "0", "1..=100"]);
    assert!(!other.exists(), "{}", text(&other));
}
