//! Safetensors files of weights: named floats and a few texts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use super::WeightsError;
use crate::run::atomic::AtomicFile;
use crate::run::directory::WEIGHTS;

// Tensors are stored as they lie in memory, and the format is little endian.
const _: () = assert!(cfg!(target_endian = "little"));

/// How a PyTorch checkpoint begins: a ZIP archive or, before version 1.6, a pickle of its
/// magic number.
const ZIP: &[u8] = b"PK\x03\x04";
const PICKLE: &[u8] = b"\x80\x02\x8a\x0a";

/// A file that was read.
#[derive(Debug)]
pub(super) struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

/// A tensor of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Where its bytes are in the file.
    range: Range<usize>,
}

impl WeightsFile {
    /// Reads a file, or the `weights.safetensors` of a directory.
    pub fn read(path: &Path) -> Result<WeightsFile, WeightsError> {
        let mut path = path.to_owned();
        if path.is_dir() {
            let inside = path.join(WEIGHTS);
            if !inside.is_file() {
                return Err(WeightsError::NoWeights { path });
            }
            path = inside;
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(WeightsError::Read { path, source }),
        };
        let (entries, metadata) = match contents(&bytes) {
            Ok(contents) => contents,
            Err(_) if bytes.starts_with(ZIP) || bytes.starts_with(PICKLE) => {
                return Err(WeightsError::PyTorch { path });
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(WeightsError::Damaged { path, reason });
            }
        };
        Ok(WeightsFile {
            path,
            bytes,
            entries,
            metadata,
        })
    }

    /// Where it was read from; never a directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The elements of a tensor of floats; `None` if it has none of that name.
    pub fn f32(&self, name: &str) -> Option<Vec<f32>> {
        let entry = self.entries.get(name)?;
        let bytes = &self.bytes[entry.range.clone()];
        let halves = || {
            bytes
                .chunks_exact(2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]))
        };
        match entry.dtype {
            // Collected, not cast: the file's bytes need not be aligned.
            Dtype::F32 => Some(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::F16 => Some(halves().map(|h| f16::from_bits(h).to_f32()).collect()),
            Dtype::BF16 => Some(halves().map(|h| bf16::from_bits(h).to_f32()).collect()),
            _ => None,
        }
    }
}

impl Entry {
    /// Whether [`WeightsFile::f32`] reads it.
    pub fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }
}

type Contents = (BTreeMap<String, Entry>, BTreeMap<String, String>);

fn contents(bytes: &[u8]) -> Result<Contents, safetensors::SafeTensorError> {
    let file = SafeTensors::deserialize(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let mut entries = BTreeMap::new();
    for (name, view) in file.iter() {
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let entry = Entry {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            range: start..start + view.data().len(),
        };
        entries.insert(name.to_string(), entry);
    }
    let texts = header.metadata().iter().flatten();
    let metadata = texts.map(|(key, value)| (key.clone(), value.clone()));
    Ok((entries, metadata.collect()))
}

/// A tensor to be written.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    /// F32, row-major.
    pub bytes: Cow<'a, [u8]>,
}

/// Writes a file, whole or not at all. The same arguments give the same bytes.
pub(super) fn write(
    path: &Path,
    metadata: &BTreeMap<&str, String>,
    tensors: &[Tensor],
) -> Result<(), WeightsError> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_string(), json!(metadata));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.bytes.len();
        let info = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.to_string(), info);
        start = end;
    }
    let mut head = serde_json::Value::Object(header).to_string().into_bytes();
    head.resize(head.len().next_multiple_of(8), b' ');
    let mut file = AtomicFile::create(path)?;
    file.write(&(head.len() as u64).to_le_bytes())?;
    file.write(&head)?;
    for tensor in tensors {
        file.write(&tensor.bytes)?;
    }
    Ok(file.commit()?)
}
