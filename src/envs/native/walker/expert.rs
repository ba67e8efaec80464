//! A controller that gets up and stands.

use super::WalkerState;

/// What it looks at.
const SIGNALS: usize = 13;

/// The torques of hip, knee and ankle for each signal. Found by the cross-entropy method
/// (R. Rubinstein, The cross-entropy method, 1999) on the return of `native/walker-stand`
/// at an action repeat of 4, in few rounds: there is much room above it.
const WEIGHTS: [[f64; SIGNALS]; 3] = [
    [
        -1.91, 1.27, 0.01, -0.70, -7.17, -0.31, 1.96, -2.52, -2.55, 0.91, -2.19, -0.70, 0.43,
    ],
    [
        2.80, -0.23, 0.36, 3.78, -2.67, -4.29, 1.59, -0.08, 0.35, -2.07, 0.41, 3.24, -0.44,
    ],
    [
        3.35, 1.24, -0.09, -4.82, -2.85, -3.22, -1.50, 3.97, 2.27, -6.10, 2.11, -0.33, -3.16,
    ],
];

/// Feedback that is linear in lean, height, joints and speeds, each leg's joints taken as
/// the mean of both, and the same torques on both legs.
pub(super) fn standing(state: &WalkerState) -> [f32; 6] {
    let (q, v) = (&state.position, &state.velocity);
    let [hip, knee, ankle] = [3, 4, 5].map(|i| 0.5 * (q[i] + q[i + 3]));
    let speeds = [3, 4, 5].map(|i| 0.05 * (v[i] + v[i + 3]));
    let signals = [
        1.0,
        q[2].sin(),
        q[2].cos(),
        q[0] + 0.1,
        hip - 0.6,
        knee + 1.2,
        ankle,
        0.5 * v[1],
        0.5 * v[0],
        0.2 * v[2],
        speeds[0],
        speeds[1],
        speeds[2],
    ];
    let leg = WEIGHTS.map(|weights| {
        let torque: f64 = weights.iter().zip(signals).map(|(w, s)| w * s).sum();
        torque.clamp(-1.0, 1.0) as f32
    });
    std::array::from_fn(|joint| leg[joint % 3])
}
