use crate::common::golden::Golden;
use crate::common::*;
use foveate::gpu::{Arena, ArenaLayout};
use foveate::ops::{AdamOptions, Schedule};
use foveate::tape::{DType, Program, Tape, Tensor, Var};

const OPTIONS: AdamOptions = AdamOptions {
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
    schedule: Schedule::Constant,
};

/// Parameters, m and v of `n` elements and the time, in one arena.
struct Optimiser {
    arena: Arena,
    program: Program,
}

fn states(tape: &Tape, arena: &Arena) -> [Var; 4] {
    let range = |name: &str, dtype| {
        let entry = arena.layout().find(name).unwrap();
        tape.state_range(arena, entry.range(), dtype)
    };
    let float = |name| range(name, DType::F32);
    [
        float("p"),
        float("m"),
        float("v"),
        range("time", DType::U32),
    ]
}

impl Optimiser {
    fn new(n: usize, start: &[f32], options: AdamOptions) -> Optimiser {
        let mut layout = ArenaLayout::default();
        for name in ["p", "m", "v"] {
            layout.push(name, &[n]);
        }
        layout.push("time", &[4]);
        let arena = Arena::new(&gpu(), "optimiser", layout).unwrap();
        gpu()
            .write(&arena.tensor("p").unwrap(), bytemuck::cast_slice(start))
            .unwrap();
        let tape = Tape::new();
        let [p, m, v, time] = states(&tape, &arena);
        let g = tape.input("g", Tensor::f32(&[n]));
        p.adam(&g, &m, &v, &time, options).unwrap();
        let program = tape.compile(&gpu()).unwrap();
        Optimiser { arena, program }
    }

    fn step(&self, gradient: &[f32]) {
        self.program.write("g", gradient).unwrap();
        self.program.run().unwrap();
    }

    fn read<T: bytemuck::Pod>(&self, name: &str) -> Vec<T> {
        let bytes = gpu()
            .read_blocking(&self.arena.tensor(name).unwrap())
            .unwrap();
        bytemuck::pod_collect_to_vec(&bytes)
    }
}

/// Gradients of one step: ordinary ones, zeros, and ones far below eps.
fn gradients(step: u64, n: usize) -> Vec<f32> {
    let values = random(&mut rng(100 + step), &[n]).f32();
    let shrink = |(i, v): (usize, f32)| match (i as u64 + step) % 7 {
        0 => 0.0,
        1 => v * 1e-8,
        2 => v * 1e-25,
        3 => v * 1e6,
        _ => v,
    };
    values.into_iter().enumerate().map(shrink).collect()
}

#[test]
fn five_steps_follow_the_formula() {
    for n in [1, 63, 1001] {
        let mut start = random(&mut rng(n as u64), &[n]).f32();
        // Where the start is 0 the step itself is seen at full precision.
        start.iter_mut().step_by(2).for_each(|p| *p = 0.0);
        let optimiser = Optimiser::new(n, &start, OPTIONS);
        let mut p: Vec<f64> = start.iter().map(|&v| v as f64).collect();
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for t in 1..=5 {
            let g = gradients(t, n);
            optimiser.step(&g);
            let (c1, c2) = (1.0 - 0.9f64.powi(t as i32), 1.0 - 0.999f64.powi(t as i32));
            for i in 0..n {
                let g = g[i] as f64;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                p[i] -= 1e-3 / c1 * m[i] / (f64::sqrt(v[i]) / f64::sqrt(c2) + 1e-8);
            }
            assert_close("m", &optimiser.read("m"), &m, 1e-6);
            assert_close("v", &optimiser.read("v"), &v, 1e-6);
            let got: Vec<f32> = optimiser.read("p");
            for i in 0..n {
                let error = (got[i] as f64 - p[i]).abs();
                // A step is about lr long: to a millionth of that where p began at 0.
                let allowed = if i % 2 == 0 {
                    1e-9 + 1e-6 * p[i].abs()
                } else {
                    3e-7
                };
                assert!(
                    error <= allowed,
                    "n {n}, step {t}, element {i}: {} for {}",
                    got[i],
                    p[i]
                );
            }
        }
        assert_eq!(optimiser.read::<u32>("time")[0], 5);
    }
}

/// The released code's learning rates.
#[test]
fn the_schedule_is_the_released_one() {
    // Metadata: base 1e-4, final 0, 10 epochs of 7 steps, 2 of them warm-up.
    let (_, rates) = Golden::open("vit/03c_lr_schedule").f32("out.lr");
    let schedule = Schedule::WarmupCosine {
        warmup: 14,
        total: 70,
        last: 0.0,
    };
    assert_eq!(rates.len(), 70);
    for (step, &rate) in rates.iter().enumerate() {
        let ours = schedule.lr(1e-4, step as u32);
        assert!(
            (ours - rate as f64).abs() <= 1e-7 * 1e-4,
            "step {step}: {ours} for {rate}"
        );
    }
}

