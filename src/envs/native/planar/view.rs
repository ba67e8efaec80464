//! The side view of mechanisms of half a metre that hang or stand over a strip of floor.

use super::super::palette::Palette;
use super::super::scene::{Camera, Ground};

/// From the front and above, the plane of the mechanism across the picture.
pub(in super::super) fn camera() -> Camera {
    Camera::look_at([0.0, -1.0, 0.8], [0.0, 0.0, 0.3], 45.0)
}

/// The strip under it, at height 0.
pub(in super::super) fn ground(palette: &Palette) -> Ground {
    Ground {
        height: 0.0,
        half: [0.6, 0.2],
        field: 0.3,
        colours: palette.floor,
    }
}
