//! Timestamps: when the device began and ended stretches of its work, each a compute
//! pass of its own (that much every device with timestamps can do).

use std::time::Duration;

use super::{BufferRange, Gpu, GpuError, Readback};

/// Queries that one set may hold (WebGPU's limit): begin and end of 2,048 passes.
const QUERIES_PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;

/// Queries for the begin and the end of a number of passes.
#[derive(Debug)]
pub(crate) struct Timestamps {
    passes: usize,
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    readback: Readback,
    /// Nanoseconds of a tick.
    period: f64,
}

impl Timestamps {
    /// For `passes` passes, at least one.
    ///
    /// # Errors
    /// [`GpuError::NoTimestamps`] where the device has none; [`GpuError::Rejected`],
    /// [`GpuError::OutOfMemory`].
    pub fn new(gpu: &Gpu, passes: usize) -> Result<Timestamps, GpuError> {
        if !gpu.capabilities().timestamps {
            return Err(GpuError::NoTimestamps {
                adapter: gpu.info().name.clone(),
            });
        }
        let queries = 2 * passes;
        let sets = (0..queries)
            .step_by(QUERIES_PER_SET)
            .map(|first| {
                gpu.guarded("timestamps", || {
                    gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                        label: Some("timestamps"),
                        ty: wgpu::QueryType::Timestamp,
                        count: (queries - first).min(QUERIES_PER_SET) as u32,
                    })
                })
            })
            .collect::<Result<_, _>>()?;
        let bytes = 8 * queries as u64;
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        Ok(Timestamps {
            passes,
            sets,
            resolved: gpu.create("timestamps", bytes, usage)?,
            readback: Readback::new(gpu, bytes)?,
            period: f64::from(gpu.queue().get_timestamp_period()),
        })
    }

    /// What the pass `index` writes.
    pub fn of_pass(&self, index: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = (2 * index % QUERIES_PER_SET) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[2 * index / QUERIES_PER_SET],
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Records that all timestamps be made readable; after the last pass.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut offset = 0;
        for set in &self.sets {
            encoder.resolve_query_set(set, 0..set.count(), &self.resolved, offset);
            offset += 8 * u64::from(set.count());
        }
        self.readback
            .record(encoder, &[BufferRange::whole(&self.resolved)]);
    }

    /// Waits for what was recorded and submitted: begin and end of every pass, since
    /// the begin of the first. A pass does not begin before the one before it has
    /// ended, nor end before it began, whatever the device says.
    pub fn fetch(&self) -> Result<Vec<(Duration, Duration)>, GpuError> {
        let bytes = pollster::block_on(self.readback.fetch(self.resolved.size()))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(since_first(&ticks[..2 * self.passes], self.period))
    }
}

/// Begins and ends in ticks of `period` nanoseconds → pairs since the first begin,
/// in order and apart.
fn since_first(ticks: &[u64], period: f64) -> Vec<(Duration, Duration)> {
    let origin = ticks.first().copied().unwrap_or(0);
    let mut last = Duration::ZERO;
    let mut next = |tick: u64| {
        let nanoseconds = tick.saturating_sub(origin) as f64 * period;
        last = last.max(Duration::from_nanos(nanoseconds as u64));
        last
    };
    (ticks.chunks_exact(2))
        .map(|pair| (next(pair[0]), next(pair[1])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes that overlap share no time, ticks that went back or were never written
    /// take none, and ticks become nanoseconds.
    #[test]
    fn passes_are_in_order_and_apart() {
        let ticks = [100, 110, 108, 120, 130, 125, 0, 0, 140, 150];
        let expected = [(0, 20), (20, 40), (60, 60), (60, 60), (80, 100)];
        let nanoseconds = |(a, b): (Duration, Duration)| (a.as_nanos(), b.as_nanos());
        let given: Vec<_> = since_first(&ticks, 2.0)
            .into_iter()
            .map(nanoseconds)
            .collect();
        assert_eq!(given, expected);
        assert!(since_first(&[], 1.0).is_empty());
    }
}
