//! Matrix products, and linear layers at the paper's sizes.

use super::convolution::paper;
use super::fixture::{gradients, program, random};
use super::{Pass, Scale, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::Gpu;
use crate::tape::Tape;

/// The paper's batch.
const BATCH: usize = 128;

pub fn works(scale: Scale) -> Vec<Work> {
    let mut works = vec![];
    let sides: &[usize] = if scale.software { &[768] } else { &[768, 4096] };
    for &side in sides {
        let shape = format!("{side}×{side}×{side}");
        works.push(Work::new("matmul", shape, Pass::Forward, move |gpu| {
            let tape = Tape::new();
            let a = random(gpu, &tape, &[side, side])?;
            let b = random(gpu, &tape, &[side, side])?;
            program(gpu, &tape, [&a.matmul(&b)?])
        }));
    }
    let paper = paper();
    for [input, out] in [
        [paper.flat(), paper.projection_dim],
        [paper.hidden_dim, paper.hidden_dim],
    ] {
        for pass in [Pass::Forward, Pass::Backward] {
            let shape = format!("{BATCH}×{input} → {out}");
            works.push(Work::new("linear", shape, pass, move |gpu| {
                linear(gpu, input, out, pass)
            }));
        }
    }
    works
}

/// x Wᵀ + b; backward: the gradients of all three.
fn linear(gpu: &Gpu, input: usize, out: usize, pass: Pass) -> Result<Subject, Error> {
    let tape = Tape::new();
    let x = random(gpu, &tape, &[BATCH, input])?;
    let weight = random(gpu, &tape, &[out, input])?;
    let bias = random(gpu, &tape, &[out])?;
    let y = x.linear(&weight, &bias)?;
    match pass {
        Pass::Forward => program(gpu, &tape, [&y]),
        _ => gradients(gpu, &tape, &y, &[x, weight, bias]),
    }
}
