//! How a test says that it finds nothing to test here.

use std::io::Write;

/// Says why a test is passed over, under its name, which is its thread's. Past the harness,
/// which keeps to itself what tests that pass print: `scripts/test.sh` counts these tests.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // On a line of its own, also where the harness has begun one.
    let _ = writeln!(std::io::stderr(), "\nskipped: {name}: {why}");
}

/// The same of a test of real suites. Where `make real-envs` has just succeeded that is a
/// failure (`.ci/run` says so).
#[allow(dead_code)]
pub fn skipped_suite(why: &str) {
    let required = std::env::var_os("FOVEATE_REQUIRE_REAL_ENVS").is_some();
    assert!(!required, "the real environments are there, and yet: {why}");
    skipped(why);
}
