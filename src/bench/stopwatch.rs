//! Measuring: warm-up apart, then samples of as many runs as can be timed well.

use std::time::{Duration, Instant};

use super::Subject;
use crate::Error;
use crate::gpu::{Gpu, Timestamps};
use crate::tape::{Program, Timer};

/// Runs in one submission: more make command buffers that drivers dislike.
const MOST_RUNS: usize = 4096;
/// Samples of work that is so slow that its budget allows fewer.
const LEAST_SAMPLES: usize = 2;

/// How much time measuring may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// A sample is of as many runs as take at least so long.
    pub sample: Duration,
    /// Samples, 1 or more.
    pub samples: usize,
    /// Fewer samples (but two) are taken of work that would take longer than this for all.
    pub budget: Duration,
}

impl Effort {
    /// For numbers that are published.
    pub const FULL: Effort = Effort {
        sample: Duration::from_millis(20),
        samples: 7,
        budget: Duration::from_secs(4),
    };
    /// For a first impression.
    pub const QUICK: Effort = Effort {
        sample: Duration::from_millis(5),
        samples: 3,
        budget: Duration::from_secs(1),
    };
}

/// Times of one run each, in ascending order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Sorts them; without any, one of no time.
    pub fn new(mut times: Vec<Duration>) -> Samples {
        if times.is_empty() {
            times.push(Duration::ZERO);
        }
        times.sort_unstable();
        Samples(times)
    }

    /// The one in the middle, or the mean of the two there.
    pub fn median(&self) -> Duration {
        let n = self.0.len();
        (self.0[(n - 1) / 2] + self.0[n / 2]) / 2
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        self.0[0]
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.0[self.0.len() - 1]
    }
}

/// What a submission took.
struct Lap {
    /// By the stopwatch's timer.
    time: Duration,
    /// From its submission until the device was done.
    wall: Duration,
}

/// Times work on a device.
#[derive(Debug)]
pub struct Stopwatch {
    gpu: Gpu,
    timer: Timer,
    stamps: Option<Timestamps>,
}

impl Stopwatch {
    /// With timestamps where they can be trusted ([`Timer::choose`]), else the wall clock.
    pub fn new(gpu: &Gpu) -> Result<Stopwatch, Error> {
        Stopwatch::with(gpu, Timer::choose(gpu)?)
    }

    /// With this timer.
    ///
    /// # Errors
    /// [`GpuError::NoTimestamps`](crate::gpu::GpuError::NoTimestamps) where the device
    /// has none and they are asked for.
    pub fn with(gpu: &Gpu, timer: Timer) -> Result<Stopwatch, Error> {
        let stamps = match timer {
            Timer::Timestamps => Some(Timestamps::new(gpu, 1)?),
            Timer::WallClock => None,
        };
        Ok(Stopwatch {
            gpu: gpu.clone(),
            timer,
            stamps,
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// What times this subject: one that submits by itself has the wall clock's time.
    pub fn timer_of(&self, subject: &Subject) -> Timer {
        match subject.can_be_stamped() {
            true => self.timer,
            false => Timer::WallClock,
        }
    }

    /// How long `runs` runs take, one after the other.
    pub fn time(&self, subject: &Subject, runs: u64) -> Result<Duration, Error> {
        let (mut left, mut time) = (runs, Duration::ZERO);
        while left > 0 {
            let part = left.min(MOST_RUNS as u64);
            time += self.lap(subject, part as usize)?.time;
            left -= part;
        }
        Ok(time)
    }

    /// Times of one run, after runs that are not counted: drivers finish compiling
    /// kernels when they first run.
    pub fn samples(&self, subject: &Subject, effort: Effort) -> Result<Samples, Error> {
        let mut wall = self.lap(subject, 1)?.wall;
        // What is as slow as that was not slow for being compiled.
        if wall < effort.budget / 4 {
            wall = self.lap(subject, 1)?.wall;
        }
        let mut runs = 1;
        // A submission costs time too: the more runs share it the better is the estimate.
        while wall < effort.sample && runs < MOST_RUNS {
            let share = effort.sample.as_secs_f64() / wall.as_secs_f64().max(1e-9);
            runs = (runs as f64 * share.clamp(1.5, 16.0)).ceil() as usize;
            runs = runs.min(MOST_RUNS);
            wall = self.lap(subject, runs)?.wall;
        }
        let affordable = (effort.budget.as_secs_f64() / wall.as_secs_f64().max(1e-9)) as usize;
        let samples = effort.samples.min(affordable.max(LEAST_SAMPLES)).max(1);
        let times = (0..samples)
            .map(|_| Ok(self.lap(subject, runs)?.time / runs as u32))
            .collect::<Result<_, Error>>()?;
        Ok(Samples::new(times))
    }

    /// One submission (as far as the subject lets itself be submitted in one).
    fn lap(&self, subject: &Subject, runs: usize) -> Result<Lap, Error> {
        if let Some(program) = subject.recorded() {
            let wall = recording(program, runs);
            let dispatches = program.dispatches().len().max(1) as u32;
            return Ok(Lap {
                time: wall / dispatches,
                wall,
            });
        }
        let started = subject.submit(&self.gpu, runs, self.stamps.as_ref())?;
        self.gpu.wait()?;
        let wall = started.elapsed();
        let time = match &self.stamps {
            Some(stamps) if subject.can_be_stamped() => {
                let passes = stamps.fetch()?;
                passes
                    .first()
                    .map_or(Duration::ZERO, |(from, to)| *to - *from)
            }
            _ => wall,
        };
        Ok(Lap { time, wall })
    }
}

/// What the host needs to record a program `runs` times, each into a command buffer of
/// its own, which is finished but not submitted.
fn recording(program: &Program, runs: usize) -> Duration {
    let device = program.gpu().device();
    let once = |_| {
        let started = Instant::now();
        let mut encoder = device.create_command_encoder(&Default::default());
        program.encode(&mut encoder);
        let commands = encoder.finish();
        let time = started.elapsed();
        drop(commands);
        time
    };
    (0..runs).map(once).sum()
}
