//! What memory bounds: normalisation, order statistics, optimisers, elementwise kernels.

use super::fixture::{gradients, program, random, random_arena, zero_arena};
use super::{Pass, Scale, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::Gpu;
use crate::ops::{AdamOptions, DType, EmaSegment};
use crate::tape::Tape;

/// Parameters that optimiser and targets go over.
const PARAMETERS: usize = 8_000_000;
/// Elements of elementwise kernels: on software, and on others, whose caches are fast.
const ELEMENTS: [usize; 2] = [4 << 20, 16 << 20];
/// Rows and their width: the paper's projection, and one that leaves caches.
const NORMS: [[usize; 2]; 2] = [[128, 100], [8192, 512]];
/// Maps of SGQN's masks: 84 × 84 pixels, the paper's batch and quantile.
const MAPS: [usize; 2] = [128, 7056];
const RHO: f32 = 0.95;

pub fn works(scale: Scale) -> Vec<Work> {
    let elements = ELEMENTS[usize::from(!scale.software)];
    let mut works = vec![];
    for [rows, width] in NORMS {
        let shape = format!("{rows}×{width}");
        for (pass, suffix) in [(Pass::Forward, ""), (Pass::Backward, ", with forward")] {
            let shape = shape.clone() + suffix;
            works.push(Work::new("layer_norm", shape, pass, move |gpu| {
                layer_norm(gpu, [rows, width], pass)
            }));
        }
    }
    let [maps, pixels] = MAPS;
    let shape = format!("{maps}×{pixels}");
    works.push(Work::new("quantile", shape, Pass::Forward, |gpu| {
        let tape = Tape::new();
        let x = random(gpu, &tape, &MAPS)?;
        program(gpu, &tape, [&x.quantile(RHO)?])
    }));
    works.push(Work::new("adam", format!("{PARAMETERS}"), Pass::Step, adam));
    works.push(Work::new("ema", format!("{PARAMETERS}"), Pass::Step, ema));
    works.push(Work::new(
        "binary",
        format!("add {elements}"),
        Pass::Forward,
        move |gpu| {
            let tape = Tape::new();
            let x = random(gpu, &tape, &[elements])?;
            let y = random(gpu, &tape, &[elements])?;
            program(gpu, &tape, [&x.add(&y)?])
        },
    ));
    works.push(Work::new(
        "unary",
        format!("tanh {elements}"),
        Pass::Forward,
        move |gpu| {
            let tape = Tape::new();
            let x = random(gpu, &tape, &[elements])?;
            program(gpu, &tape, [&x.tanh()?])
        },
    ));
    works
}

fn layer_norm(gpu: &Gpu, [rows, width]: [usize; 2], pass: Pass) -> Result<Subject, Error> {
    let tape = Tape::new();
    let x = random(gpu, &tape, &[rows, width])?;
    let gain = random(gpu, &tape, &[width])?;
    let bias = random(gpu, &tape, &[width])?;
    let y = x.layer_norm(&gain, &bias, 1e-5)?;
    match pass {
        Pass::Forward => program(gpu, &tape, [&y]),
        _ => gradients(gpu, &tape, &y, &[x, gain, bias]),
    }
}

fn adam(gpu: &Gpu) -> Result<Subject, Error> {
    let parameters = random_arena(gpu, "parameters", PARAMETERS)?;
    let first = zero_arena(gpu, "first moment", PARAMETERS)?;
    let second = zero_arena(gpu, "second moment", PARAMETERS)?;
    let time = zero_arena(gpu, "time", 4)?;
    let tape = Tape::new();
    let gradient = random(gpu, &tape, &[PARAMETERS])?;
    let flat = |arena| tape.state_range(arena, 0..PARAMETERS, DType::F32);
    flat(&parameters).adam(
        &gradient,
        &flat(&first),
        &flat(&second),
        &tape.state_range(&time, 0..4, DType::U32),
        AdamOptions::default(),
    )?;
    program(gpu, &tape, [])
}

fn ema(gpu: &Gpu) -> Result<Subject, Error> {
    let online = random_arena(gpu, "online", PARAMETERS)?;
    let target = random_arena(gpu, "target", PARAMETERS)?;
    let tape = Tape::new();
    let flat = |arena| tape.state_range(arena, 0..PARAMETERS, DType::F32);
    let all = EmaSegment {
        online: 0..PARAMETERS,
        target: 0..PARAMETERS,
        tau: 0.01,
    };
    flat(&target).ema(&flat(&online), &[all])?;
    program(gpu, &tape, [])
}
