//! What the ray caster draws: its CPU twin against known scenes, the shader
//! against the twin, and the layouts that the two share.

mod caster;
mod gpu;
mod shaders;
mod twin;