/// AdamW under warm-up and cosine, to the schedule's end and beyond.
#[test]
fn decay_and_schedule_follow_the_formulas() {
    let schedule = Schedule::WarmupCosine {
        warmup: 4,
        total: 11,
        last: 1e-3,
    };
    let options = AdamOptions {
        lr: 1e-2,
        beta2: 0.95,
        weight_decay: 0.05,
        schedule,
        ..OPTIONS
    };
    let n = 65;
    let start = random(&mut rng(2), &[n]).f32();
    let optimiser = Optimiser::new(n, &start, options);
    let mut p: Vec<f64> = start.iter().map(|&v| v as f64).collect();
    let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
    for t in 0..14 {
        let g = random(&mut rng(50 + t as u64), &[n]).f32();
        optimiser.step(&g);
        // A line through 0 at step 0 and lr at step 3, then the cosine from step 4 on.
        let lr = match t {
            0..4 => 1e-2 * t as f64 / 3.0,
            4..11 => {
                let part = (t - 4) as f64 / 7.0;
                1e-3 + 0.5 * 9e-3 * (1.0 + (std::f64::consts::PI * part).cos())
            }
            _ => 1e-3,
        };
        let got = f32::from_bits(optimiser.read::<u32>("time")[3]) as f64;
        assert!((got - lr).abs() <= 3e-7 * 1e-2, "step {t}: {got} for {lr}");
        assert!((schedule.lr(1e-2, t) - lr).abs() <= 1e-9, "step {t}");
        let (c1, c2) = (
            1.0 - 0.9f64.powi(t as i32 + 1),
            1.0 - 0.95f64.powi(t as i32 + 1),
        );
        for i in 0..n {
            let g = g[i] as f64;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.95 * v[i] + 0.05 * g * g;
            p[i] *= 1.0 - lr * 0.05;
            p[i] -= lr / c1 * m[i] / (f64::sqrt(v[i]) / f64::sqrt(c2) + 1e-8);
        }
        assert_close("p", &optimiser.read("p"), &p, 2e-6);
    }
}

/// A parameter that never had a gradient does not move, not by a bit.
#[test]
fn zero_gradients_change_nothing() {
    let start = random(&mut rng(1), &[130]).f32();
    let optimiser = Optimiser::new(130, &start, OPTIONS);
    for _ in 0..3 {
        optimiser.step(&[0.0; 130]);
    }
    assert_eq!(optimiser.read::<f32>("p"), start);
}

#[test]
fn bias_corrections_are_exact_for_a_million_steps() {
    for (beta1, beta2) in [(0.9f32, 0.999f32), (0.5, 0.95), (0.0, 0.99999)] {
        let options = AdamOptions {
            beta1,
            beta2,
            ..OPTIONS
        };
        let optimiser = Optimiser::new(1, &[0.0], options);
        for t in [
            1u32, 2, 3, 7, 100, 999, 1000, 1024, 12_345, 500_000, 1_000_000,
        ] {
            let time = optimiser.arena.tensor("time").unwrap();
            gpu().write(&time, bytemuck::cast_slice(&[t - 1])).unwrap();
            optimiser.step(&[0.0]);
            let words: Vec<u32> = optimiser.read("time");
            assert_eq!(words[0], t);
            for (word, beta) in [(words[1], beta1), (words[2], beta2)] {
                let written: f64 = beta.to_string().parse().unwrap();
                let exact = if beta == 0.0 {
                    1.0
                } else {
                    -f64::exp_m1(t as f64 * written.ln())
                };
                let error = (f32::from_bits(word) as f64 - exact).abs() / exact;
                assert!(error < 6e-7, "1 - {beta}^{t}: {error:.1e}");
            }
        }
    }
}

#[test]
fn the_same_bits_twice() {
    let run = || {
        let optimiser = Optimiser::new(777, &random(&mut rng(8), &[777]).f32(), OPTIONS);
        (1..=4).for_each(|t| optimiser.step(&gradients(t, 777)));
        optimiser.read::<u32>("p")
    };
    assert_eq!(run(), run());
}

#[test]
fn two_dispatches_whatever_the_size() {
    for (count, step) in [(4999, "adam/step"), (5000, "adam/step.quads")] {
        let optimiser = Optimiser::new(count, &vec![0.0; count], OPTIONS);
        let keys: Vec<_> = optimiser.program.dispatches().map(|(_, key)| key).collect();
        assert_eq!(keys, ["adam/tick", step]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut layout = ArenaLayout::default();
    for name in ["p", "m", "v"] {
        layout.push(name, &[64]);
    }
    layout.push("time", &[4]);
    let arena = Arena::new(&gpu(), "optimiser", layout).unwrap();
    let tape = Tape::new();
    let [p, m, v, time] = states(&tape, &arena);
    let g = tape.full(&[64], 1.0);

    let short = p
        .adam(&tape.full(&[63], 1.0), &m, &v, &time, OPTIONS)
        .unwrap_err()
        .to_string();
    assert!(
        short.contains("adam") && short.contains("f32[63]"),
        "{short}"
    );
    let clock = p.adam(
        &g,
        &m,
        &v,
        &tape.state_range(&arena, 192..195, DType::U32),
        OPTIONS,
    );
    assert!(clock.unwrap_err().to_string().contains("u32[3]"));
    let constant = g.adam(&g, &m, &v, &time, OPTIONS).unwrap_err().to_string();
    assert!(
        constant.contains("the parameters") && constant.contains("not state"),
        "{constant}"
    );
    for (options, name) in [
        (
            AdamOptions {
                lr: f32::NAN,
                ..OPTIONS
            },
            "lr",
        ),
        (
            AdamOptions {
                beta1: 1.0,
                ..OPTIONS
            },
            "beta1",
        ),
        (
            AdamOptions {
                beta2: -0.1,
                ..OPTIONS
            },
            "beta2",
        ),
        (
            AdamOptions {
                eps: 0.0,
                ..OPTIONS
            },
            "eps",
        ),
        (
            AdamOptions {
                weight_decay: -1.0,
                ..OPTIONS
            },
            "weight_decay",
        ),
        (
            AdamOptions {
                schedule: Schedule::WarmupCosine {
                    warmup: 3,
                    total: 2,
                    last: 0.0,
                },
                ..OPTIONS
            },
            "warm-up",
        ),
    ] {
        let message = p.adam(&g, &m, &v, &time, options).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}
