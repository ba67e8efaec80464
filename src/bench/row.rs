//! A result: how long, how fast, and how much of what the device can do.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Ceilings, Effort, Samples, Stopwatch, Subject, Work};
use crate::Error;
use crate::tape::{Cost, Timer};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// A result.
    Forward,
    /// Gradients, with what of the forward pass they cannot do without.
    Backward,
    /// New state: an optimiser's step, a whole update, worlds stepped and drawn.
    Step,
    /// Nothing that anybody needs: what the device can do at most.
    Ceiling,
}

impl Pass {
    /// `forward`, `backward`, `step` or `ceiling`.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::Backward => "backward",
            Pass::Step => "step",
            Pass::Ceiling => "ceiling",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Work in a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Billions of floating-point operations a second, a multiply-add counting two.
    Gflops(f64),
    /// Gigabytes (10⁹) a second, read and written.
    Gbps(f64),
    /// Frames drawn a second.
    Frames(f64),
}

impl Rate {
    /// Floating-point operations where the cost states any, else bytes. `None` without
    /// either, or where no time was seen to pass.
    pub fn of(cost: Cost, time: Duration) -> Option<Rate> {
        // Billions a second are units a nanosecond.
        let nanoseconds = time.as_secs_f64() * 1e9;
        match (nanoseconds > 0.0, cost.flops, cost.bytes) {
            (false, ..) | (true, 0, 0) => None,
            (true, 0, bytes) => Some(Rate::Gbps(bytes as f64 / nanoseconds)),
            (true, flops, _) => Some(Rate::Gflops(flops as f64 / nanoseconds)),
        }
    }

    /// So many frames in a time. `None` where no time was seen to pass.
    pub fn of_frames(count: usize, time: Duration) -> Option<Rate> {
        let seconds = time.as_secs_f64();
        (seconds > 0.0).then(|| Rate::Frames(count as f64 / seconds))
    }

    /// Per cent of the ceiling of its kind, if that has one. It may exceed 100: what fits
    /// into a cache is not bound by memory.
    pub fn percent(self, ceilings: &Ceilings) -> Option<f64> {
        let part = match self {
            Rate::Gflops(rate) => rate / ceilings.gflops,
            Rate::Gbps(rate) => rate / ceilings.gbps,
            Rate::Frames(_) => return None,
        };
        Some(100.0 * part)
    }
}

/// One line of the bench. As JSON it has the keys `name`, `shape`, `pass`, `variant`,
/// `dispatches`, `median_ms`, `min_ms`, `max_ms`, `gflops`, `gbps`, `frames_per_second`
/// (one of them not null, or none), `percent_of_ceiling` and `timer`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: String,
    pub shape: String,
    pub pass: Pass,
    /// The shader permutation that has most to do.
    pub variant: String,
    /// Dispatches of one run.
    pub dispatches: usize,
    /// Times of one run.
    pub samples: Samples,
    /// At the median; ceilings: at the minimum.
    pub rate: Option<Rate>,
    /// Of the device's ceiling for this kind of rate.
    pub percent_of_ceiling: Option<f64>,
    pub timer: Timer,
}

impl Row {
    /// Prepares a work and measures it.
    pub fn measure(
        work: &Work,
        stopwatch: &Stopwatch,
        ceilings: &Ceilings,
        effort: Effort,
    ) -> Result<Row, Error> {
        let subject = work.prepare(stopwatch.gpu())?;
        let samples = stopwatch.samples(&subject, effort)?;
        let timer = stopwatch.timer_of(&subject);
        Ok(Row::new(work, &subject, samples, timer, ceilings))
    }

    /// What was measured of a work.
    pub fn new(
        work: &Work,
        subject: &Subject,
        samples: Samples,
        timer: Timer,
        ceilings: &Ceilings,
    ) -> Row {
        let time = samples.median();
        let rate = match subject.frames() {
            Some(count) => Rate::of_frames(count, time),
            None => Rate::of(subject.cost(), time),
        };
        Row {
            name: work.name.to_string(),
            shape: work.shape.clone(),
            pass: work.pass,
            variant: subject.variant().to_string(),
            dispatches: subject.dispatches(),
            samples,
            rate,
            percent_of_ceiling: rate.and_then(|r| r.percent(ceilings)),
            timer,
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let (gflops, gbps, frames) = match self.rate {
            Some(Rate::Gflops(rate)) => (Some(rate), None, None),
            Some(Rate::Gbps(rate)) => (None, Some(rate), None),
            Some(Rate::Frames(rate)) => (None, None, Some(rate)),
            None => (None, None, None),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("shape", &self.shape)?;
        map.serialize_entry("pass", self.pass.name())?;
        map.serialize_entry("variant", &self.variant)?;
        map.serialize_entry("dispatches", &self.dispatches)?;
        map.serialize_entry("median_ms", &milliseconds(self.samples.median()))?;
        map.serialize_entry("min_ms", &milliseconds(self.samples.min()))?;
        map.serialize_entry("max_ms", &milliseconds(self.samples.max()))?;
        map.serialize_entry("gflops", &gflops)?;
        map.serialize_entry("gbps", &gbps)?;
        map.serialize_entry("frames_per_second", &frames)?;
        map.serialize_entry("percent_of_ceiling", &self.percent_of_ceiling)?;
        map.serialize_entry("timer", &self.timer.to_string())?;
        map.end()
    }
}
