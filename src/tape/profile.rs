//! Where a program's time goes: how long each dispatch took, and what it had to do.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Program, Tape, TapeError};
use crate::gpu::{Gpu, Timestamps};
use crate::ops::Cost;

/// Work by which a device's timestamps are judged lasts at least so long: long beside
/// what a submission costs.
const TRIAL: Duration = Duration::from_millis(10);
/// Side of the matrices of that work, and most products of them.
const TRIAL_SIDE: usize = 256;
const MOST_PRODUCTS: usize = 1 << 14;
/// Trials before timestamps are given up: on a busy machine the wall clock runs on.
const TRIALS: usize = 3;
/// Share of the wall-clock time of a trial that its timestamps may cover. Less: they
/// say when work was queued, or nothing at all. More: they tick at another rate.
const CREDIBLE: std::ops::RangeInclusive<f64> = 0.5..=1.05;

/// What times the dispatches of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Timestamps that the device writes around each dispatch; all are submitted at once.
    Timestamps,
    /// Wall clock: each dispatch is submitted alone and waited for, which costs time
    /// that is counted with it.
    WallClock,
}

impl Timer {
    /// Timestamps where the device has them and they hold in a trial against the wall
    /// clock (tens of milliseconds of matrix products), else the wall clock. Some
    /// drivers write zeros, or the time at which work was queued.
    pub fn choose(gpu: &Gpu) -> Result<Timer, TapeError> {
        if !gpu.capabilities().timestamps {
            return Ok(Timer::WallClock);
        }
        for _ in 0..TRIALS {
            let (stamped, wall) = trial(gpu)?;
            if credible(stamped, wall) {
                return Ok(Timer::Timestamps);
            }
        }
        Ok(Timer::WallClock)
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::Timestamps => "GPU timestamps",
            Timer::WallClock => "wall clock",
        })
    }
}

/// Whether work that kept the device busy for `wall` can have taken `stamped`.
fn credible(stamped: Duration, wall: Duration) -> bool {
    CREDIBLE.contains(&(stamped.as_secs_f64() / wall.as_secs_f64()))
}

/// How long matrix products took by timestamps, and by the wall clock.
fn trial(gpu: &Gpu) -> Result<(Duration, Duration), TapeError> {
    let tape = Tape::new();
    let x = tape.full(&[TRIAL_SIDE, TRIAL_SIDE], 0.5);
    tape.output("product", &x.matmul(&x)?);
    let program = tape.compile(gpu)?;
    let timestamps = Timestamps::new(gpu, 1)?;
    // Drivers finish compiling a kernel when it first runs.
    program.run()?;
    gpu.wait()?;
    let mut products = 1;
    loop {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("trial of timestamps"),
                timestamp_writes: Some(timestamps.of_pass(0)),
            });
            for step in program.steps.iter().cycle().take(products) {
                step.record(&mut pass);
            }
        }
        timestamps.resolve(&mut encoder);
        let commands = encoder.finish();
        let started = Instant::now();
        gpu.queue().submit([commands]);
        gpu.wait()?;
        let wall = started.elapsed();
        let passes = timestamps.fetch()?;
        if wall >= TRIAL || products >= MOST_PRODUCTS {
            let stamped = passes
                .first()
                .map_or(Duration::ZERO, |(from, to)| *to - *from);
            return Ok((stamped, wall));
        }
        products *= 4;
    }
}

/// One dispatch of a profiled run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedDispatch {
    /// The operation that it belongs to.
    pub op: &'static str,
    /// The shader permutation.
    pub shader: &'static str,
    /// Workgroups.
    pub groups: [u32; 3],
    pub cost: Cost,
    /// Since the run began.
    pub begin: Duration,
    /// How long it took.
    pub time: Duration,
}

/// One run of a program, dispatch by dispatch, in their order. They do not overlap.
#[derive(Debug, Clone)]
pub struct Profile {
    pub timer: Timer,
    pub dispatches: Vec<TimedDispatch>,
    /// When it was submitted.
    pub started: Instant,
    /// From its submission until the device was done.
    pub wall: Duration,
}

