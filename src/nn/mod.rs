//! Layers, networks, initialisation: what agents are built of.

pub mod init;
mod layout;
mod networks;
mod position;
mod scope;

pub use layout::{Init, ParameterLayout};
pub use networks::{Actor, Critic, Decoder, Encoder, NetworkShape, Trunk};
pub use position::{FirstCoordinate, Interpolation, PositionGrid};
pub use scope::Scope;
