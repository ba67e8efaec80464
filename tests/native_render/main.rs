//! What the ray caster draws: its CPU twin against known scenes, the shader
//! against the twin and against itself without bounds, the layouts that the two share, and environments whose
//! frames it draws.

mod bounds;
mod caster;
#[path = "../common/mod.rs"]
mod common;
mod environment;
mod gpu;
mod shaders;
mod twin;