impl Program {
    /// Runs the program once, timing every dispatch, and waits for it. It has the
    /// effects of [`Program::run`] and computes the same bits; but each dispatch waits
    /// for the one before it, which a run need not do where they are independent.
    ///
    /// # Errors
    /// [`GpuError::NoTimestamps`](crate::gpu::GpuError::NoTimestamps) for timestamps on
    /// a device without; see [`Timer::choose`].
    pub fn profile(&self, timer: Timer) -> Result<Profile, TapeError> {
        self.gpu().check_lost()?;
        let (started, times) = match timer {
            Timer::Timestamps if !self.steps.is_empty() => self.times_by_timestamps()?,
            _ => self.times_by_wall_clock()?,
        };
        let wall = started.elapsed();
        let dispatches = (self.steps.iter().zip(times))
            .map(|(step, (begin, end))| TimedDispatch {
                op: step.op,
                shader: step.kernel.shader.key,
                groups: step.groups,
                cost: step.cost,
                begin,
                time: end - begin,
            })
            .collect();
        Ok(Profile {
            timer,
            dispatches,
            started,
            wall,
        })
    }

    fn times_by_timestamps(&self) -> Result<(Instant, Vec<(Duration, Duration)>), TapeError> {
        let timestamps = Timestamps::new(self.gpu(), self.steps.len())?;
        let mut encoder = (self.gpu().device()).create_command_encoder(&Default::default());
        for (i, step) in self.steps.iter().enumerate() {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(step.op),
                timestamp_writes: Some(timestamps.of_pass(i)),
            });
            step.record(&mut pass);
        }
        timestamps.resolve(&mut encoder);
        let commands = encoder.finish();
        let started = Instant::now();
        self.gpu().queue().submit([commands]);
        Ok((started, timestamps.fetch()?))
    }

    fn times_by_wall_clock(&self) -> Result<(Instant, Vec<(Duration, Duration)>), TapeError> {
        let started = Instant::now();
        let mut times = vec![];
        for step in &self.steps {
            let begin = started.elapsed();
            let mut encoder = (self.gpu().device()).create_command_encoder(&Default::default());
            step.record(&mut encoder.begin_compute_pass(&Default::default()));
            self.gpu().queue().submit([encoder.finish()]);
            self.gpu().wait()?;
            times.push((begin, started.elapsed()));
        }
        Ok((started, times))
    }
}

/// All dispatches of one operation by one shader permutation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileRow {
    pub op: &'static str,
    pub shader: &'static str,
    pub calls: u64,
    /// Sums over the calls.
    pub time: Duration,
    pub cost: Cost,
}

impl ProfileRow {
    /// Billions of floating-point operations a second; `None` where none are stated, or
    /// no time was seen to pass.
    pub fn gflops(&self) -> Option<f64> {
        rate(self.cost.flops, self.time)
    }

    /// Gigabytes (10⁹) a second between memory and the dispatches; `None` where no time
    /// was seen to pass.
    pub fn gigabytes(&self) -> Option<f64> {
        rate(self.cost.bytes, self.time)
    }
}

/// Billions a second.
fn rate(amount: u64, time: Duration) -> Option<f64> {
    (amount > 0 && !time.is_zero()).then(|| amount as f64 / time.as_nanos() as f64)
}

/// Sums profiles up by operation and shader permutation; what took longest comes first.
pub fn summarise<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Vec<ProfileRow> {
    let mut rows: Vec<ProfileRow> = vec![];
    for d in profiles.into_iter().flat_map(|p| &p.dispatches) {
        let known = (rows.iter()).position(|r| (r.op, r.shader) == (d.op, d.shader));
        let row = known.unwrap_or_else(|| {
            rows.push(ProfileRow {
                op: d.op,
                shader: d.shader,
                calls: 0,
                time: Duration::ZERO,
                cost: Cost::default(),
            });
            rows.len() - 1
        });
        let row = &mut rows[row];
        row.calls += 1;
        row.time += d.time;
        row.cost.flops += d.cost.flops;
        row.cost.bytes += d.cost.bytes;
    }
    rows.sort_by(|a, b| b.time.cmp(&a.time).then(a.shader.cmp(b.shader)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_must_cover_the_work_and_no_more() {
        let wall = Duration::from_millis(12);
        for (microseconds, holds) in [
            (11_700, true),
            (8_000, true),
            // Never written; written when the work was queued; another rate of ticks.
            (0, false),
            (90, false),
            (24_000, false),
        ] {
            let stamped = Duration::from_micros(microseconds);
            assert_eq!(credible(stamped, wall), holds, "{stamped:?}");
        }
    }
}
