//! Shapes and element types.

use std::fmt;

/// Element types. Storage is little-endian and contiguous, last dimension fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    F32,
    U32,
    /// Bytes, four to a 32-bit word; tensors are padded to whole words.
    U8,
}

impl DType {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::U8 => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::U32 => "u32",
            DType::U8 => "u8",
        })
    }
}

/// Shape and element type of a value on the tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub dtype: DType,
}

impl Tensor {
    /// An f32 tensor.
    pub fn f32(shape: &[usize]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            dtype: DType::F32,
        }
    }

    /// A u32 tensor.
    pub fn u32(shape: &[usize]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            dtype: DType::U32,
        }
    }

    /// A byte tensor.
    pub fn u8(shape: &[usize]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            dtype: DType::U8,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of storage, in whole words.
    pub fn bytes(&self) -> u64 {
        ((self.len() * self.dtype.size()) as u64).next_multiple_of(4)
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}
