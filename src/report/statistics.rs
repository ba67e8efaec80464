//! Means and deviations, and who leads.

/// Mean of values; none of none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard deviation of a sample (divided by n − 1); none of fewer than two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// How far the best is ahead of the second best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    /// Which value is the best: of several that are equal the first.
    pub best: usize,
    /// Best − second best, ≥ 0.
    pub by: f64,
    /// The same in per cent of the second best, where that is above 0.
    pub percent: Option<f64>,
}

/// The lead among `values`; none of fewer than two.
pub fn lead(values: &[f64]) -> Option<Lead> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    // Stable: of equals the first stays first.
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(best, first), (_, second), ..] = order[..] else {
        return None;
    };
    let by = first - second;
    Some(Lead {
        best,
        by,
        percent: (second > 0.0).then(|| 100.0 * by / second),
    })
}
