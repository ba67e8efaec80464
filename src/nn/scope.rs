//! Layers by name: a tape, an arena, and a prefix of parameter names.

use crate::gpu::Arena;
use crate::ops::{Conv2dOptions, TapeError, Var};
use crate::tape::Tape;

/// Where layers find their parameters.
#[derive(Debug, Clone)]
pub struct Scope {
    tape: Tape,
    arena: Arena,
    prefix: String,
}

impl Scope {
    /// Parameters `prefix.*` of `arena`; with an empty prefix all of them.
    pub fn new(tape: &Tape, arena: &Arena, prefix: &str) -> Scope {
        Scope {
            tape: tape.clone(),
            arena: arena.clone(),
            prefix: prefix.to_string(),
        }
    }

    fn full(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_string(),
            prefix => format!("{prefix}.{name}"),
        }
    }

    /// The scope `prefix.name`.
    pub fn sub(&self, name: &str) -> Scope {
        Scope::new(&self.tape, &self.arena, &self.full(name))
    }

    /// The parameter `prefix.name`.
    pub fn var(&self, name: &str) -> Result<Var, TapeError> {
        self.tape.state(&self.arena, &self.full(name))
    }

    /// x Wᵀ + b with `name.weight` and `name.bias`.
    pub fn linear(&self, name: &str, x: &Var) -> Result<Var, TapeError> {
        x.linear(
            &self.var(&format!("{name}.weight"))?,
            &self.var(&format!("{name}.bias"))?,
        )
    }

    /// The convolution with `name.weight` and `name.bias`.
    pub fn conv2d(&self, name: &str, x: &Var, options: Conv2dOptions) -> Result<Var, TapeError> {
        let bias = self.var(&format!("{name}.bias"))?;
        x.conv2d(&self.var(&format!("{name}.weight"))?, Some(&bias), options)
    }

    /// Batch normalisation with `name.weight` and `name.bias`, by the batch's own mean and
    /// variance: no running averages.
    pub fn batch_norm(&self, name: &str, x: &Var, eps: f32) -> Result<Var, TapeError> {
        let bias = self.var(&format!("{name}.bias"))?;
        x.batch_norm(&self.var(&format!("{name}.weight"))?, &bias, eps)
    }

    /// Layer normalisation with `name.weight` and `name.bias`.
    pub fn layer_norm(&self, name: &str, x: &Var, eps: f32) -> Result<Var, TapeError> {
        let bias = self.var(&format!("{name}.bias"))?;
        x.layer_norm(&self.var(&format!("{name}.weight"))?, &bias, eps)
    }
}
