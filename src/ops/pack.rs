//! `pack`: tensors side by side in one flat buffer, e.g. all gradients of an
//! optimiser. Results of operations are computed in their place: usually it costs
//! nothing.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Inputs: any f32 tensors; input i lies at `offsets[i]` (multiples of 64 elements)
/// of the f32[len] output. What no input covers is zero.
#[derive(Debug)]
pub(crate) struct Pack {
    offsets: Vec<usize>,
    len: usize,
}

impl Pack {
    /// Packs `parts` at `offsets`.
    pub fn record(parts: &[Var], offsets: Vec<usize>, len: usize) -> Result<Var, TapeError> {
        Var::record1(Pack { offsets, len }, &parts.iter().collect::<Vec<_>>())
    }
}

impl Op for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let mut spans: Vec<_> = (inputs.iter().zip(&self.offsets))
            .map(|(t, o)| (*o, o + t.len()))
            .collect();
        spans.sort_unstable();
        let apart = spans.windows(2).all(|w| w[0].1 <= w[1].0);
        let inside = spans.last().is_none_or(|s| s.1 <= self.len);
        let aligned = self.offsets.iter().all(|o| o.is_multiple_of(64));
        let floats = inputs.iter().all(|t| t.dtype == DType::F32);
        if !(apart && inside && aligned && floats && inputs.len() == self.offsets.len()) {
            return Err(shape_error(
                "pack",
                inputs,
                format!("f32 tensors that lie apart in {} elements", self.len),
            ));
        }
        Ok(vec![Tensor::f32(&[self.len])])
    }

    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Err(TapeError::NotDifferentiable { op: "pack" })
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let packed = cx.output(0);
        for (i, offset) in self.offsets.iter().enumerate() {
            let part = cx.input(i);
            // Computed in place already, unless it is state, an input, or packed twice.
            if !part.same_memory(&packed, *offset) {
                let count = part.tensor.len();
                cx.dispatch("pack/copy")
                    .bind("x", &part)
                    .bind("y", &packed.range(*offset, count))
                    .u32("count", count)
                    .linear(count)?;
            }
        }
        Ok(())
    }

    fn placement(&self) -> Option<&[usize]> {
        Some(&self.offsets)
    }
}
