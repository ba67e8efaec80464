//! Choosing between kernels by measurement: what is measured is used and kept, what is
//! not is estimated, and a run that goes on keeps what it began with.

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use foveate::agents::tuning::{TuningCache, Unused};
use foveate::gpu::{Choices, Gpu, Tuning};
use foveate::tape::{Gradient, Program, Tape};

/// Several minutes: more than any of these tests can take.
const AMPLE: Duration = Duration::from_secs(300);

/// A device of its own, so that its choices are nobody else's.
fn fresh() -> Gpu {
    Gpu::new_blocking(Default::default()).unwrap()
}

/// A convolution, a product and their gradients.
fn compile(gpu: &Gpu) -> Program {
    let tape = Tape::new();
    let mut rng = rng(3);
    let x = random(&mut rng, &[2, 5, 9, 8]);
    let w = random(&mut rng, &[7, 5, 3, 3]);
    let v = random(&mut rng, &[7 * 7 * 6, 11]);
    let x = tape.constant(&x.shape, &x.f32()).unwrap();
    let w = tape.constant(&w.shape, &w.f32()).unwrap();
    let v = tape.constant(&v.shape, &v.f32()).unwrap();
    let features = x.conv2d(&w, None, Default::default()).unwrap();
    let y = features
        .reshape(&[2, 7 * 7 * 6])
        .unwrap()
        .matmul(&v)
        .unwrap();
    let loss = y.mul(&y).unwrap().sum(0..2).unwrap().reshape(&[]).unwrap();
    let gradients = tape.gradients(&loss, &[x, w, v], Gradient::True).unwrap();
    for (i, g) in gradients.iter().enumerate() {
        tape.output(&format!("g{i}"), g.as_ref().unwrap());
    }
    tape.compile(gpu).unwrap()
}

fn results(program: &Program) -> Vec<f32> {
    program.poison().unwrap();
    program.run().unwrap();
    ["g0", "g1", "g2"]
        .iter()
        .flat_map(|name| program.read_blocking::<f32>(name).unwrap())
        .collect()
}

fn keys(program: &Program) -> BTreeSet<&'static str> {
    program.dispatches().map(|d| d.1).collect()
}

/// What was said and kept.
#[derive(Default)]
struct Heard {
    notices: Mutex<Vec<String>>,
    kept: Mutex<Vec<Choices>>,
}

fn tuning(budget: Duration) -> (Tuning, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (a, b) = (heard.clone(), heard.clone());
    let tuning = Tuning {
        budget,
        notice: Arc::new(move |text| a.notices.lock().unwrap().push(text.to_string())),
        turn: None,
        keep: Arc::new(move |_, choices| b.kept.lock().unwrap().push(choices.clone())),
    };
    (tuning, heard)
}

#[test]
fn what_is_measured_is_used_kept_and_right() {
    let gpu = fresh();
    let estimated = results(&compile(&gpu));
    assert!(gpu.choices().is_empty(), "nothing is measured unasked");

    let (tuning, heard) = tuning(AMPLE);
    gpu.set_tuning(Some(tuning));
    let program = compile(&gpu);
    let choices = gpu.choices();
    assert!(!choices.is_empty());
    assert_eq!(*heard.kept.lock().unwrap(), std::slice::from_ref(&choices));
    assert_eq!(heard.notices.lock().unwrap().len(), 1);
    for (class, key) in choices.iter() {
        assert!(keys(&program).contains(key), "{class}: {key} does not run");
    }
    // Sums may have another order.
    let tuned = results(&program);
    let expected: Vec<f64> = estimated.iter().map(|&v| v.into()).collect();
    assert_close("tuned", &tuned, &expected, 1e-4);

    // All is known now: the same program again costs nothing and says nothing.
    let again = compile(&gpu);
    assert_eq!(heard.notices.lock().unwrap().len(), 1);
    assert_eq!(gpu.choices(), choices);
    assert_eq!(keys(&again), keys(&program));
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|v| v.to_bits()).collect() };
    assert_eq!(bits(&results(&again)), bits(&tuned));
}

