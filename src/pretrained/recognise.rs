//! The encoder that a file holds: its sizes, by shapes, names and texts.

use std::collections::BTreeSet;

use super::file::WeightsFile;
use super::{Architecture, WeightsError};
use crate::nn::{MaeShape, Method, MultiMaeShape};

/// Width of a head in every released model.
const HEAD_WIDTH: usize = 64;
/// The widest head that attention computes.
const WIDEST_HEAD: usize = 128;
/// Sizes end here, far beyond any model: what a file or a user says of them is used before
/// there is a tensor that bears it out.
const LARGEST_SIDE: usize = 4096;
const MOST_PATCHES_ACROSS: usize = 256;
const WIDEST_TOKEN: usize = 1 << 16;
/// Patch embeddings of RGB: no file is without.
const MAE_PATCHES: &str = "patch_embed.proj.weight";
const MULTIMAE_PATCHES: &str = "input_adapters.rgb.proj.weight";

/// What a file may not tell of its encoder. What is given here counts, whatever the file
/// says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Of the attentions: each gets a multiple of 4 elements of a token, at most 128.
    pub heads: Option<usize>,
    /// Side of the images in pixels, a multiple of the patches' and at most 4096, in at most
    /// 256 patches. A MultiMAE takes any; an MAE's is that of its position embeddings.
    pub image_size: Option<usize>,
}

/// What a file holds the weights of, by the names of the tensors.
pub(super) fn method(file: &WeightsFile) -> Option<Method> {
    let any = |starts: &[&str]| {
        let mut names = file.entries().keys();
        names.any(|name| starts.iter().any(|start| name.starts_with(start)))
    };
    if any(&["input_adapters.", "encoder.", "global_tokens"]) {
        Some(Method::MultiMae)
    } else if any(&["patch_embed.", "blocks.", "cls_token"]) {
        Some(Method::Mae)
    } else {
        None
    }
}

/// A text that is a number.
pub(super) fn number(file: &WeightsFile, key: &'static str) -> Result<Option<usize>, WeightsError> {
    let Some(text) = file.text(key) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(WeightsError::Metadata {
            path: file.path().to_owned(),
            key,
            value: text.to_string(),
        }),
    }
}

/// The encoder in a file. Whether all of its tensors are there is not looked at.
///
/// # Errors
/// [`WeightsError::Unrecognised`], [`WeightsError::Heads`], [`WeightsError::ImageSize`],
/// [`WeightsError::Sizes`], [`WeightsError::Metadata`].
pub(super) fn recognise(
    file: &WeightsFile,
    options: &EncoderOptions,
) -> Result<Architecture, WeightsError> {
    if let Some([dim, patch]) = patches(file, MULTIMAE_PATCHES) {
        let visarl = MultiMaeShape::visarl();
        let saliency = |name: &String| name.starts_with("input_adapters.saliency.");
        let modalities = 1 + usize::from(file.entries().keys().any(saliency));
        let grid = match shape(file, "input_adapters.rgb.pos_emb") {
            Some(&[_, _, rows, columns]) if rows == columns && rows > 0 => Some(rows),
            _ => None,
        };
        let side = image_size(file, options, patch, grid)?;
        Ok(Architecture::MultiMae(MultiMaeShape {
            height: side,
            width: side,
            patch,
            position_grid: grid.unwrap_or(visarl.position_grid),
            dim,
            decoder_dim: 0,
            depth: depth(file, "encoder."),
            decoder_depth: 0,
            heads: heads(file, options, dim)?,
            decoder_heads: 0,
            modalities: visarl.modalities.into_iter().take(modalities).collect(),
            tasks: vec![],
        }))
    } else if let Some([dim, patch]) = patches(file, MAE_PATCHES) {
        let grid = match shape(file, "pos_embed") {
            // The class token's is the first.
            Some(&[_, tokens, _]) if tokens > 1 => {
                let side = (tokens - 1).isqrt();
                (side * side == tokens - 1).then_some(side)
            }
            _ => None,
        };
        let side = image_size(file, options, patch, grid)?;
        Ok(Architecture::Mae(MaeShape {
            height: side,
            width: side,
            channels: 3,
            patch,
            dim,
            decoder_dim: 0,
            depth: depth(file, "blocks."),
            decoder_depth: 0,
            heads: heads(file, options, dim)?,
            decoder_heads: 0,
        }))
    } else {
        let names: Vec<&str> = file.entries().keys().map(String::as_str).collect();
        Err(WeightsError::Unrecognised {
            path: file.path().to_owned(),
            found: match names.is_empty() {
                true => "none".to_string(),
                false => names.join(", "),
            },
        })
    }
}

fn shape<'a>(file: &'a WeightsFile, name: &str) -> Option<&'a [usize]> {
    Some(&file.entries().get(name)?.shape)
}

/// Width of a token and side of a patch, by the shape of a patch embedding.
fn patches(file: &WeightsFile, name: &str) -> Option<[usize; 2]> {
    match *shape(file, name)? {
        // What has no elements may claim any size.
        [dim, channels, patch, across] if ![dim, channels, patch, across].contains(&0) => {
            Some([dim, patch])
        }
        _ => None,
    }
}

/// One more than the highest number of a block, at least 1, but no more than there are
/// tensors.
fn depth(file: &WeightsFile, prefix: &str) -> usize {
    let number = |name: &String| -> Option<usize> {
        let (digits, _) = name.strip_prefix(prefix)?.split_once('.')?;
        digits.parse().ok()
    };
    let numbers: BTreeSet<usize> = file.entries().keys().filter_map(number).collect();
    let last = numbers.last().map_or(1, |&last| last.saturating_add(1));
    last.min(file.entries().len())
}

fn image_size(
    file: &WeightsFile,
    options: &EncoderOptions,
    patch: usize,
    grid: Option<usize>,
) -> Result<usize, WeightsError> {
    let path = || file.path().to_owned();
    let told = number(file, "image_size")?;
    let of_positions = grid.map(|cells| cells.saturating_mul(patch));
    let Some(side) = options.image_size.or(told).or(of_positions) else {
        return Err(WeightsError::ImageSize { path: path() });
    };
    let largest = LARGEST_SIDE.min(MOST_PATCHES_ACROSS.saturating_mul(patch));
    match side > 0 && side.is_multiple_of(patch) && side <= largest {
        true => Ok(side),
        false => Err(WeightsError::Sizes {
            path: path(),
            what: format!(
                "image_size is {side}; it must be a multiple of the patches' {patch}, at most {largest}"
            ),
        }),
    }
}

fn heads(file: &WeightsFile, options: &EncoderOptions, dim: usize) -> Result<usize, WeightsError> {
    let path = || file.path().to_owned();
    if dim > WIDEST_TOKEN {
        return Err(WeightsError::Sizes {
            path: path(),
            what: format!("tokens are {dim} wide; they may be at most {WIDEST_TOKEN}"),
        });
    }
    let usual = dim.is_multiple_of(HEAD_WIDTH).then_some(dim / HEAD_WIDTH);
    let told = number(file, "heads")?;
    let Some(heads) = options.heads.or(told).or(usual) else {
        return Err(WeightsError::Heads { path: path(), dim });
    };
    let fits = heads > 0 && dim.is_multiple_of(heads.saturating_mul(4));
    match fits && dim / heads <= WIDEST_HEAD {
        true => Ok(heads),
        false => Err(WeightsError::Sizes {
            path: path(),
            what: format!(
                "heads is {heads}; tokens of width {dim} must give each head 4, 8, 12, … {WIDEST_HEAD} elements"
            ),
        }),
    }
}
