//! Parameters before they have memory: names, shapes, initialisations.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::init;
use crate::gpu::{Arena, ArenaLayout, Gpu, GpuError};

/// How a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    Constant(f32),
    /// Semi-orthogonal times a gain; [out, in].
    Orthogonal(f64),
    /// Only the centre tap, semi-orthogonal times a gain; [out, in, k, k].
    DeltaOrthogonal(f64),
    /// Uniform in ±bound (PyTorch's default for layers: 1/√fan-in).
    Uniform(f64),
    /// Uniform in 0..1 (CURL's bilinear form).
    UnitInterval,
    /// Normal of mean 0 and this deviation, drawn again where beyond ±2 (the released
    /// code's bounds: absolute ones).
    TruncatedNormal(f64),
}

/// Names, shapes and initialisations of an arena's tensors.
#[derive(Debug, Clone, Default)]
pub struct ParameterLayout {
    layout: ArenaLayout,
    inits: Vec<Init>,
}

impl ParameterLayout {
    /// Appends a tensor.
    pub fn push(&mut self, name: String, shape: &[usize], init: Init) {
        self.layout.push(name, shape);
        self.inits.push(init);
    }

    /// Appends `name.weight` `[out, in]` and `name.bias` `[out]`.
    pub fn linear(&mut self, name: &str, out: usize, input: usize, weight: Init, bias: Init) {
        self.push(format!("{name}.weight"), &[out, input], weight);
        self.push(format!("{name}.bias"), &[out], bias);
    }

    /// Appends `name.weight` `[out, in, 3, 3]` and `name.bias` `[out]`.
    pub fn conv3x3(&mut self, name: &str, out: usize, input: usize, weight: Init, bias: Init) {
        self.push(format!("{name}.weight"), &[out, input, 3, 3], weight);
        self.push(format!("{name}.bias"), &[out], bias);
    }

    /// What was appended so far, as an end of a range of elements.
    pub fn mark(&self) -> usize {
        self.layout.len()
    }

    /// Names and places.
    pub fn layout(&self) -> &ArenaLayout {
        &self.layout
    }

    /// The tensors within a range of elements, renamed, as a layout of their own
    /// with the same relative places.
    pub fn sub_layout(&self, range: Range<usize>, rename: impl Fn(&str) -> String) -> ArenaLayout {
        let mut sub = ArenaLayout::default();
        for e in self.layout.entries() {
            if range.contains(&e.offset) {
                sub.push(rename(&e.name), &e.shape);
            }
        }
        sub
    }

    /// Initial values of every tensor, in order.
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        (self.layout.entries().iter().zip(&self.inits))
            .map(|(entry, init)| match (*init, entry.shape.as_slice()) {
                (Init::Orthogonal(gain), &[out, input]) => {
                    init::orthogonal(&mut rng, out, input, gain)
                }
                (Init::DeltaOrthogonal(gain), &[out, input, kh, kw]) => {
                    init::delta_orthogonal(&mut rng, [out, input, kh, kw], gain)
                }
                (Init::Uniform(bound), _) => init::uniform(&mut rng, entry.len(), bound),
                (Init::UnitInterval, _) => init::unit_interval(&mut rng, entry.len()),
                (Init::TruncatedNormal(deviation), _) => {
                    init::truncated_normal(&mut rng, entry.len(), deviation)
                }
                (Init::Constant(v), _) => vec![v; entry.len()],
                // The typed constructors above make only fitting pairs.
                (Init::Orthogonal(_) | Init::DeltaOrthogonal(_), shape) => {
                    unreachable!("{}: no orthogonal tensor of shape {shape:?}", entry.name)
                }
            })
            .collect()
    }

    /// Allocates the arena and writes the initial values.
    pub fn allocate(&self, gpu: &Gpu, label: &str, seed: u64) -> Result<Arena, GpuError> {
        let arena = Arena::new(gpu, label, self.layout.clone())?;
        for (entry, values) in self.layout.entries().iter().zip(self.initial(seed)) {
            gpu.write(&arena.slice(entry.range()), bytemuck::cast_slice(&values))?;
        }
        Ok(arena)
    }
}
