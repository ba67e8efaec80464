//! Masked autoencoders trained on images: MAE, and MultiMAE with saliency (SPEC.md B).

mod config;
mod images;
mod learner;
mod reconstructor;
mod sheet;
mod trainer;

pub use config::{Method, PretrainConfig, PretrainLayers};
pub use images::{Images, UploadedImages};
pub use learner::{Pictures, PretrainLearner};
pub use reconstructor::{Reconstructor, Restoration, Visible};
pub use sheet::sheet;
pub use trainer::PretrainTrainer;
