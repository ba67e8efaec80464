//! The ring of watched scalars, and reading it without stopping the device.

use std::sync::mpsc::{Receiver, TryRecvError, channel};

use crate::gpu::{BufferRange, Gpu, GpuError};

/// Rows that the ring keeps; older ones are overwritten.
pub(crate) const RING_ROWS: usize = 256;

/// The watched scalars of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedRow {
    /// Runs of this program before this one.
    pub run: u32,
    /// One for each name of [`Program::watched`](super::Program::watched).
    pub values: Vec<f32>,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    names: Vec<String>,
    /// Word 0 counts the runs; row r is at words 1 + r·names.
    ring: BufferRange,
    staging: wgpu::Buffer,
    pending: Option<Receiver<Result<(), wgpu::BufferAsyncError>>>,
    /// Runs already reported.
    seen: u32,
}

impl Watcher {
    pub fn new(gpu: &Gpu, names: Vec<String>) -> Result<Watcher, GpuError> {
        let bytes = 4 * (1 + RING_ROWS * names.len()) as u64;
        let ring = BufferRange::whole(&gpu.storage("watched", bytes)?);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Watcher {
            staging: gpu.create("watched readback", ring.size, usage)?,
            names,
            ring,
            pending: None,
            seen: 0,
        })
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn ring(&self) -> &BufferRange {
        &self.ring
    }

    pub fn request(&mut self, gpu: &Gpu) -> Result<(), GpuError> {
        if self.pending.is_some() {
            return Ok(());
        }
        gpu.check_lost()?;
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.ring.buffer, 0, &self.staging, 0, self.ring.size);
        gpu.queue().submit([encoder.finish()]);
        let (sender, receiver) = channel();
        self.staging
            .map_async(wgpu::MapMode::Read, .., move |result| {
                // Nobody waits any more if the receiver is gone.
                let _ = sender.send(result);
            });
        self.pending = Some(receiver);
        Ok(())
    }

    pub fn poll(&mut self, gpu: &Gpu) -> Result<Vec<WatchedRow>, GpuError> {
        let Some(receiver) = &self.pending else {
            return Ok(vec![]);
        };
        let failed = |reason: String| GpuError::Readback {
            what: "watched scalars".to_string(),
            reason,
        };
        gpu.poll(wgpu::PollType::Poll)?;
        match receiver.try_recv() {
            Err(TryRecvError::Empty) => return Ok(vec![]),
            Err(TryRecvError::Disconnected) => {
                return Err(failed("the device went away".to_string()));
            }
            Ok(Err(e)) => return Err(failed(e.to_string())),
            Ok(Ok(())) => {}
        }
        self.pending = None;
        let words: Vec<u32> = match self.staging.get_mapped_range(..) {
            Ok(view) => bytemuck::pod_collect_to_vec(&view),
            Err(e) => return Err(failed(e.to_string())),
        };
        self.staging.unmap();
        let runs = words[0];
        let oldest = runs.saturating_sub(RING_ROWS as u32).max(self.seen);
        self.seen = runs;
        Ok((oldest..runs)
            .map(|run| {
                let at = 1 + (run as usize % RING_ROWS) * self.names.len();
                WatchedRow {
                    run,
                    values: (words[at..at + self.names.len()].iter())
                        .map(|&w| f32::from_bits(w))
                        .collect(),
                }
            })
            .collect())
    }

    pub fn blocking(&mut self, gpu: &Gpu) -> Result<Vec<WatchedRow>, GpuError> {
        // A request under way may be older than the last run: its rows come first.
        let mut rows = vec![];
        if self.pending.is_some() {
            gpu.wait()?;
            rows = self.poll(gpu)?;
        }
        self.request(gpu)?;
        gpu.wait()?;
        rows.extend(self.poll(gpu)?);
        Ok(rows)
    }
}
