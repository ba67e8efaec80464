//! What can go wrong while recording, differentiating or compiling.

use crate::gpu::GpuError;

/// Errors of the tape and its operations.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// Operands do not fit the operation. Found when it is recorded.
    #[error("{op}: got {given}; expected {expected}")]
    Shape {
        op: &'static str,
        given: String,
        expected: String,
    },
    /// An option of an operation is out of its range.
    #[error("{op}: {message}")]
    Option { op: &'static str, message: String },
    /// Operands come from different tapes.
    #[error("{op}: operands were recorded on different tapes")]
    ForeignVar { op: &'static str },
    /// The operation has no gradient.
    #[error("{op} has no gradient")]
    NotDifferentiable { op: &'static str },
    /// A state, or a buffer of the caller's, that the forward pass read was changed before
    /// its gradient was recorded.
    #[error(
        "the gradient of {op} needs '{state}' as it was, but it has been updated since; record gradients before the update"
    )]
    Stale { op: &'static str, state: String },
    /// No input, output or watched scalar has this name.
    #[error("no {what} named '{given}'; there are: {known}")]
    UnknownName {
        what: &'static str,
        given: String,
        known: String,
    },
    /// Two inputs, two outputs or two watched scalars of one name: only one of them could be
    /// reached by it.
    #[error("there are two {what}s named '{name}'; each needs a name of its own")]
    DuplicateName { what: &'static str, name: String },
    /// Data of the wrong length for a tensor.
    #[error("'{name}' holds {expected} bytes, got {given}")]
    DataLength {
        name: String,
        expected: u64,
        given: u64,
    },
    /// A tensor is larger than the device can bind.
    #[error("{op}: a tensor of {bytes} bytes is larger than this device can bind ({limit})")]
    TooLarge {
        op: &'static str,
        bytes: u64,
        limit: u64,
    },
    /// An operation needs more workgroups than the device has along one dimension.
    #[error(
        "{op}: needs {groups} workgroups along one dimension, and this device has at most {limit}; divide its operands"
    )]
    TooManyGroups {
        op: &'static str,
        groups: u32,
        limit: u32,
    },
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl TapeError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        matches!(self, TapeError::Gpu(e) if e.is_user_mistake())
    }
}
