//! What the ray caster draws: its CPU twin against known scenes, the shader
//! against the twin, the layouts that the two share, and environments whose
//! frames it draws.

mod caster;
#[path = "../common/mod.rs"]
mod common;
mod environment;
mod gpu;
mod shaders;
mod twin;
