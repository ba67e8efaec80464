//! The file of a checkpoint: safetensors with a checksum over every byte.
//!
//! safetensors is a length (u64, little endian), a JSON header of that length
//! and the tensors' bytes. The header starts with its optional text entry,
//! written so that two fields stand at a fixed place:
//!
//! ```json
//! {"__metadata__":{"crc32c":"0a1b2c3d","foveate":"{…}"},"name":{…},…}
//! ```
//!
//! `crc32c` is the CRC-32C of the whole file with these eight digits read as
//! zeros: one flipped bit anywhere, or a missing end, shows. Other programs read
//! the file as plain safetensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::RunError;
use super::atomic::AtomicFile;

// Tensors are stored as they lie in memory, and the format is little endian.
const _: () = assert!(cfg!(target_endian = "little"));

const PREFIX: &[u8] = br#"{"__metadata__":{"crc32c":""#;
const LENGTH: usize = 8;
const DIGITS: Range<usize> = LENGTH + PREFIX.len()..LENGTH + PREFIX.len() + 8;

/// Types of tensor elements that checkpoints hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    F32,
    U32,
    U8,
}

impl ElementType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            ElementType::F32 | ElementType::U32 => 4,
            ElementType::U8 => 1,
        }
    }
}

impl fmt::Display for ElementType {
    /// The name in safetensors headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElementType::F32 => "F32",
            ElementType::U32 => "U32",
            ElementType::U8 => "U8",
        })
    }
}

/// A tensor to be stored: row-major elements in little-endian bytes.
#[derive(Debug, Clone)]
pub struct NamedTensor<'a> {
    name: String,
    element: ElementType,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl<'a> NamedTensor<'a> {
    /// A tensor of any element type from its bytes, borrowed or owned.
    pub fn new(
        name: impl Into<String>,
        element: ElementType,
        shape: &[usize],
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> NamedTensor<'a> {
        NamedTensor {
            name: name.into(),
            element,
            shape: shape.to_vec(),
            bytes: bytes.into(),
        }
    }

    /// A tensor of floats.
    pub fn f32(name: impl Into<String>, shape: &[usize], values: &'a [f32]) -> NamedTensor<'a> {
        NamedTensor::new(
            name,
            ElementType::F32,
            shape,
            bytemuck::cast_slice::<f32, u8>(values),
        )
    }

    /// A tensor of unsigned integers.
    pub fn u32(name: impl Into<String>, shape: &[usize], values: &'a [u32]) -> NamedTensor<'a> {
        NamedTensor::new(
            name,
            ElementType::U32,
            shape,
            bytemuck::cast_slice::<u32, u8>(values),
        )
    }

    /// A vector of bytes that mean nothing to this module, such as the state of
    /// an environment.
    pub fn opaque(name: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) -> NamedTensor<'a> {
        let bytes = bytes.into();
        NamedTensor::new(name, ElementType::U8, &[bytes.len()], bytes)
    }

    fn check(&self) -> Result<(), RunError> {
        let needed = self
            .shape
            .iter()
            .try_fold(self.element.size(), |n, &d| n.checked_mul(d));
        if needed == Some(self.bytes.len()) {
            return Ok(());
        }
        Err(RunError::BadTensor {
            name: self.name.clone(),
            why: format!(
                "{} bytes do not fill {} {:?}",
                self.bytes.len(),
                self.element,
                self.shape
            ),
        })
    }
}

/// What a program expects of one tensor in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub element: ElementType,
    /// `None`: any shape, for opaque bytes.
    pub shape: Option<Vec<usize>>,
}

/// One tensor of a file that was read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    /// Where its bytes are in the file.
    pub(super) range: Range<usize>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.element, self.shape)
    }
}

/// Writes tensors and the text `meta` into `file`. The same arguments give the
/// same bytes, whatever the order of the tensors.
pub(super) fn write(
    file: &mut AtomicFile,
    meta: &str,
    tensors: &[NamedTensor],
) -> Result<(), RunError> {
    let mut sorted: Vec<&NamedTensor> = tensors.iter().collect();
    // Four-byte elements first, so that every tensor is aligned to its elements.
    sorted.sort_by(|a, b| (b.element.size(), &a.name).cmp(&(a.element.size(), &b.name)));
    let mut head = header(meta, &sorted)?;
    let crc = sorted.iter().fold(crc32c::crc32c(&head), |crc, tensor| {
        crc32c::crc32c_append(crc, &tensor.bytes)
    });
    head[DIGITS].copy_from_slice(digits(crc).as_bytes());
    file.write(&head)?;
    for tensor in sorted {
        file.write(&tensor.bytes)?;
    }
    Ok(())
}

