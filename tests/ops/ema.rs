use crate::common::*;
use foveate::gpu::{Arena, ArenaLayout, BufferRange};
use foveate::ops::EmaSegment;
use foveate::tape::{DType, Tape, Var};

fn segment(online: usize, target: usize, len: usize, tau: f32) -> EmaSegment {
    EmaSegment {
        online: online..online + len,
        target: target..target + len,
        tau,
    }
}

fn arena(values: &[f32]) -> Arena {
    let mut layout = ArenaLayout::default();
    layout.push("all", &[values.len()]);
    let arena = Arena::new(&gpu(), "weights", layout).unwrap();
    gpu()
        .write(&arena.tensor("all").unwrap(), bytemuck::cast_slice(values))
        .unwrap();
    arena
}

fn read(range: &BufferRange) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&gpu().read_blocking(range).unwrap())
}

fn whole(tape: &Tape, arena: &Arena, len: usize) -> Var {
    tape.state_range(arena, 0..len, DType::F32)
}

/// Runs `steps` averages and compares with float64; what lies outside must not move.
fn check(segments: &[EmaSegment], target: usize, online: usize, steps: usize) -> Vec<f32> {
    let start = random(&mut rng(1), &[target]).f32();
    let other = random(&mut rng(2), &[online]).f32();
    let (a, b) = (arena(&start), arena(&other));
    let tape = Tape::new();
    whole(&tape, &a, target)
        .ema(&whole(&tape, &b, online), segments)
        .unwrap();
    let program = tape.compile(&gpu()).unwrap();
    assert_eq!(program.dispatches().len(), 1);
    let mut expected: Vec<f64> = start.iter().map(|&v| v as f64).collect();
    for _ in 0..steps {
        program.run().unwrap();
        for s in segments {
            for (o, t) in s.online.clone().zip(s.target.clone()) {
                let tau = s.tau as f64;
                expected[t] = tau * other[o] as f64 + (1.0 - tau) * expected[t];
            }
        }
    }
    let got = read(&a.tensor("all").unwrap());
    assert_close("ema", &got, &expected, 1e-6);
    for i in 0..target {
        if !segments.iter().any(|s| s.target.contains(&i)) {
            assert_eq!(
                got[i].to_bits(),
                start[i].to_bits(),
                "element {i} lies in no segment"
            );
        }
    }
    assert_eq!(
        read(&b.tensor("all").unwrap()),
        other,
        "the online network must not change"
    );
    got
}

#[test]
fn segments_of_any_place_and_length() {
    check(&[segment(0, 0, 1, 0.5)], 1, 1, 3);
    check(&[segment(7, 3, 100, 0.01)], 200, 150, 2);
    let spread: Vec<_> = (0..8)
        .map(|i| segment(5 * i, 3 + 70 * i, 61 + i % 2, 0.1 * (i + 1) as f32))
        .collect();
    check(&spread, 700, 300, 3);
}

/// The encoder at one rate and the heads at another, side by side.
#[test]
fn two_rates_side_by_side() {
    check(
        &[segment(0, 0, 320, 0.05), segment(320, 320, 192, 0.01)],
        512,
        512,
        4,
    );
}

/// Neighbours of one rate are one segment: any number of layers fits.
#[test]
fn neighbours_join() {
    let layers: Vec<_> = (0..40)
        .map(|i| segment(64 + 10 * i, 10 * i, 10, 0.25))
        .collect();
    check(&layers, 450, 500, 1);
}

#[test]
fn tau_of_one_copies_and_of_zero_keeps() {
    let other = random(&mut rng(2), &[96]).f32();
    assert_eq!(check(&[segment(0, 0, 96, 1.0)], 96, 96, 1), other);
    let start = random(&mut rng(1), &[96]).f32();
    assert_eq!(check(&[segment(0, 0, 96, 0.0)], 96, 96, 1), start);
}

/// Online and target may share one arena.
#[test]
fn one_arena_for_both() {
    let values = random(&mut rng(5), &[256]).f32();
    let a = arena(&values);
    let tape = Tape::new();
    let online = tape.state_range(&a, 0..128, DType::F32);
    tape.state_range(&a, 128..256, DType::F32)
        .ema(&online, &[segment(0, 0, 128, 1.0)])
        .unwrap();
    tape.compile(&gpu()).unwrap().run().unwrap();
    assert_eq!(read(&a.slice(128..256)), values[..128]);
}

#[test]
fn wrong_segments_are_refused() {
    let a = arena(&[0.0; 64]);
    let tape = Tape::new();
    let x = whole(&tape, &a, 64);
    let refuse = |segments: &[EmaSegment], says: &str| {
        let message = x.ema(&x, segments).unwrap_err().to_string();
        assert!(
            message.contains("ema") && message.contains(says),
            "{message}"
        );
    };
    refuse(&[], "expected 1 to 8");
    refuse(&[segment(0, 60, 5, 0.5)], "within 64 and 64");
    refuse(&[segment(0, 3, 0, 0.5)], "non-empty");
    refuse(
        &[EmaSegment {
            online: 0..4,
            target: 0..5,
            tau: 0.5,
        }],
        "equal length",
    );
    refuse(&[segment(0, 0, 4, 1.5)], "tau is 1.5");
    refuse(&[segment(0, 0, 4, f32::NAN)], "tau is NaN");
    refuse(
        &[segment(0, 10, 4, 0.5), segment(4, 13, 4, 0.5)],
        "ascending",
    );
    let scattered: Vec<_> = (0..9).map(|i| segment(2 * i, 3 * i, 2, 0.5)).collect();
    refuse(&scattered, "9 segments");
    let constant = tape
        .full(&[64], 0.0)
        .ema(&x, &[segment(0, 0, 4, 0.5)])
        .unwrap_err();
    assert!(constant.to_string().contains("the target"), "{constant}");
}
