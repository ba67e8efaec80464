//! Native worlds: physics in Rust, pictures by a WGSL ray caster.
