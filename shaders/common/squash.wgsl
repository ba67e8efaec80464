// The change of variables a = tanh(u) in a log-density (SAC; SPEC.md A.1): the
// density is divided by relu(1 - a^2) + 1e-6 per action dimension.

const SQUASH_FLOOR = 1e-6;

// ln(relu(1 - a^2) + floor), to subtract from the log-density.
fn squash_log_slope(a: f32) -> f32 {
    return log(max(1.0 - a * a, 0.0) + SQUASH_FLOOR);
}

// The gradient of the pre-squash u, given those of a and of the log-density.
// Exactly 0 where a has been rounded to 1 or -1.
fn squash_gradient(a: f32, g_a: f32, g_log_prob: f32) -> f32 {
    let slope = max(1.0 - a * a, 0.0);
    return slope * (g_a + g_log_prob * 2.0 * a / (slope + SQUASH_FLOOR));
}
