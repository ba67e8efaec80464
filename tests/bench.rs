//! The bench: what it measures, how it counts, what it prints. No time is asserted.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::gpu;
use foveate::Error;
use foveate::bench::{
    CEILING_STEPS, Ceilings, Effort, Pass, Rate, Row, Samples, Scale, Stopwatch, Subject, Work,
    works,
};
use foveate::envs::native::IDS;
use foveate::tape::{Cost, Timer};

/// No longer than a test may take.
const BRIEF: Effort = Effort {
    sample: Duration::from_micros(1),
    samples: 1,
    budget: Duration::from_millis(1),
};

fn scales() -> impl Iterator<Item = Scale> {
    let choices = [false, true];
    choices
        .into_iter()
        .flat_map(move |software| choices.map(|quick| Scale { software, quick }))
}

/// The works of this device whose id contains all of these texts.
fn find(texts: &[&str]) -> Work {
    let all = works::all(Scale::of(&gpu(), true));
    let mut found: Vec<Work> = (all.into_iter())
        .filter(|work| texts.iter().all(|text| work.id().contains(text)))
        .collect();
    assert_eq!(found.len(), 1, "{texts:?}: {found:?}");
    found.remove(0)
}

fn prepared(texts: &[&str]) -> Subject {
    find(texts).prepare(&gpu()).unwrap()
}

/// Ceilings that nobody measured.
fn ceilings(gflops: f64, gbps: f64) -> Ceilings {
    Ceilings {
        gflops,
        gbps,
        rows: vec![],
    }
}

fn samples(nanoseconds: &[u64]) -> Samples {
    Samples::new(
        nanoseconds
            .iter()
            .map(|&n| Duration::from_nanos(n))
            .collect(),
    )
}

#[test]
fn every_work_is_there_once_and_is_found_by_name_and_pass() {
    for scale in scales() {
        let all = works::all(scale);
        let ids: BTreeSet<String> = all.iter().map(Work::id).collect();
        assert_eq!(ids.len(), all.len(), "{scale:?}");
        for work in &all {
            assert!(work.matches(work.name) && work.matches(work.pass.name()));
            assert!(work.matches(&work.name[1..work.name.len() - 1]));
            assert!(!work.matches("nonesuch") && !work.matches(&work.shape));
        }
        let count = |name: &str| all.iter().filter(|w| w.name == name).count();
        assert_eq!(count("conv2d"), 12);
        // The pictures of each world alone, and with its physics.
        assert_eq!(count("raycast"), 2 * IDS.len());
        let paper = |w: &&Work| w.shape.starts_with("paper");
        assert_eq!(all.iter().filter(paper).count() == 0, scale.quick);
        assert_eq!(count("matmul"), if scale.software { 1 } else { 2 });
    }
    let names = works::names(&works::all(Scale {
        software: true,
        quick: false,
    }));
    for name in [
        "conv2d",
        "layer_norm",
        "adam",
        "stack_frames",
        "mask_fill",
        "overlay",
        "sgqn_update",
        "dqn_update",
        "multimae_update",
    ] {
        assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{names:?}");
    }
}

#[test]
fn operations_are_counted_by_the_formula() {
    let batch = if gpu().capabilities().software {
        16
    } else {
        128
    };
    // 3×3 over 32 channels, 41 → 39; both gradients take as many, and no more: they are
    // timed without the forward pass.
    let expected = 2 * batch * 32 * 39 * 39 * 32 * 9;
    let shape = format!("{batch}×32×41×41");
    for part in [
        &["forward"][..],
        &["backward", "input gradient"],
        &["backward", "weight gradient"],
    ] {
        let subject = prepared(&[&["conv2d", &shape], part].concat());
        assert_eq!(subject.cost().flops, expected, "{part:?}");
        assert!(subject.variant().starts_with("conv2d/"));
    }
    let product = prepared(&["matmul", "768"]);
    let elements = 768u64.pow(2);
    assert_eq!(product.cost().flops, 2 * 768 * elements);
    assert_eq!(product.cost().bytes, 3 * 4 * elements);
    let linear = prepared(&["linear", "backward", "1024"]);
    assert_eq!(linear.cost().flops, 2 * 2 * 128 * 1024 * 1024);
    // Parameters and both moments are read and written, gradients read.
    let adam = prepared(&["adam"]).cost();
    assert_eq!(adam.flops, 0);
    let elements = adam.bytes as f64 / 4.0 / 8e6;
    assert!((7.0..7.001).contains(&elements), "{elements}");
}

