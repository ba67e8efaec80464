//! Layers, networks, initialisation: what agents are built of.

mod auxiliary;
pub mod init;
mod layout;
mod mae;
mod method;
mod multimae;
mod networks;
mod optimiser;
mod patches;
mod position;
mod scope;
mod transformer;

pub use auxiliary::{InverseDynamics, SodaNetwork};
pub use layout::{Init, ParameterLayout};
pub use mae::{Mae, MaeShape};
pub use method::{Method, SaliencyLoss, UnknownMethod};
pub use multimae::{Modality, MultiMae, MultiMaeShape, Reconstruction, Task};
pub use networks::{Actor, Critic, Decoder, Encoder, NetworkShape, Trunk, ValueHead};
pub use optimiser::Optimiser;
pub use patches::{PatchLoss, PixelOrder, patchify, unpatchify};
pub use position::{FirstCoordinate, Interpolation, PositionGrid};
pub use scope::Scope;
pub use transformer::{Block, CrossAttention, Mlp};
