//! What operations that change state in place ask of it.

use super::{DType, Source, TapeError, Tensor, Var};

/// An error unless `var` is memory that outlives a run: a range of an arena or a
/// buffer of the caller's. Anything else would be changed and then forgotten.
pub(crate) fn require_state(op: &'static str, what: &str, var: &Var) -> Result<(), TapeError> {
    match &var.graph.borrow().values[var.id].source {
        Source::State(..) | Source::External(_) => Ok(()),
        _ => Err(TapeError::Option {
            op,
            message: format!(
                "{what} ({}) is not state; take it from Tape::state, Tape::state_range or Tape::external",
                var.graph.borrow().values[var.id].tensor
            ),
        }),
    }
}

/// Whether `tensor` is a flat, non-empty f32 tensor of `len` elements.
pub(crate) fn is_flat_f32(tensor: &Tensor, len: usize) -> bool {
    tensor.dtype == DType::F32 && tensor.shape == [len] && len > 0
}
