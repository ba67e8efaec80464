//! Smooth rewards on distances (SPEC F.1, `tol`).

/// How a reward falls outside its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Falloff {
    /// A bell that is 0.1 at the margin.
    Gaussian,
    /// A parabola that is 0 at the margin and beyond.
    Quadratic,
    /// A line that is 0.5 at the margin, and 0 at twice the margin and beyond.
    Linear,
    /// A hill with long feet that is 0.1 at the margin.
    LongTail,
}

/// 1 while |x| ≤ `bound`; outside it falls with the distance to the bound, in
/// units of `margin` (> 0), as `falloff` says. In [0, 1].
pub fn tolerance(x: f64, bound: f64, margin: f64, falloff: Falloff) -> f64 {
    let distance = (x.abs() - bound).max(0.0) / margin;
    match falloff {
        // exp(−½ (d √(−2 ln 0.1))²) = 0.1^(d²)
        Falloff::Gaussian => (distance * distance * 0.1f64.ln()).exp(),
        Falloff::Quadratic => (1.0 - distance * distance).max(0.0),
        Falloff::Linear => (1.0 - 0.5 * distance).max(0.0),
        Falloff::LongTail => 1.0 / (1.0 + 9.0 * distance * distance),
    }
}
