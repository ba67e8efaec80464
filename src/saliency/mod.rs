//! Where a network looks: which pixels a value depends on, which of them matter most,
//! what stands in place of the others, and how that compares with the truth.
//!
//! What takes one pass is recorded on a tape like any other value, so a loss may be made of
//! it ([`attribution`], [`GradCam`], [`QuantileMask`]); what asks about many changed
//! pictures has programs of its own ([`Questions`]). Nothing here knows an algorithm.

mod attribution;
mod black_box;
mod filling;
mod gradcam;
mod mask;
mod method;
mod occlusion;
mod rise;
mod score;

pub use attribution::attribution;
pub use black_box::{BlackBox, Questions};
pub use filling::uniform_grey;
pub use gradcam::GradCam;
pub use mask::QuantileMask;
pub use method::Method;
pub use occlusion::Occlusion;
pub use rise::Rise;
pub use score::{MeanScore, Score};