/// Length and header, with zeros for the checksum.
fn header(meta: &str, tensors: &[&NamedTensor]) -> Result<Vec<u8>, RunError> {
    let mut head = vec![0; LENGTH];
    head.extend(PREFIX);
    head.extend(format!("00000000\",\"foveate\":{}}}", Value::from(meta)).bytes());
    let mut start = 0;
    let mut names = BTreeSet::new();
    for tensor in tensors {
        tensor.check()?;
        if tensor.name == "__metadata__" || !names.insert(&tensor.name) {
            return Err(RunError::BadTensor {
                name: tensor.name.clone(),
                why: "the name is taken".to_owned(),
            });
        }
        let end = start + tensor.bytes.len();
        let info = json!({
            "dtype": tensor.element.to_string(),
            "shape": tensor.shape,
            "data_offsets": [start, end],
        });
        head.extend(format!(",{}:{info}", Value::from(tensor.name.as_str())).bytes());
        start = end;
    }
    head.push(b'}');
    head.resize(head.len().next_multiple_of(LENGTH), b' ');
    let length = (head.len() - LENGTH) as u64;
    head[..LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(head)
}

/// Verifies the bytes of a file and returns its text and its tensors by name.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
) -> Result<(String, BTreeMap<String, Entry>), RunError> {
    let damaged = |why: String| RunError::damaged(path, why);
    let head_end = head_end(path, bytes)?;
    let crc = crc32c::crc32c(&bytes[..DIGITS.start]);
    let crc = crc32c::crc32c_append(crc, b"00000000");
    let crc = digits(crc32c::crc32c_append(crc, &bytes[DIGITS.end..]));
    // Compared as text: a flipped bit may turn a digit into its upper case.
    if bytes[DIGITS] != *crc.as_bytes() {
        return Err(damaged(format!(
            "its checksum is {crc}, but it was written with {}",
            String::from_utf8_lossy(&bytes[DIGITS])
        )));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut entries = BTreeMap::new();
    for (name, view) in file.iter() {
        let element = match view.dtype() {
            Dtype::F32 => ElementType::F32,
            Dtype::U32 => ElementType::U32,
            Dtype::U8 => ElementType::U8,
            other => return Err(damaged(format!("tensor '{name}' has type {other}"))),
        };
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        entries.insert(
            name.to_owned(),
            Entry {
                element,
                shape: view.shape().to_vec(),
                range: start..start + view.data().len(),
            },
        );
    }
    Ok((meta(path, &bytes[..head_end])?, entries))
}

/// The text in a header (the file's first bytes), unverified.
pub(super) fn meta(path: &Path, head: &[u8]) -> Result<String, RunError> {
    let header: Value = serde_json::from_slice(head.get(LENGTH..).unwrap_or_default())
        .map_err(|error| RunError::damaged(path, format!("its header: {error}")))?;
    header["__metadata__"]["foveate"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| RunError::damaged(path, "its header holds no metadata"))
}

/// Where the header ends, from the file's first bytes. `bytes` must hold it all.
pub(super) fn head_end(path: &Path, bytes: &[u8]) -> Result<usize, RunError> {
    let truncated = || RunError::damaged(path, format!("truncated to {} bytes", bytes.len()));
    let length = bytes.first_chunk::<LENGTH>().ok_or_else(truncated)?;
    let end = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| length.checked_add(LENGTH))
        .filter(|&end| end <= bytes.len() && DIGITS.end <= bytes.len())
        .ok_or_else(truncated)?;
    if !bytes[LENGTH..].starts_with(PREFIX) {
        return Err(RunError::damaged(path, "no checkpoint of foveate"));
    }
    Ok(end)
}

fn digits(crc: u32) -> String {
    format!("{crc:08x}")
}
