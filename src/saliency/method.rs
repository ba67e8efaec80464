//! The ways to credit pixels with a value (SPEC.md E).

use super::{Occlusion, Rise};

/// How pixels are credited with the value of an action.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Method {
    /// Guided backpropagation, what SGQN trains with (SPEC.md E.2).
    #[default]
    Guided,
    /// The plain gradient (E.1).
    Gradient,
    /// Guided backpropagation where Grad-CAM of the last convolution is (E.3).
    GuidedGradCam,
    /// What covering a window of the picture changes (E.4).
    Occlusion(Occlusion),
    /// What random masks leave of the value, from RISE (E.5).
    Rise(Rise),
}

impl Method {
    /// Its name as a word: `guided`, `guided-gradcam`.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Guided => "guided",
            Method::Gradient => "gradient",
            Method::GuidedGradCam => "guided-gradcam",
            Method::Occlusion(_) => "occlusion",
            Method::Rise(_) => "rise",
        }
    }

    /// Its name for people.
    pub fn title(&self) -> &'static str {
        match self {
            Method::Guided => "guided backprop",
            Method::Gradient => "gradient",
            Method::GuidedGradCam => "guided Grad-CAM",
            Method::Occlusion(_) => "occlusion",
            Method::Rise(_) => "RISE",
        }
    }

    /// Its options as a person would give them, such as `window 8×8, stride 4×4`; empty
    /// where there are none.
    pub fn options(&self) -> String {
        match self {
            Method::Occlusion(occlusion) => occlusion.to_string(),
            Method::Rise(rise) => rise.to_string(),
            _ => String::new(),
        }
    }

    /// Whether it asks the network about many changed pictures, and for no gradient.
    pub fn is_black_box(&self) -> bool {
        matches!(self, Method::Occlusion(_) | Method::Rise(_))
    }
}
