//! Networks whose weights lie in files: which parameters they have, and which fixed
//! tensors stand beside them.

use std::collections::BTreeMap;
use std::fmt;

use crate::nn::{Mae, MaeShape, Method, MultiMae, MultiMaeShape, ParameterLayout};

/// A masked autoencoder, or the encoder of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// Without decoder where its `decoder_depth` is 0.
    Mae(MaeShape),
    /// Without decoders where there are no tasks.
    MultiMae(MultiMaeShape),
}

/// A tensor of a file that is not trained. Its values are not made with it: sizes are
/// first compared, and then believed.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    pub name: String,
    pub shape: Vec<usize>,
    /// Width of the tokens that it belongs to.
    pub dim: usize,
}

impl Architecture {
    /// How it is pretrained.
    pub fn kind(&self) -> Method {
        match self {
            Architecture::Mae(_) => Method::Mae,
            Architecture::MultiMae(_) => Method::MultiMae,
        }
    }

    /// The name of its [kind](Architecture::kind).
    pub fn method(&self) -> &'static str {
        self.kind().name()
    }

    /// Width of the encoder's tokens.
    pub fn dim(&self) -> usize {
        match self {
            Architecture::Mae(shape) => shape.dim,
            Architecture::MultiMae(shape) => shape.dim,
        }
    }

    /// Heads of the encoder's attentions.
    pub fn heads(&self) -> usize {
        match self {
            Architecture::Mae(shape) => shape.heads,
            Architecture::MultiMae(shape) => shape.heads,
        }
    }

    /// Blocks of the encoder.
    pub fn depth(&self) -> usize {
        match self {
            Architecture::Mae(shape) => shape.depth,
            Architecture::MultiMae(shape) => shape.depth,
        }
    }

    /// Side of a patch in pixels.
    pub fn patch(&self) -> usize {
        match self {
            Architecture::Mae(shape) => shape.patch,
            Architecture::MultiMae(shape) => shape.patch,
        }
    }

    /// Side of the images in pixels.
    pub fn image_size(&self) -> usize {
        match self {
            Architecture::Mae(shape) => shape.height,
            Architecture::MultiMae(shape) => shape.height,
        }
    }

    /// Heads of the decoders' attentions, if there are decoders.
    pub fn decoder_heads(&self) -> Option<usize> {
        let heads = match self {
            Architecture::Mae(shape) => shape.decoder_heads,
            Architecture::MultiMae(shape) => shape.decoder_heads,
        };
        self.has_decoders().then_some(heads)
    }

    /// Whether there is more than the encoder.
    pub fn has_decoders(&self) -> bool {
        match self {
            Architecture::Mae(shape) => shape.decoder_depth > 0,
            Architecture::MultiMae(shape) => !shape.tasks.is_empty(),
        }
    }

    /// The encoder alone; what is said of decoders is 0.
    pub fn encoder(&self) -> Architecture {
        match self {
            Architecture::Mae(shape) => Architecture::Mae(MaeShape {
                decoder_dim: 0,
                decoder_depth: 0,
                decoder_heads: 0,
                ..shape.clone()
            }),
            Architecture::MultiMae(shape) => Architecture::MultiMae(MultiMaeShape {
                decoder_dim: 0,
                decoder_depth: 0,
                decoder_heads: 0,
                tasks: vec![],
                ..shape.clone()
            }),
        }
    }

    /// Its parameters under the released names: the encoder's, then the decoders'.
    pub fn layout(&self) -> ParameterLayout {
        let mut layout = ParameterLayout::default();
        match self {
            Architecture::Mae(shape) => {
                Mae::push_encoder(&mut layout, shape);
                if self.has_decoders() {
                    Mae::push_decoder(&mut layout, shape);
                }
            }
            Architecture::MultiMae(shape) => {
                MultiMae::push_encoder(&mut layout, shape);
                MultiMae::push_decoders(&mut layout, shape);
            }
        }
        layout
    }

    /// Whether a tensor of this name belongs to a decoder.
    pub(super) fn is_of_decoder(&self, name: &str) -> bool {
        match self {
            Architecture::Mae(_) => name.starts_with("decoder_") || name == "mask_token",
            Architecture::MultiMae(_) => name.starts_with("output_adapters."),
        }
    }

    /// The fixed position embeddings of encoder and decoders under the released names.
    pub(super) fn positions(&self) -> Vec<Fixed> {
        match self {
            Architecture::Mae(shape) => {
                let mut named = vec![("pos_embed", shape.dim)];
                if self.has_decoders() {
                    named.push(("decoder_pos_embed", shape.decoder_dim));
                }
                let fixed = |(name, dim): (&str, usize)| Fixed {
                    name: name.to_string(),
                    shape: vec![1, shape.patches() + 1, dim],
                    dim,
                };
                named.into_iter().map(fixed).collect()
            }
            Architecture::MultiMae(shape) => {
                let inputs = shape
                    .modalities
                    .iter()
                    .map(|m| ("input", &m.name, shape.dim));
                let outputs = (shape.tasks.iter()).map(|t| ("output", &t.name, shape.decoder_dim));
                let fixed = |(kind, name, dim): (&str, &String, usize)| Fixed {
                    name: format!("{kind}_adapters.{name}.pos_emb"),
                    shape: vec![1, dim, shape.position_grid, shape.position_grid],
                    dim,
                };
                inputs.chain(outputs).map(fixed).collect()
            }
        }
    }

    /// The values of one of [`Architecture::positions`].
    pub(super) fn position_values(&self, fixed: &Fixed) -> Vec<f32> {
        let dim = fixed.dim;
        match self {
            // The class token's is zero.
            Architecture::Mae(shape) => [vec![0.0; dim], shape.positions(dim).to_f32()].concat(),
            Architecture::MultiMae(shape) => transposed(&shape.positions(dim).to_f32(), dim),
        }
    }

    /// What stands in a file's metadata.
    pub(super) fn metadata(&self) -> BTreeMap<&'static str, String> {
        let mut texts = BTreeMap::from([
            ("format", "pt".to_string()),
            ("method", self.method().to_string()),
            ("image_size", self.image_size().to_string()),
            ("heads", self.heads().to_string()),
        ]);
        if let Some(heads) = self.decoder_heads() {
            texts.insert("decoder_heads", heads.to_string());
        }
        texts
    }
}

impl fmt::Display for Architecture {
    /// The kind and its sizes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Architecture::Mae(_) => "an MAE",
            Architecture::MultiMae(_) => "a MultiMAE",
        };
        let part = if self.has_decoders() {
            "of"
        } else {
            "encoder of"
        };
        let side = self.image_size();
        write!(
            f,
            "{kind} {part} width {}, depth {}, {} heads, patches of {} on images of {side}×{side}",
            self.dim(),
            self.depth(),
            self.heads(),
            self.patch(),
        )
    }
}

/// [cells, dim] → [dim, cells].
fn transposed(values: &[f32], dim: usize) -> Vec<f32> {
    (0..dim)
        .flat_map(|d| values.iter().skip(d).step_by(dim).copied())
        .collect()
}