/// Of two programs that would measure the same at once, the second waits for its turn and
/// then knows what the first one measured.
#[test]
fn what_another_measured_meanwhile_is_not_measured_again() {
    let first = fresh();
    first.set_tuning(Some(tuning(AMPLE).0));
    compile(&first);
    let measured = first.choices();
    assert!(!measured.is_empty());

    let second = fresh();
    let (mut tuning, heard) = tuning(AMPLE);
    let known = measured.clone();
    tuning.turn = Some(Arc::new(move |gpu| {
        gpu.set_choices(known.clone());
        Some(Box::new(()))
    }));
    second.set_tuning(Some(tuning));
    compile(&second);
    assert_eq!(second.choices(), measured);
    assert!(heard.notices.lock().unwrap().is_empty());
    assert!(heard.kept.lock().unwrap().is_empty());
}

#[test]
fn choices_decide_and_unknown_ones_do_not() {
    let gpu = fresh();
    let plain = compile(&gpu);
    let products = |program: &Program| -> Vec<&'static str> {
        let of = program
            .dispatches()
            .filter(|d| d.1.starts_with("matmul/matmul."));
        of.map(|d| d.1).collect()
    };
    // Ask for another tile than the estimate's for the first product.
    let other = foveate::gpu::shader::SHADERS
        .iter()
        .map(|s| s.key)
        .filter(|key| key.starts_with("matmul/matmul."))
        .filter(|key| key.contains("subgroup") == products(&plain)[0].contains("subgroup"))
        .find(|key| *key != products(&plain)[0])
        .unwrap();
    let mut choices = Choices::default();
    choices.insert("matmul 2x294x11 nn", other);
    choices.insert("matmul 294x2x11 tn", "matmul/matmul.of_another_version");
    gpu.set_choices(choices);
    let chosen = compile(&gpu);
    assert_eq!(products(&chosen)[0], other);
    assert_eq!(products(&chosen)[1..], products(&plain)[1..]);
}

#[test]
fn no_time_leaves_it_to_the_estimate() {
    let gpu = fresh();
    let plain = keys(&compile(&gpu));
    let (tuning, heard) = tuning(Duration::from_nanos(1));
    gpu.set_tuning(Some(tuning));
    assert_eq!(keys(&compile(&gpu)), plain);
    assert!(gpu.choices().is_empty());
    let notices = heard.notices.lock().unwrap();
    assert!(
        notices.last().unwrap().contains("left to the estimate"),
        "{notices:?}"
    );
}

#[test]
fn a_cache_is_used_only_where_it_fits() {
    let gpu = fresh();
    let folder = tempfile::tempdir().unwrap();
    let cache = TuningCache::new(folder.path().join("new"));
    assert_eq!(cache.load(&gpu), Err(Unused::Absent));
    let mut choices = Choices::default();
    choices.insert("matmul 1x2x3 nn", "matmul/matmul.wide");
    cache.keep(&gpu, &choices).unwrap();
    assert_eq!(cache.load(&gpu), Ok(choices.clone()));

    // What another process measured meanwhile stays.
    let mut others = Choices::default();
    others.insert("matmul 4x5x6 nn", "matmul/matmul.narrow");
    cache.keep(&gpu, &others).unwrap();
    choices.insert("matmul 4x5x6 nn", "matmul/matmul.narrow");
    assert_eq!(cache.load(&gpu), Ok(choices));

    let path = cache.path(&gpu);
    let good = std::fs::read_to_string(&path).unwrap();
    for field in ["driver", "shaders", "adapter"] {
        let mut json: serde_json::Value = serde_json::from_str(&good).unwrap();
        json[field] = "another".into();
        std::fs::write(&path, json.to_string()).unwrap();
        assert_eq!(cache.load(&gpu), Err(Unused::Foreign), "{field}");
    }
    for damage in [&good[..good.len() / 2], "", "[]"] {
        std::fs::write(&path, damage).unwrap();
        assert!(
            matches!(cache.load(&gpu), Err(Unused::Damaged(_))),
            "{damage:?}"
        );
    }
}

/// Several programs keep what they measured in one file: nothing is taken away.
#[test]
fn what_is_kept_at_once_is_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, gpu) = (TuningCache::new(folder.path()), fresh());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (cache, gpu) = (&cache, &gpu);
            scope.spawn(move || {
                for m in 0..5 {
                    let mut choices = Choices::default();
                    choices.insert(format!("class {n} {m}"), "key");
                    cache.keep(gpu, &choices).unwrap();
                }
            });
        }
    });
    assert_eq!(cache.load(&gpu).unwrap().len(), 40);
}
