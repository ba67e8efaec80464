//! What an operation is: shapes, gradient, and how it becomes dispatches.

use std::fmt::Debug;
use std::rc::Rc;

use super::lower::Lower;
use super::{TapeError, Tensor, Var};

/// How ReLUs pass gradients back; everything else always has its true derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gradient {
    /// The derivative: R · `1[x > 0]`.
    #[default]
    True,
    /// Guided backpropagation (SPEC.md E.2): max(0, R · `1[x > 0]`).
    Guided,
}

/// A pointwise tail that a producer may run before it stores its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epilogue {
    #[default]
    None,
    /// max(0, y).
    Relu,
    /// y where the gate (one more input, shaped like y) is positive, else 0;
    /// and max(0, ·) of that for the guided rule.
    Gate(Gradient),
}

/// What a gradient rule gets to see.
pub struct Backward<'a> {
    pub inputs: &'a [Var],
    pub outputs: &'a [Var],
    /// Gradient of each output; `None` where nothing depends on it.
    pub grads: &'a [Option<Var>],
    /// Which inputs need a gradient.
    pub needs: &'a [bool],
    pub rule: Gradient,
}

/// An operation with its options. Recording it appends a node; nothing runs.
pub trait Op: Debug {
    /// The name by which source, shaders, tests and bench know it.
    fn name(&self) -> &'static str;

    /// The outputs for these inputs, or why they do not fit.
    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError>;

    /// Records the gradient of each input that needs one. Inputs without a
    /// gradient (indices, masks) return `None`.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Err(TapeError::NotDifferentiable { op: self.name() })
    }

    /// Emits the dispatches that compute the outputs.
    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError>;

    /// The inputs (state) that it changes in place. Such an operation always runs.
    fn writes(&self) -> &[usize] {
        &[]
    }

    /// Whether its output is its first input under another shape: no dispatch.
    fn is_alias(&self) -> bool {
        false
    }

    /// Offsets (elements) of its inputs inside its output, if inputs may be
    /// computed in their place there.
    fn placement(&self) -> Option<&[usize]> {
        None
    }

    /// Whether its outputs may lie in one buffer: not where it reads one of them to compute
    /// another, as a dispatch cannot read and write one buffer.
    fn outputs_share_buffer(&self) -> bool {
        true
    }

    /// Itself as the tail of what produces its first input.
    fn as_epilogue(&self) -> Option<Epilogue> {
        None
    }

    /// Itself with a tail; a gate becomes one more input.
    fn with_epilogue(&self, _epilogue: Epilogue) -> Option<Rc<dyn Op>> {
        None
    }
}

/// A shape error in the words of all operations.
pub(crate) fn shape_error(
    op: &'static str,
    inputs: &[&Tensor],
    expected: impl Into<String>,
) -> TapeError {
    let given: Vec<_> = inputs.iter().map(|t| t.to_string()).collect();
    TapeError::Shape {
        op,
        given: given.join(", "),
        expected: expected.into(),
    }
}
