//! Pretrained vision transformers: weights as files under the released names, and the
//! encoders in them, frozen.
//!
//! | file | what it is |
//! |---|---|
//! | `file` | tensors and texts of a safetensors file, read and written |
//! | `architecture` | which network: its parameters, its fixed position embeddings |
//! | `recognise` | the encoder that a file holds, by its tensors and texts |
//! | `fit` | whether a file holds the tensors of a network, and loading them |
//! | `encoder` | [`PretrainedEncoder`] |
//! | `attention` | where its attention goes |
//!
//! A file is safetensors with the names and shapes of the released checkpoints:
//! `facebookresearch/mae` (`cls_token`, `patch_embed.proj.*`, `blocks.{i}.*`, `norm.*`,
//! and, with the decoder, `mask_token`, `decoder_*`) or MultiMAE as EPFL and ViSaRL
//! released it (`input_adapters.{rgb,saliency}.proj.*`, `encoder.{i}.*`, `global_tokens`,
//! and, with the decoders, `output_adapters.{task}.*`). Elements are F32, F16 or BF16;
//! they are written as F32. A file may hold the encoder alone.
//!
//! What the tensors do not tell stands in the file's `__metadata__`:
//!
//! | text | meaning |
//! |---|---|
//! | `method` | `mae` or `multimae` |
//! | `image_size` | side of the images in pixels |
//! | `heads` | of the encoder's attentions |
//! | `decoder_heads` | of the decoders', where there are some |
//!
//! Released files have no such texts. Then heads are 64 wide, and the image size is that
//! of the position embeddings; [`EncoderOptions`] says otherwise. (ViSaRL's embeddings are
//! made for 224×224 and used for 64×64: give its image size.)
//!
//! **Position embeddings** (`pos_embed`, `decoder_pos_embed`, `….pos_emb`) are sines and
//! cosines, never trained. Ours are made anew, and written so that other programs find
//! what they expect. Those of a file are compared with ours: where they differ by more
//! than 1e-4, and what rounding to halves explains, the file is refused: they were trained
//! or made by another formula.

mod architecture;
mod attention;
mod encoder;
mod error;
mod file;
mod fit;
mod recognise;

pub use architecture::Architecture;
pub use attention::{AttentionMaps, AttentionProgram, ImageAttention};
pub use encoder::PretrainedEncoder;
pub use error::{Difference, Mismatch, TensorShape, WeightsError};
pub use fit::{Loaded, fits, load, save};
pub use recognise::EncoderOptions;

pub use crate::nn::Method;
