//! Profiling a program: every dispatch is named, in order, with what it has to do, and
//! the run is a run like any other.

mod common;

use std::time::Duration;

use common::*;
use foveate::gpu::{Arena, ArenaLayout, Gpu, GpuError, GpuOptions};
use foveate::ops::{Conv2dOptions, DType, EmaSegment, Gradient};
use foveate::tape::{Cost, Profile, Program, Tape, TapeError, Tensor, Timer, summarise};

/// Queries of one set: two for each dispatch.
const DISPATCHES_PER_SET: usize = 2048;

/// The timers that the device offers; whether its timestamps are true does not matter here.
fn timers() -> Vec<Timer> {
    match gpu().capabilities().timestamps {
        true => vec![Timer::WallClock, Timer::Timestamps],
        false => vec![Timer::WallClock],
    }
}

/// Times are in the order of the dispatches and do not overlap.
#[track_caller]
fn assert_in_order(profile: &Profile) {
    let mut end = Duration::ZERO;
    for d in &profile.dispatches {
        assert!(d.begin >= end, "{d:?} begins before {end:?}");
        end = d.begin + d.time;
    }
}

/// Costs of all dispatches of `op`.
fn costs(profile: &Profile, op: &str) -> Vec<Cost> {
    let of_op = profile.dispatches.iter().filter(|d| d.op == op);
    of_op.map(|d| d.cost).collect()
}

fn total_flops(profile: &Profile, op: &str) -> u64 {
    costs(profile, op).iter().map(|c| c.flops).sum()
}

fn profiled(program: &Program) -> Profile {
    program.profile(Timer::WallClock).unwrap()
}

/// A convolution with its gradients, a product with its own, and a counter.
///
/// Sabotages tried: flops of the convolution without the taps; dispatches in another
/// order; the run of a profile left out. Each turns this red.
#[test]
fn a_profile_is_a_run_that_names_each_dispatch_and_its_cost() {
    let tape = Tape::new();
    let mut rng = rng(3);
    let input = |name: &str, shape: &[usize]| tape.input(name, Tensor::f32(shape));
    // 2 × 5 × 9 × 7 → 2 × 6 × 4 × 3 by 3 × 3 with stride 2.
    let (x, w) = (input("x", &[2, 5, 9, 7]), input("w", &[6, 5, 3, 3]));
    let options = Conv2dOptions {
        stride: 2,
        ..Default::default()
    };
    let y = x.conv2d(&w, None, options).unwrap();
    // [2, 72] · [72, 10].
    let v = input("v", &[72, 10]);
    let z = y.reshape(&[2, 72]).unwrap().matmul(&v).unwrap();
    let loss = z.mean_all().unwrap();
    let mut layout = ArenaLayout::default();
    layout.push("runs", &[1]);
    let counter = Arena::new(&gpu(), "counter", layout).unwrap();
    tape.state_range(&counter, 0..1, DType::U32).tick().unwrap();
    let wrt = [x, w, v];
    let gradients = tape
        .gradients(&loss, &wrt, Gradient::True)
        .unwrap()
        .into_iter()
        .map(Option::unwrap);
    tape.output("loss", &loss);
    let names = ["dx", "dw", "dv"];
    for (name, gradient) in names.iter().zip(gradients) {
        tape.output(name, &gradient);
    }
    let program = tape.compile(&gpu()).unwrap();
    for (name, shape) in [("x", 630), ("w", 270), ("v", 720)] {
        program
            .write(name, &random(&mut rng, &[shape]).f32())
            .unwrap();
    }

    let results = |program: &Program| -> Vec<Vec<u32>> {
        let of = |name: &&str| program.read_blocking::<u32>(name).unwrap();
        names.iter().map(of).collect()
    };
    program.run().unwrap();
    let expected = results(&program);
    let mut runs = 1;
    for timer in timers() {
        program.poison().unwrap();
        let profile = program.profile(timer).unwrap();
        runs += 1;
        assert_eq!(results(&program), expected, "{timer}");
        assert_eq!(profile.timer, timer);
        let named: Vec<_> = (profile.dispatches.iter())
            .map(|d| (d.op, d.shader))
            .collect();
        assert_eq!(named, program.dispatches().collect::<Vec<_>>());
        assert!(profile.dispatches.iter().all(|d| !d.groups.contains(&0)));
        assert_in_order(&profile);

        let convolution = 2 * (2 * 6 * 4 * 3) * (5 * 3 * 3);
        for op in ["conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"] {
            assert_eq!(total_flops(&profile, op), convolution, "{op}");
        }
        // Forward, and the gradients of both factors.
        assert_eq!(total_flops(&profile, "matmul"), 3 * 2 * (2 * 72 * 10));
        assert_eq!(total_flops(&profile, "tick"), 0);
    }
    let count = gpu().read_blocking(&counter.slice(0..1)).unwrap();
    assert_eq!(
        bytemuck::pod_collect_to_vec::<u8, u32>(&count),
        [runs as u32]
    );
    let wall = profiled(&program);
    assert!(wall.dispatches.iter().all(|d| d.time > Duration::ZERO));
    assert!(wall.wall >= wall.dispatches.iter().map(|d| d.time).sum());
}

