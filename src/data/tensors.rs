//! Files of tensors of several element types, written whole or not at all.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::media::{MediaError, write_parts};

// Numbers are stored as they lie in memory, and the format is little endian.
const _: () = assert!(cfg!(target_endian = "little"));

/// A tensor to be written: name, element type, shape, elements.
pub(super) type Written<'a> = (&'a str, Dtype, Vec<usize>, &'a [u8]);

/// Writes a safetensors file whose metadata has `notes` under `foveate`. The same arguments
/// give the same bytes. Four-byte elements should come first, so that every tensor is
/// aligned to its elements.
pub(super) fn write(path: &Path, notes: &str, tensors: &[Written]) -> Result<(), MediaError> {
    let mut end = 0;
    let infos = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let start = end;
        end += bytes.len();
        let info = TensorInfo {
            dtype: *dtype,
            shape: shape.clone(),
            data_offsets: (start, end),
        };
        (name.to_string(), info)
    });
    let notes = HashMap::from([("foveate".to_string(), notes.to_string())]);
    let encode = |reason: String| MediaError::Encode {
        what: "a safetensors header",
        reason,
    };
    let metadata =
        Metadata::new(Some(notes), infos.collect()).map_err(|e| encode(e.to_string()))?;
    let mut head = serde_json::to_vec(&metadata).map_err(|e| encode(e.to_string()))?;
    head.resize(head.len().next_multiple_of(8), b' ');
    let length = (head.len() as u64).to_le_bytes();
    let mut parts = vec![&length[..], &head];
    parts.extend(tensors.iter().map(|(_, _, _, bytes)| *bytes));
    write_parts(path, &parts)
}
