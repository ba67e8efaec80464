//! Kernels are measured once for a device, and a run keeps what it began with.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::*;

/// Trains a small run; what `tuning.json` says.
fn train(root: &std::path::Path, name: &str, cache: &str, more: &[&str]) -> (Answer, Value) {
    let run = root.join(name);
    let run = run.to_str().unwrap();
    let mut arguments = vec!["train", "--agent=sac", "--env=native/reach", "--steps=9"];
    arguments.extend(SMALL);
    arguments.extend(["--run", run]);
    arguments.extend(more);
    let answer = foveate_with(&arguments, &[("FOVEATE_CACHE", cache)]);
    answer.succeeds();
    let json = fs::read(root.join(name).join("tuning.json")).unwrap();
    (answer, serde_json::from_slice(&json).unwrap())
}

fn choices(tuning: &Value) -> usize {
    tuning["choices"].as_object().unwrap().len()
}

#[test]
fn measured_once_kept_and_left_alone_on_request() {
    let root = tempdir().unwrap();
    let cache = root.path().join("cache");
    let cache = cache.to_str().unwrap();
    let (first, measured) = train(root.path(), "first", cache, &[]);
    assert!(
        first.err.contains("measuring which kernels"),
        "{}",
        first.err
    );
    assert!(choices(&measured) > 0);
    assert!(measured["kernels"].as_array().unwrap().len() > 10);

    let (second, same) = train(root.path(), "second", cache, &[]);
    assert!(!second.err.contains("measuring"), "{}", second.err);
    assert_eq!(same, measured);

    let (_, estimated) = train(root.path(), "third", cache, &["--no-tune"]);
    assert_eq!(choices(&estimated), 0);

    // A damaged cache is said to be, and made anew.
    let file = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "{").unwrap();
    let (fourth, again) = train(root.path(), "fourth", cache, &[]);
    assert!(
        fourth.err.contains("is not used: it is damaged"),
        "{}",
        fourth.err
    );
    assert!(choices(&again) > 0);
    assert!(fs::read(&file).unwrap().len() > 100);
}

#[test]
fn a_resumed_run_keeps_its_kernels() {
    let root = tempdir().unwrap();
    let cache = root.path().join("cache");
    let cache = cache.to_str().unwrap();
    let (_, before) = train(root.path(), "run", cache, &["--no-tune"]);
    let run = root.path().join("run");
    let arguments = ["train", "--resume", "--quiet", "--steps=12", "--run"];
    let mut arguments = arguments.to_vec();
    arguments.push(run.to_str().unwrap());
    let answer = foveate_with(&arguments, &[("FOVEATE_CACHE", cache)]);
    answer.succeeds();
    assert!(!answer.err.contains("another device"), "{}", answer.err);
    assert!(!answer.err.contains("measuring"), "{}", answer.err);
    let after: Value = serde_json::from_slice(&fs::read(run.join("tuning.json")).unwrap()).unwrap();
    assert_eq!(after, before);
}
