//! Tensors to compute with. Their numbers are random: some devices are faster, or
//! cooler, with zeros.

use crate::Error;
use crate::bench::Subject;
use crate::gpu::{Arena, ArenaLayout, BufferRange, Gpu};
use crate::ops::{Stream, Tensor, Var};
use crate::tape::Tape;

const STREAM: Stream = Stream { seed: 1, stream: 0 };

/// Fills a range of f32 with numbers in −1..1.
fn fill(gpu: &Gpu, range: &BufferRange) -> Result<(), Error> {
    let numbers = STREAM.uniform(0, (range.size / 4) as usize, -1.0, 1.0)?;
    Ok(gpu.write(range, bytemuck::cast_slice(&numbers))?)
}

/// f32 of `shape`, in −1..1.
pub fn random(gpu: &Gpu, tape: &Tape, shape: &[usize]) -> Result<Var, Error> {
    let tensor = Tensor::f32(shape);
    let range = BufferRange::whole(&gpu.storage("random", tensor.bytes())?);
    fill(gpu, &range)?;
    Ok(tape.external(range, tensor)?)
}

/// u32 of `shape`, below `count`.
pub fn random_below(gpu: &Gpu, tape: &Tape, shape: &[usize], count: u32) -> Result<Var, Error> {
    let tensor = Tensor::u32(shape);
    let range = BufferRange::whole(&gpu.storage("random", tensor.bytes())?);
    let numbers = STREAM.integers(0, tensor.len(), count)?;
    gpu.write(&range, bytemuck::cast_slice(&numbers))?;
    Ok(tape.external(range, tensor)?)
}

/// f32 of `shape`, each 0 or 1.
pub fn random_mask(gpu: &Gpu, tape: &Tape, shape: &[usize]) -> Result<Var, Error> {
    let tensor = Tensor::f32(shape);
    let range = BufferRange::whole(&gpu.storage("random", tensor.bytes())?);
    let bits = STREAM.integers(0, tensor.len(), 2)?;
    let mask: Vec<f32> = bits.iter().map(|&bit| bit as f32).collect();
    gpu.write(&range, bytemuck::cast_slice(&mask))?;
    Ok(tape.external(range, tensor)?)
}

/// u8 of `shape`, a whole number of words.
pub fn random_bytes(gpu: &Gpu, tape: &Tape, shape: &[usize]) -> Result<Var, Error> {
    let tensor = Tensor::u8(shape);
    let range = BufferRange::whole(&gpu.storage("random", tensor.bytes())?);
    let words = STREAM.integers(0, range.size as usize / 4, u32::MAX)?;
    gpu.write(&range, bytemuck::cast_slice(&words))?;
    Ok(tape.external(range, tensor)?)
}

/// State of `len` elements, zero.
pub fn zero_arena(gpu: &Gpu, label: &str, len: usize) -> Result<Arena, Error> {
    let mut layout = ArenaLayout::default();
    layout.push(label, &[len]);
    Ok(Arena::new(gpu, label, layout)?)
}

/// State of `len` elements in −1..1.
pub fn random_arena(gpu: &Gpu, label: &str, len: usize) -> Result<Arena, Error> {
    let arena = zero_arena(gpu, label, len)?;
    fill(gpu, &arena.whole())?;
    Ok(arena)
}

/// The program that computes these values.
pub fn program<'a>(
    gpu: &Gpu,
    tape: &Tape,
    values: impl IntoIterator<Item = &'a Var>,
) -> Result<Subject, Error> {
    for (i, value) in values.into_iter().enumerate() {
        tape.output(&format!("{i}"), value);
    }
    Ok(Subject::program(tape.compile(gpu)?))
}

/// The program that computes the gradients of `y` with respect to `wrt`, for a random
/// gradient of `y`.
pub fn gradients(gpu: &Gpu, tape: &Tape, y: &Var, wrt: &[Var]) -> Result<Subject, Error> {
    let seed = random(gpu, tape, &y.shape())?;
    let found = tape.gradients_seeded(&[(y.clone(), seed)], wrt, crate::tape::Gradient::True)?;
    program(gpu, tape, found.iter().flatten())
}
