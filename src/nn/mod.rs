//! Layers, networks, initialisation: what agents are built of.

pub mod init;
mod layout;
mod multimae;
mod networks;
mod position;
mod scope;
mod transformer;

pub use layout::{Init, ParameterLayout};
pub use multimae::{Modality, MultiMae, MultiMaeShape, PatchLoss, Reconstruction, Task};
pub use networks::{Actor, Critic, Decoder, Encoder, NetworkShape, Trunk};
pub use position::{FirstCoordinate, Interpolation, PositionGrid};
pub use scope::Scope;
pub use transformer::{Block, CrossAttention, Mlp};
