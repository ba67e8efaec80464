//! Masked autoencoders trained on images: MAE, and MultiMAE with saliency (SPEC.md B).

mod config;
pub mod features;
mod images;
mod learner;
mod measure;
pub mod probe;
mod reconstructor;
pub mod ridge;
mod sheet;
mod trainer;

pub use config::{PretrainConfig, PretrainLayers};
pub use images::{Images, UploadedImages};
pub use learner::{Pictures, PretrainLearner};
pub use measure::{CrossModal, Errors, cross_modal_patches, measure};
pub use reconstructor::{Reconstructor, Restoration, Visible};
pub use sheet::{SheetSize, cross_modal_sheet, sheet};
pub use trainer::{PretrainTrainer, is_finished};

pub use crate::nn::Method;
