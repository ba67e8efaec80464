//! Attention of Vision transformers, at the token counts of patches of 64 × 64 pictures
//! and of larger ones.

use super::fixture::{gradients, program, random};
use super::{Pass, Scale, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::Gpu;
use crate::ops::{AttentionOptions, Var};
use crate::tape::{Gradient, Tape};

const HEADS: usize = 4;
const HEAD: usize = 64;

pub fn works(scale: Scale) -> Vec<Work> {
    // Tokens of an autoencoder's visible patches, of one picture, of two, and of one of
    // 224 × 224 pixels; with the class or global token. As many as make scores dwarf all else.
    let batch = if scale.software { 8 } else { 64 };
    let mut sizes: Vec<[usize; 2]> = [33, 65, 129, 197].map(|n| [batch, n]).into();
    sizes.push([batch / 4, 1024]);
    if batch != 64 {
        sizes.push([64, 129]);
    }
    let mut works = vec![];
    for &[batch, tokens] in &sizes {
        for pass in [Pass::Forward, Pass::Backward] {
            let shape = format!("{batch}×{tokens}, {HEADS} × {HEAD}");
            works.push(Work::new("attention", shape, pass, move |gpu: &Gpu| {
                let tape = Tape::new();
                let qkv = random(gpu, &tape, &[batch, tokens, 3 * HEADS * HEAD])?;
                let y = qkv.self_attention(AttentionOptions::heads(HEADS))?;
                match pass {
                    Pass::Forward => program(gpu, &tape, [&y]),
                    _ => gradients(gpu, &tape, &y, &[qkv]),
                }
            }));
        }
    }
    // The same mathematics of products and softmax, with scores in memory.
    for [batch, tokens] in sizes.into_iter().filter(|[_, tokens]| *tokens == 129) {
        for pass in [Pass::Forward, Pass::Backward] {
            let shape = format!("{batch}×{tokens}, {HEADS} × {HEAD}");
            works.push(Work::new("attention_unfused", shape, pass, move |gpu| {
                unfused(gpu, batch * HEADS, tokens, HEAD, pass)
            }));
        }
    }
    works
}

/// Attention from products and softmax, head by head, in the kindest layout: every head
/// contiguous, and q scaled beforehand.
fn unfused(
    gpu: &Gpu,
    heads: usize,
    tokens: usize,
    head: usize,
    pass: Pass,
) -> Result<Subject, Error> {
    let tape = Tape::new();
    let (mut results, mut operands): (Vec<(Var, Var)>, Vec<Var>) = (vec![], vec![]);
    for _ in 0..heads {
        let [q, k, v, g] = [(); 4].map(|()| random(gpu, &tape, &[tokens, head]));
        let (q, k, v) = (q?, k?, v?);
        let p = q.matmul_transposed(&k, false, true)?.softmax()?;
        results.push((p.matmul(&v)?, g?));
        operands.extend([q, k, v]);
    }
    match pass {
        Pass::Forward => program(gpu, &tape, results.iter().map(|(y, _)| y)),
        _ => {
            let found = tape.gradients_seeded(&results, &operands, Gradient::True)?;
            program(gpu, &tape, found.iter().flatten())
        }
    }
}
