//! What SGQN does with maps (SPEC.md A.6): magnitudes and masks of them, pictures of
//! which only the mask remains, and the loss of the mask that is predicted.

use super::fixture::{gradients, program, random, random_mask};
use super::{Pass, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::Gpu;
use crate::ops::Var;
use crate::tape::Tape;

/// The paper's batch of stacks of three frames.
const BATCH: usize = 128;
const FRAMES: usize = 3;
const SIDE: usize = 84;
/// Shapes of a stack, of its masks, of their thresholds.
const STACKS: [usize; 4] = [BATCH, 3 * FRAMES, SIDE, SIDE];
const MASKS: [usize; 3] = [BATCH, FRAMES, SIDE * SIDE];
const THRESHOLDS: [usize; 3] = [BATCH, FRAMES, 1];

pub fn works() -> Vec<Work> {
    let pictures = format!("{BATCH}×{}×{SIDE}×{SIDE}", 3 * FRAMES);
    let maps = format!("{BATCH}×{FRAMES}×{}", SIDE * SIDE);
    let with_forward = format!("{pictures}, with forward");
    vec![
        Work::new("frame_magnitude", &pictures, Pass::Forward, |gpu| {
            let (tape, x) = stacks(gpu)?;
            program(gpu, &tape, [&x.frame_magnitude(FRAMES)?])
        }),
        Work::new("at_least", maps, Pass::Forward, |gpu| {
            let tape = Tape::new();
            let (x, threshold) = (
                random(gpu, &tape, &MASKS)?,
                random(gpu, &tape, &THRESHOLDS)?,
            );
            program(gpu, &tape, [&x.at_least(&threshold)?])
        }),
        Work::new("fill_range", &pictures, Pass::Forward, |gpu| {
            let (tape, x) = stacks(gpu)?;
            let (low, high) = x.batch_min_max()?;
            program(gpu, &tape, [&low, &high])
        }),
        Work::new("mask_fill", &pictures, Pass::Forward, mask_fill),
        Work::new("bce_with_logits", &pictures, Pass::Forward, |gpu| {
            bce_with_logits(gpu, Pass::Forward)
        }),
        Work::new("bce_with_logits", with_forward, Pass::Backward, |gpu| {
            bce_with_logits(gpu, Pass::Backward)
        }),
    ]
}

fn stacks(gpu: &Gpu) -> Result<(Tape, Var), Error> {
    let tape = Tape::new();
    let x = random(gpu, &tape, &STACKS)?;
    Ok((tape, x))
}

fn mask_fill(gpu: &Gpu) -> Result<Subject, Error> {
    let (tape, x) = stacks(gpu)?;
    let (mask, fill) = (random_mask(gpu, &tape, &MASKS)?, random(gpu, &tape, &[1])?);
    program(gpu, &tape, [&x.mask_fill(&mask, &fill)?])
}

fn bce_with_logits(gpu: &Gpu, pass: Pass) -> Result<Subject, Error> {
    let (tape, logits) = stacks(gpu)?;
    let [batch, _, height, width] = STACKS;
    let targets = random_mask(gpu, &tape, &[batch, FRAMES, height, width])?;
    let loss = logits.bce_with_logits(&targets)?;
    match pass {
        Pass::Forward => program(gpu, &tape, [&loss]),
        _ => gradients(gpu, &tape, &loss, &[logits]),
    }
}