/// Rates are those of the fastest sample: two operations for each multiply-add that the
/// kernel's chains and passes make, bytes that are read and written.
///
/// Sabotages tried: one operation for each multiply-add, what is copied counted once, the
/// slowest sample. Each turns this red.
#[test]
fn ceilings_are_what_was_done_over_the_time() {
    use foveate::gpu::shader::ShaderInfo;
    let stopwatch = Stopwatch::with(&gpu(), Timer::WallClock).unwrap();
    let mut told = 0;
    let effort = Effort {
        samples: 3,
        ..BRIEF
    };
    let ceilings = Ceilings::measure(&stopwatch, effort, &mut |_| told += 1).unwrap();
    assert_eq!(told, CEILING_STEPS);
    let billions = |row: &Row, amount: u64| amount as f64 / row.samples.min().as_nanos() as f64;
    let near = |rate: f64, right: f64| assert!((rate / right - 1.0).abs() < 1e-9, "{rate} {right}");
    let [multiply_add, copy] = [&ceilings.rows[0], &ceilings.rows[1]];
    let shader = ShaderInfo::find(&multiply_add.variant).unwrap();
    let constant = |name| u64::from(shader.constant(name).unwrap());
    let rounds = if gpu().capabilities().software {
        16
    } else {
        512
    };
    let steps = (rounds * constant("CHAINS") * constant("PASSES")) << 18;
    near(ceilings.gflops, billions(multiply_add, 2 * steps));
    let mebibytes: u64 = copy.shape.trim_end_matches(" MiB").parse().unwrap();
    near(ceilings.gbps, billions(copy, 2 * (mebibytes << 20)));
    assert_eq!(ceilings.rows.len(), 4);
    for row in &ceilings.rows {
        assert_eq!(row.pass, Pass::Ceiling);
        assert!(row.name.starts_with("ceiling ") && row.samples.min() > Duration::ZERO);
    }
}

/// The multiply-adds are done, all of them, and the copy copies: a ceiling that skips
/// its work is none.
#[test]
fn shaders_of_ceilings_do_their_work() {
    use foveate::gpu::shader::SHADERS;
    let of = |folder: &'static str| SHADERS.iter().filter(move |s| s.key.starts_with(folder));
    for shader in of("ceiling/multiply_add.") {
        let (chains, passes) = (shader.constant("CHAINS"), shader.constant("PASSES"));
        let steps = (chains.unwrap() * passes.unwrap()) as usize;
        let fused = shader.source.matches("= fma(sum_").count();
        let plain = shader.source.matches("* a + b;").count();
        assert_eq!(fused + plain, steps, "{}", shader.key);
    }
    for shader in of("ceiling/copy.") {
        let width = shader.constant("WIDTH").unwrap() as usize;
        assert_eq!(shader.source.matches("= x[first").count(), width);
        assert_eq!(shader.source.matches("    y[first").count(), width);
    }
}

#[test]
fn a_row_is_rate_over_ceiling_and_its_json_has_every_field() {
    let work = find(&["matmul", "768"]);
    let subject = work.prepare(&gpu()).unwrap();
    let times = samples(&[4_000_000, 1_000_000, 2_000_000]);
    let row = Row::new(
        &work,
        &subject,
        times,
        Timer::WallClock,
        &ceilings(1e3, 10.0),
    );
    let expected = 2.0 * 768f64.powi(3) / 2e6;
    let Some(Rate::Gflops(rate)) = row.rate else {
        panic!("{:?}", row.rate);
    };
    assert!((rate - expected).abs() < 1e-9);
    assert!((row.percent_of_ceiling.unwrap() - 100.0 * expected / 1e3).abs() < 1e-9);

    let line = serde_json::to_string(&row).unwrap();
    assert!(!line.contains('\n'));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut known = [
        "name",
        "shape",
        "pass",
        "variant",
        "dispatches",
        "median_ms",
        "min_ms",
        "max_ms",
        "gflops",
        "gbps",
        "frames_per_second",
        "percent_of_ceiling",
        "timer",
    ];
    known.sort_unstable();
    assert_eq!(keys, known);
    assert_eq!(json["name"], "matmul");
    assert_eq!(json["shape"], "768×768×768");
    assert_eq!(json["pass"], "forward");
    assert_eq!(json["timer"], "wall clock");
    assert_eq!(json["median_ms"], 2.0);
    assert_eq!(json["min_ms"], 1.0);
    assert_eq!(json["max_ms"], 4.0);
    assert_eq!(json["gbps"], serde_json::Value::Null);
    assert!(json["variant"].as_str().unwrap().starts_with("matmul/"));
}

