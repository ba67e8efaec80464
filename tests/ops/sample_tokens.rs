use crate::common::golden::Golden;
use crate::common::*;
use foveate::ops::{SampledOnCpu, sample_tokens_on_cpu};
use foveate::tape::Tape;

/// Samples on the device, with everything poisoned first.
fn on_device(
    [noise, shares, tie_break]: [&[f32]; 3],
    tokens: &[usize],
    keep: usize,
) -> SampledOnCpu {
    let total: usize = tokens.iter().sum();
    let samples = noise.len() / total;
    let tape = Tape::new();
    let noise = tape.constant(&[samples, total], noise).unwrap();
    let shares = tape.constant(&[samples, tokens.len()], shares).unwrap();
    let tie_break = tape.constant(&[samples, total], tie_break).unwrap();
    let sampled = noise
        .sample_tokens(&shares, &tie_break, tokens, keep)
        .unwrap();
    tape.output("kept", &sampled.kept);
    tape.output("restored", &sampled.restored);
    tape.output("masked", &sampled.masked);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    SampledOnCpu {
        kept: program.read_blocking("kept").unwrap(),
        restored: program.read_blocking("restored").unwrap(),
        masked: program.read_blocking("masked").unwrap(),
    }
}

/// The released code's integers, on the device and on the CPU.
#[test]
fn golden() {
    let golden = Golden::open("vit/04_mask_sampler");
    // Modalities and visible tokens: the fixture's metadata.
    for (case, tokens, keep) in [
        (0, vec![64, 64], 32),
        (1, vec![64], 16),
        (2, vec![64, 64], 32),
        (3, vec![16, 16, 16], 12),
    ] {
        let total: usize = tokens.iter().sum();
        let get = |name: &str| golden.f32(&format!("case{case}.{name}"));
        let (shape, tie_break) = get("rand.tiebreak");
        let samples = shape[0];
        let per_modality: Vec<Vec<f32>> = (0..tokens.len())
            .map(|m| get(&format!("rand.noise_m{m}")).1)
            .collect();
        let join = |parts: &[Vec<f32>]| -> Vec<f32> {
            let row = |s: usize| {
                parts
                    .iter()
                    .zip(&tokens)
                    .flat_map(move |(p, &n)| p[s * n..(s + 1) * n].to_vec())
            };
            (0..samples).flat_map(row).collect()
        };
        let (noise, shares) = (join(&per_modality), get("rand.dirichlet").1);
        let sampled = on_device([&noise, &shares, &tie_break], &tokens, keep);
        assert_eq!(
            sampled,
            sample_tokens_on_cpu(&noise, &shares, &tie_break, &tokens, keep)
        );
        // Ours are rows of all samples together.
        let kept = get("out.ids_keep").1;
        let rows: Vec<u32> = (kept.iter().enumerate())
            .map(|(i, &id)| (i / keep * total) as u32 + id as u32)
            .collect();
        assert_eq!(sampled.kept, rows, "case {case}");
        for (i, &rank) in get("out.ids_restore").1.iter().enumerate() {
            let row = match rank as usize {
                rank if rank < keep => i / total * keep + rank,
                _ => samples * keep,
            };
            assert_eq!(sampled.restored[i], row as u32, "case {case}, token {i}");
        }
        let masks: Vec<Vec<f32>> = (0..tokens.len())
            .map(|m| get(&format!("out.mask_m{m}")).1)
            .collect();
        assert_eq!(sampled.masked, join(&masks), "case {case}");
    }
}

/// One to four modalities of odd sizes, shares that do not sum to K, all tokens, one.
#[test]
fn the_device_and_the_cpu_agree_and_keep_exactly() {
    for (seed, (samples, tokens, keep)) in [
        (1, vec![1], 1),
        (3, vec![7], 7),
        (70, vec![5, 3], 4),
        (2, vec![33, 1, 90], 61),
        (5, vec![9, 17, 4, 40], 1),
        (5, vec![9, 17, 4, 40], 69),
    ]
    .into_iter()
    .enumerate()
    {
        let total: usize = tokens.iter().sum();
        let mut rng = rng(seed as u64);
        let mut uniform = |n: usize| -> Vec<f32> {
            random(&mut rng, &[n])
                .f32()
                .iter()
                .map(|v| v.abs().fract())
                .collect()
        };
        let mut noise = uniform(samples * total);
        // Ties go by index.
        noise[total - 1] = noise[0];
        let (shares, tie_break) = (uniform(samples * tokens.len()), uniform(samples * total));
        let sampled = on_device([&noise, &shares, &tie_break], &tokens, keep);
        assert_eq!(
            sampled,
            sample_tokens_on_cpu(&noise, &shares, &tie_break, &tokens, keep)
        );
        for sample in sampled.masked.chunks_exact(total) {
            let hidden: f32 = sample.iter().sum();
            assert_eq!(hidden as usize, total - keep);
        }
    }
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let (noise, shares) = (tape.full(&[3, 8], 0.5), tape.full(&[3, 2], 0.5));
    let message = |tokens: &[usize], keep| {
        let sampled = noise.sample_tokens(&shares, &noise, tokens, keep);
        sampled.unwrap_err().to_string()
    };
    assert!(message(&[4, 4], 9).contains("9 visible tokens of 8"));
    assert!(message(&[4, 4], 0).contains("0 visible tokens"));
    assert!(message(&[8, 0], 2).contains("none empty"));
    assert!(message(&[2, 2, 2, 1, 1], 2).contains("1 to 4"));
    assert!(message(&[4, 5], 2).contains("f32[B, 9]"));
    let message = noise.keep_least(9).unwrap_err().to_string();
    assert!(
        message.contains("keep_least") && message.contains("9"),
        "{message}"
    );
}
