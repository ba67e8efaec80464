//! The works of `foveate bench` through criterion: `cargo bench -- matmul`.
//!
//! Criterion compares with the run before and keeps the numbers under
//! `target/criterion`; per cent of the device's ceilings are `foveate bench`'s.
//! `FOVEATE_BENCH_PAPER=1` adds the updates at the papers' sizes.

use std::time::Duration;

use criterion::Criterion;
use foveate::bench::{Scale, Stopwatch, works};
use foveate::gpu::{Gpu, GpuOptions};

fn main() -> foveate::Result<()> {
    let gpu = Gpu::new_blocking(GpuOptions::default())?;
    let stopwatch = Stopwatch::new(&gpu)?;
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let paper = std::env::var("FOVEATE_BENCH_PAPER").is_ok_and(|v| v == "1");
    let mut failed = None;
    // By value: what a work holds is freed when it has been measured.
    for work in works::all(Scale::of(&gpu, !paper)) {
        criterion.bench_function(&work.id(), |bencher| {
            // Only called for works that the filter lets through. There is no way out
            // of here with an error but to say that no time passed.
            let subject = work.prepare(&gpu).map_err(|e| failed = Some(e)).ok();
            bencher.iter_custom(|runs| match &subject {
                Some(subject) => stopwatch.time(subject, runs).unwrap_or_else(|e| {
                    failed = Some(e);
                    Duration::ZERO
                }),
                None => Duration::ZERO,
            });
        });
        if let Some(error) = failed.take() {
            return Err(error);
        }
    }
    criterion.final_summary();
    Ok(())
}
