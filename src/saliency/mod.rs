//! Where a network looks: which pixels a value depends on, which of them matter most,
//! and what stands in place of the others.
//!
//! Everything here is recorded on a tape like any other value, so a loss may be made of
//! it; nothing here knows an algorithm.

mod attribution;
mod filling;
mod mask;

pub use attribution::attribution;
pub use filling::uniform_grey;
pub use mask::QuantileMask;
