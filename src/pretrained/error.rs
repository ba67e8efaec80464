//! What can go wrong with weights.

use std::fmt;
use std::path::PathBuf;

use crate::gpu::GpuError;
use crate::nn::Method;
use crate::run::RunError;

/// Weights that cannot be used. Each names the file, what it holds and what would be
/// right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Nothing is there, or it cannot be read.
    #[error("cannot read the weights in '{}': {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A directory, but not that of a pretraining run with weights.
    #[error("the directory '{}' holds no weights.safetensors: name a .safetensors file, or the directory of a pretraining run that has reached a checkpoint", path.display())]
    NoWeights { path: PathBuf },
    /// A PyTorch checkpoint.
    #[error("'{}' is a PyTorch file, not safetensors. Convert it in Python: import torch, safetensors.torch as s; d = torch.load('{}', map_location='cpu', weights_only=False); s.save_file({{k: v.clone().contiguous() for k, v in d.get('model', d).items()}}, '{}') (this runs code from the file: only for files that you trust)",
        path.display(), path.display(), path.with_extension("safetensors").display())]
    PyTorch { path: PathBuf },
    /// A file that is truncated, or something else.
    #[error("'{}' is no whole safetensors file: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Tensors of something else.
    #[error("'{}' holds neither an MAE nor a MultiMAE: it has no tensor 'patch_embed.proj.weight' and no 'input_adapters.rgb.proj.weight' of shape [dim, 3, patch, patch]; it holds {found}", path.display())]
    Unrecognised { path: PathBuf, found: String },
    /// Heads that the tensors do not tell.
    #[error("'{}' does not say how many heads its attentions have, and tokens of width {dim} are no whole number of heads 64 wide: give heads", path.display())]
    Heads { path: PathBuf, dim: usize },
    /// An image size that the tensors do not tell.
    #[error("'{}' does not say how large its images are, and has no position embeddings: give image_size", path.display())]
    ImageSize { path: PathBuf },
    /// Sizes that do not go together.
    #[error("'{}': {what}", path.display())]
    Sizes { path: PathBuf, what: String },
    /// A text in the metadata that is no number.
    #[error("'{}' says {key} = '{value}' in its metadata; it must be a whole number of at least 1", path.display())]
    Metadata {
        path: PathBuf,
        key: &'static str,
        value: String,
    },
    /// An MAE where a MultiMAE is needed, or the other way round.
    #[error("'{}' holds the weights of {given}; {wanted} is needed", path.display())]
    Method {
        path: PathBuf,
        given: Method,
        wanted: Method,
    },
    /// Attentions of another number of heads.
    #[error("'{}' was trained with {key} = {given}; {wanted} are asked for: set {key}={given}", path.display())]
    OtherHeads {
        path: PathBuf,
        key: &'static str,
        given: usize,
        wanted: usize,
    },
    /// Other tensors than the network has.
    #[error("'{}' does not fit {network}:{mismatch}", path.display())]
    Mismatch {
        path: PathBuf,
        /// The network and its sizes.
        network: String,
        mismatch: Box<Mismatch>,
    },
    /// Position embeddings that are not the fixed ones.
    #[error("'{}': the position embeddings '{name}' differ from sines and cosines by up to {difference:.2e} (rounding explains {allowed:.1e}): they were trained or made by another formula, which is not supported", path.display())]
    Positions {
        path: PathBuf,
        name: String,
        difference: f32,
        allowed: f32,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] RunError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// A tensor by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorShape {
    pub name: String,
    pub shape: Vec<usize>,
}

/// A tensor that is there in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub name: String,
    /// Type of its elements in the file, as safetensors calls it.
    pub given_type: String,
    pub given: Vec<usize>,
    pub expected: Vec<usize>,
}

/// How the tensors of a file differ from those of a network, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mismatch {
    /// The network has them, the file has not; in the network's order.
    pub missing: Vec<TensorShape>,
    /// The file has them, the network has not; by name.
    pub unexpected: Vec<TensorShape>,
    /// Both have them, in different shapes, or the elements are no floats; in the
    /// network's order.
    pub misshapen: Vec<Difference>,
}

impl Mismatch {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Mismatch {
    /// A heading for each list that is not empty, and a line for each tensor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, list) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !list.is_empty() {
                write!(f, "\n  {what} ({}):", list.len())?;
            }
            for tensor in list {
                write!(f, "\n    {} {:?}", tensor.name, tensor.shape)?;
            }
        }
        if !self.misshapen.is_empty() {
            write!(f, "\n  misshapen ({}):", self.misshapen.len())?;
        }
        for tensor in &self.misshapen {
            let Difference {
                name,
                given_type,
                given,
                expected,
            } = tensor;
            write!(f, "\n    {name}: {given_type} {given:?}, not {expected:?}")?;
            if given == expected {
                f.write_str(" of F32, F16 or BF16")?;
            }
        }
        Ok(())
    }
}

impl WeightsError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            WeightsError::Write(error) => error.is_user_mistake(),
            WeightsError::Gpu(error) => error.is_user_mistake(),
            _ => true,
        }
    }
}