#[test]
fn where_no_time_was_seen_there_is_no_rate() {
    let work = find(&["matmul", "768"]);
    let subject = work.prepare(&gpu()).unwrap();
    let row = Row::new(
        &work,
        &subject,
        samples(&[0]),
        Timer::Timestamps,
        &ceilings(1e3, 10.0),
    );
    assert_eq!((row.rate, row.percent_of_ceiling), (None, None));
    let json = serde_json::to_value(&row).unwrap();
    for key in ["gflops", "gbps", "frames_per_second", "percent_of_ceiling"] {
        assert_eq!(json[key], serde_json::Value::Null);
    }
    let second = Duration::from_secs(1);
    let bytes = |bytes| Cost { flops: 0, bytes };
    assert_eq!(Rate::of(Cost::default(), second), None);
    assert_eq!(
        Rate::of(bytes(3_000_000_000), second),
        Some(Rate::Gbps(3.0))
    );
    assert_eq!(Rate::Gbps(3.0).percent(&ceilings(1.0, 12.0)), Some(25.0));
    assert_eq!(Rate::of_frames(30, 2 * second), Some(Rate::Frames(15.0)));
    assert_eq!(Rate::of_frames(30, Duration::ZERO), None);
    assert_eq!(Rate::Frames(3.0).percent(&ceilings(1.0, 1.0)), None);
    assert_eq!(Rate::Gflops(3.0).percent(&ceilings(12.0, 1.0)), Some(25.0));
}

#[test]
fn samples_have_a_median_and_extremes() {
    let all = samples(&[5, 1, 3]);
    let spread = |s: &Samples| [s.min(), s.median(), s.max()].map(|d| d.as_nanos());
    assert_eq!(spread(&all), [1, 3, 5]);
    assert_eq!(spread(&samples(&[2, 8, 4, 6])), [2, 5, 8]);
    assert_eq!(spread(&samples(&[])), [0, 0, 0]);
}

/// Every kind of subject can be run, by either timer that the device has.
///
/// Sabotage tried: twice the frames. Turns this red.
#[test]
fn every_kind_of_work_is_measured() {
    let gpu = gpu();
    let mut stopwatches = vec![Stopwatch::with(&gpu, Timer::WallClock).unwrap()];
    match Stopwatch::with(&gpu, Timer::Timestamps) {
        Ok(stopwatch) => stopwatches.push(stopwatch),
        Err(Error::Gpu(foveate::gpu::GpuError::NoTimestamps { .. })) => {}
        Err(e) => panic!("{e}"),
    }
    let ceilings = ceilings(1.0, 1.0);
    for stopwatch in &stopwatches {
        for texts in [
            &["linear", "forward", "1024"][..],
            &["layer_norm", "backward", "128"],
            &["raycast forward native/reach"],
            &["raycast step native/walker-walk"],
            &["sac_update step tiny"],
            &["dqn_update step tiny"],
            &["record", "sac_update tiny"],
            &["multimae_update", "tiny"],
        ] {
            let row = Row::measure(&find(texts), stopwatch, &ceilings, BRIEF).unwrap();
            assert!(row.samples.min() > Duration::ZERO, "{row:?}");
            if row.name == "record" {
                // One dispatch's share of the host's time, and nothing of the device's.
                assert_eq!((row.dispatches, row.variant.as_str()), (1, ""));
            } else {
                assert!(row.dispatches > 0 && !row.variant.is_empty(), "{row:?}");
            }
            match row.name.as_str() {
                "record" => assert_eq!((row.rate, row.timer), (None, Timer::WallClock)),
                "raycast" => {
                    // One picture of each world in a run.
                    assert!(row.shape.contains("16 worlds"), "{row:?}");
                    let frames = 16.0 / row.samples.median().as_secs_f64();
                    assert_eq!(row.rate, Some(Rate::Frames(frames)));
                    assert_eq!(
                        (row.percent_of_ceiling, row.timer),
                        (None, Timer::WallClock)
                    );
                }
                _ => assert!(row.percent_of_ceiling.is_some(), "{row:?}"),
            }
        }
    }
}
