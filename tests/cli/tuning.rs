//! Kernels are measured once for a device, and a run keeps what it began with.

use std::fs;
use std::path::PathBuf;

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

/// What was measured, in a cache folder; what drivers made of kernels may lie beside it.
fn measured_in(cache: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path());
    files.find(|path| text(path).contains("tuning-"))
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
    let file = measured_in(cache).unwrap();
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

/// Goes on training `run` for three steps; what it printed, and the shaders it ran.
fn resume(run: &std::path::Path, cache: &str) -> (Answer, String) {
    let text = run.to_str().unwrap();
    let arguments = ["train", "--resume", "--quiet", "--steps=12", "--profile=1"];
    let arguments = [&arguments[..], &["--run", text]].concat();
    let answer = foveate_with(&arguments, &[("FOVEATE_CACHE", cache)]);
    answer.succeeds();
    let profile = fs::read_to_string(run.join("profile.json")).unwrap();
    (answer, profile)
}

#[test]
fn a_resumed_run_keeps_its_kernels() {
    let root = tempdir().unwrap();
    let cache = |name: &str| root.path().join(name).to_str().unwrap().to_string();
    train(root.path(), "first", &cache("cache"), &[]);
    // As if the tile that nobody would estimate had been measured to be the best.
    let file = measured_in(&cache("cache")).unwrap();
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let class = "matmul 4x484x8 nt";
    let measured = kept["choices"][class].as_str().unwrap().to_string();
    // Where there are subgroups of eight, pairs are candidates too, and what needs none is not.
    let by_subgroup = ["subgroup", "pairs"]
        .iter()
        .any(|kind| measured.contains(kind));
    let odd = match by_subgroup {
        true => "matmul/matmul.subgroup_32x64",
        false if measured.ends_with("wide") => "matmul/matmul.narrow",
        false => "matmul/matmul.wide",
    };
    for choice in kept["choices"].as_object_mut().unwrap().values_mut() {
        if choice.as_str() == Some(odd) {
            *choice = measured.clone().into();
        }
    }
    let without = kept.clone();
    kept["choices"][class] = odd.into();
    fs::write(&file, kept.to_string()).unwrap();

    let (_, before) = train(root.path(), "run", &cache("cache"), &[]);
    assert_eq!(before["choices"][class], odd);
    // Another cache says otherwise; the run goes on as it began.
    fs::write(&file, without.to_string()).unwrap();
    let (answer, profile) = resume(&root.path().join("run"), &cache("cache"));
    assert!(!answer.err.contains("another device"), "{}", answer.err);
    assert!(!answer.err.contains("measuring"), "{}", answer.err);
    assert!(profile.contains(odd), "{odd} does not run");
}

#[test]
fn a_run_killed_before_it_trained_is_resumed_without_measuring_if_it_was_told_so() {
    let root = tempdir().unwrap();
    let cache = root.path().join("cache");
    let cache = cache.to_str().unwrap();
    train(root.path(), "run", cache, &["--no-tune"]);
    let run = root.path().join("run");
    // What `--no-tune` notes before anything is compiled.
    let mut begun: Value =
        serde_json::from_slice(&fs::read(run.join("tuning.json")).unwrap()).unwrap();
    begun["kernels"] = Value::Array(vec![]);
    fs::write(run.join("tuning.json"), format!("{begun:#}\n")).unwrap();
    let (answer, _) = resume(&run, cache);
    assert!(!answer.err.contains("measuring"), "{}", answer.err);
    assert!(!answer.err.contains("another device"), "{}", answer.err);
    assert!(
        measured_in(cache).is_none(),
        "nothing was measured, nothing is kept"
    );
}
