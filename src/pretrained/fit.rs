//! Whether a file holds the tensors of a network; loading and saving them.

use std::path::Path;

use safetensors::Dtype;

use super::architecture::Fixed;
use super::error::{Difference, Mismatch, TensorShape};
use super::file::{self, Tensor, WeightsFile};
use super::recognise::{method, number};
use super::{Architecture, WeightsError};
use crate::gpu::{Arena, ArenaEntry, Gpu, Readback};

/// How far position embeddings may be from ours: released ones were computed in float32,
/// and sizes below 1 may have been rounded to halves since.
fn position_tolerance(dtype: Dtype) -> f32 {
    1e-4 + match dtype {
        Dtype::F16 => 2f32.powi(-12),
        Dtype::BF16 => 2f32.powi(-9),
        _ => 0.0,
    }
}

/// What was found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// All parameters.
    All,
    /// Those of the encoder; the decoders are as they were.
    Encoder,
}

/// What a file holds of a whole network: without any tensor of a decoder it is the encoder
/// alone.
///
/// # Errors
/// [`WeightsError`] if it holds anything else.
pub fn fits(path: &Path, network: &Architecture) -> Result<Loaded, WeightsError> {
    read(path, network).map(|(_, loaded)| loaded)
}

/// Writes a file's weights into the arena of a network that [it fits](fits).
///
/// # Errors
/// [`WeightsError`]; nothing has been written then, unless the device failed.
pub fn load(
    gpu: &Gpu,
    path: &Path,
    network: &Architecture,
    parameters: &Arena,
) -> Result<Loaded, WeightsError> {
    let (file, loaded) = read(path, network)?;
    fill(gpu, &file, parameters)?;
    Ok(loaded)
}

fn read(path: &Path, network: &Architecture) -> Result<(WeightsFile, Loaded), WeightsError> {
    let file = WeightsFile::read(path)?;
    let wanted = network.kind();
    if let Some(given) = method(&file).filter(|&given| given != wanted) {
        return Err(WeightsError::Method {
            path: file.path().to_owned(),
            given,
            wanted,
        });
    }
    let decoders = (file.entries().keys()).any(|name| network.is_of_decoder(name));
    let encoder = network.encoder();
    let (part, loaded) = match decoders || !network.has_decoders() {
        true => (network, Loaded::All),
        false => (&encoder, Loaded::Encoder),
    };
    for (key, wanted) in [
        ("heads", Some(part.heads())),
        ("decoder_heads", part.decoder_heads()),
    ] {
        let (Some(given), Some(wanted)) = (number(&file, key)?, wanted) else {
            continue;
        };
        if given != wanted {
            return Err(WeightsError::OtherHeads {
                path: file.path().to_owned(),
                key,
                given,
                wanted,
            });
        }
    }
    check(&file, part, |_| false)?;
    Ok((file, loaded))
}

/// Writes the parameters of a network, which are those of the arena, into a file, whole or
/// not at all. The same parameters give the same bytes.
///
/// # Errors
/// [`WeightsError::Write`], [`WeightsError::Gpu`].
pub fn save(
    gpu: &Gpu,
    path: &Path,
    network: &Architecture,
    parameters: &Arena,
) -> Result<(), WeightsError> {
    let entries = parameters.layout().entries();
    let ranges: Vec<_> = (entries.iter())
        .map(|entry| parameters.slice(entry.range()))
        .collect();
    let total = ranges.iter().map(|range| range.size).sum();
    let bytes = Readback::new(gpu, total)?.read_blocking(&ranges)?;
    let fixed = network.positions();
    let mut rest = &bytes[..];
    let mut tensors = vec![];
    for ArenaEntry { name, shape, .. } in entries {
        let len = 4 * shape.iter().product::<usize>();
        let (values, after) = rest.split_at(len);
        rest = after;
        let bytes = values.into();
        tensors.push(Tensor { name, shape, bytes });
    }
    for ours in &fixed {
        let Fixed { name, shape, .. } = ours;
        let bytes = bytemuck::pod_collect_to_vec::<f32, u8>(&network.position_values(ours)).into();
        tensors.push(Tensor { name, shape, bytes });
    }
    file::write(path, &network.metadata(), &tensors)
}

/// Whether a file holds exactly the tensors of a network, beside those that are left out.
/// Position embeddings may be absent.
///
/// # Errors
/// [`WeightsError::Mismatch`], [`WeightsError::Positions`].
pub(super) fn check(
    file: &WeightsFile,
    network: &Architecture,
    left_out: impl Fn(&str) -> bool,
) -> Result<(), WeightsError> {
    let layout = network.layout();
    let mut expected: Vec<(&str, &[usize])> = (layout.layout().entries().iter())
        .map(|entry| (entry.name.as_str(), entry.shape.as_slice()))
        .collect();
    let mut mismatch = Mismatch::default();
    for &(name, shape) in &expected {
        if !file.entries().contains_key(name) {
            let (name, shape) = (name.to_string(), shape.to_vec());
            mismatch.missing.push(TensorShape { name, shape });
        }
    }
    let fixed = network.positions();
    expected.extend((fixed.iter()).map(|f| (f.name.as_str(), f.shape.as_slice())));
    for &(name, shape) in &expected {
        let found = file.entries().get(name);
        if let Some(entry) = found.filter(|entry| entry.shape != shape || !entry.is_float()) {
            mismatch.misshapen.push(Difference {
                name: name.to_string(),
                given_type: entry.dtype.to_string(),
                given: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
    }
    for (name, entry) in file.entries() {
        let known = expected.iter().any(|(other, _)| other == name);
        if !known && !left_out(name) {
            let (name, shape) = (name.clone(), entry.shape.clone());
            mismatch.unexpected.push(TensorShape { name, shape });
        }
    }
    if !mismatch.is_empty() {
        return Err(WeightsError::Mismatch {
            path: file.path().to_owned(),
            network: network.to_string(),
            mismatch: Box::new(mismatch),
        });
    }
    for ours in &fixed {
        let Some((entry, theirs)) = (file.entries().get(&ours.name)).zip(file.f32(&ours.name))
        else {
            continue;
        };
        let allowed = position_tolerance(entry.dtype);
        let difference = (network.position_values(ours).iter().zip(&theirs))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, largest);
        if difference.is_nan() || difference > allowed {
            return Err(WeightsError::Positions {
                path: file.path().to_owned(),
                name: ours.name.clone(),
                difference,
                allowed,
            });
        }
    }
    Ok(())
}

/// The larger, or what is no number.
fn largest(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

/// Writes the tensors of a file that an arena has into it.
pub(super) fn fill(gpu: &Gpu, file: &WeightsFile, parameters: &Arena) -> Result<(), WeightsError> {
    for entry in parameters.layout().entries() {
        if let Some(values) = file.f32(&entry.name) {
            gpu.write(
                &parameters.slice(entry.range()),
                bytemuck::cast_slice(&values),
            )?;
        }
    }
    Ok(())
}
