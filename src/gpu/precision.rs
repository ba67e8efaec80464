//! In which precision products are computed.

/// How products, convolutions and attention hold their operands while they multiply.
/// Everything in memory, and every sum, is f32 either way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16 (11 significant bits; below 6·10⁻⁵ in magnitude fewer, beyond 65,504
    /// clamped), where two fit into one register.
    F16,
}

impl Precision {
    /// Every accepted name.
    pub const NAMES: &'static [&'static str] = &["f32", "f16"];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        }
    }
}