/// Bytes are those that have to move: what is bound twice is read once, what is
/// changed in place goes both ways, and a gather reads what it gathers.
///
/// Sabotages tried: all of the gather's table counted; changes in place counted once. Each
/// turns this red.
#[test]
fn bytes_are_those_that_have_to_move() {
    let tape = Tape::new();
    let table = tape.input("table", Tensor::f32(&[1000, 64]));
    let rows = tape.input("rows", Tensor::u32(&[3]));
    tape.output("gathered", &table.gather(&rows).unwrap());
    let x = tape.input("x", Tensor::f32(&[130]));
    tape.output("square", &x.mul(&x).unwrap());
    tape.output("slice", &x.slice(0, 20..25).unwrap());
    let mut layout = ArenaLayout::default();
    layout.push("a", &[640]);
    let arena = |name: &str| Arena::new(&gpu(), name, layout.clone()).unwrap();
    let (target, online) = (arena("target"), arena("online"));
    let state = |arena: &Arena| tape.state_range(arena, 0..640, DType::F32);
    let segment = EmaSegment {
        online: 64..364,
        target: 64..364,
        tau: 0.5,
    };
    state(&target).ema(&state(&online), &[segment]).unwrap();
    let profile = profiled(&tape.compile(&gpu()).unwrap());
    let bytes = |op: &str| costs(&profile, op)[0].bytes;
    assert_eq!(bytes("gather"), 4 * (3 * 64 + 3 + 3 * 64));
    assert_eq!(bytes("binary"), 4 * (130 + 130));
    assert_eq!(bytes("slice"), 4 * (5 + 5));
    assert_eq!(bytes("ema"), 4 * 3 * 300);
}

/// Timestamps take more than one set of queries where there are many dispatches.
#[test]
fn a_program_may_have_more_dispatches_than_a_query_set_holds() {
    let count = DISPATCHES_PER_SET + 3;
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    let mut y = x.clone();
    for _ in 0..count {
        y = y.add(&x).unwrap();
    }
    tape.output("y", &y);
    let program = tape.compile(&gpu()).unwrap();
    program.write("x", &[1f32]).unwrap();
    for timer in timers() {
        let profile = program.profile(timer).unwrap();
        assert_eq!(profile.dispatches.len(), count);
        assert_in_order(&profile);
        let y: Vec<f32> = program.read_blocking("y").unwrap();
        assert_eq!(y, [(count + 1) as f32]);
    }
    // And none at all.
    let tape = Tape::new();
    tape.output("x", &tape.input("x", Tensor::f32(&[1])));
    let program = tape.compile(&gpu()).unwrap();
    for timer in timers() {
        assert!(program.profile(timer).unwrap().dispatches.is_empty());
    }
}

/// A device without timestamps is timed by the wall clock; asked for timestamps, it
/// says that it has none.
#[test]
fn a_device_without_timestamps_says_so() {
    let options = GpuOptions {
        base_path: true,
        ..Default::default()
    };
    let gpu = Gpu::new_blocking(options).unwrap();
    assert!(!gpu.capabilities().timestamps);
    assert_eq!(Timer::choose(&gpu).unwrap(), Timer::WallClock);
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[4]));
    tape.output("y", &x.exp().unwrap());
    let program = tape.compile(&gpu).unwrap();
    let error = program.profile(Timer::Timestamps).unwrap_err();
    assert!(
        matches!(error, TapeError::Gpu(GpuError::NoTimestamps { .. })),
        "{error}"
    );
}

/// Sums over operation and permutation, the longest first.
///
/// Sabotage tried: gigabits for gigabytes. Turns this red.
#[test]
fn a_summary_adds_up_what_it_was_given() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[33, 65]));
    let y = x.matmul(&tape.input("w", Tensor::f32(&[65, 17]))).unwrap();
    tape.output("y", &y.tanh().unwrap().exp().unwrap().tanh().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    let profiles = [profiled(&program), profiled(&program)];
    let rows = summarise(&profiles);
    let all = || profiles.iter().flat_map(|p| &p.dispatches);
    assert!(rows.windows(2).all(|pair| pair[0].time >= pair[1].time));
    assert_eq!(
        rows.iter().map(|r| r.time).sum::<Duration>(),
        all().map(|d| d.time).sum()
    );
    assert_eq!(rows.iter().map(|r| r.calls).sum::<u64>(), 2 * 4);
    let tanh = rows.iter().find(|r| r.shader == "unary/forward.tanh");
    let tanh = tanh.unwrap();
    assert_eq!((tanh.op, tanh.calls, tanh.cost.flops), ("unary", 4, 0));
    assert_eq!(tanh.cost.bytes, 4 * 2 * 4 * 33 * 17);
    assert!(tanh.gflops().is_none());
    let moved = tanh.gigabytes().unwrap() * tanh.time.as_nanos() as f64;
    assert!((moved / tanh.cost.bytes as f64 - 1.0).abs() < 1e-9);
    let product = rows.iter().find(|r| r.op == "matmul").unwrap();
    assert_eq!(product.cost.flops, 2 * 2 * 33 * 65 * 17);
    let rate = product.gflops().unwrap() * product.time.as_nanos() as f64;
    assert!((rate / product.cost.flops as f64 - 1.0).abs() < 1e-9);
}
