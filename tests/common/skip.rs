//! How a test says that it finds nothing to test here.

use std::io::Write;

/// Says why a test is passed over. Past the harness, which keeps to itself what tests that
/// pass print: `scripts/test.sh` counts these lines.
pub fn skipped(why: &str) {
    // On a line of its own, also where the harness has begun one.
    let _ = writeln!(std::io::stderr(), "\nskipped: {why}");
}

/// The same of a test of real suites. Where `make real-envs` has just succeeded that is a
/// failure (`.ci/run` says so).
#[allow(dead_code)]
pub fn skipped_suite(why: &str) {
    let required = std::env::var_os("FOVEATE_REQUIRE_REAL_ENVS").is_some();
    assert!(!required, "the real environments are there, and yet: {why}");
    skipped(why);
}
