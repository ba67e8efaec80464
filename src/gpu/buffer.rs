//! Buffers: creating, filling, reading back.

use super::{Gpu, GpuError};

/// A range of a buffer: what a tensor is, to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferRange {
    pub buffer: wgpu::Buffer,
    /// Bytes from the start of the buffer; a multiple of the device's offset alignment.
    pub offset: u64,
    /// Bytes; a multiple of 4.
    pub size: u64,
}

impl BufferRange {
    /// The whole of a buffer.
    pub fn whole(buffer: &wgpu::Buffer) -> BufferRange {
        BufferRange {
            offset: 0,
            size: buffer.size(),
            buffer: buffer.clone(),
        }
    }

    /// As a binding of a bind group.
    pub fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: wgpu::BufferSize::new(self.size),
        })
    }
}

impl Gpu {
    /// A zeroed storage buffer of `bytes` (rounded up to 4; at least 4) that can be
    /// copied from and to.
    pub fn storage(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer, GpuError> {
        let size = bytes.max(4).next_multiple_of(4);
        let limit = self.capabilities().max_buffer;
        if size > limit {
            return Err(GpuError::OutOfMemory {
                what: label.to_string(),
                bytes: size,
                limit: Some(limit),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        self.create(label, size, usage)
    }

    pub(crate) fn create(
        &self,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, GpuError> {
        self.guarded(label, || {
            self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
        .map_err(|e| match e {
            GpuError::OutOfMemory { what, limit, .. } => GpuError::OutOfMemory {
                what,
                bytes: size,
                limit,
            },
            e => e,
        })
    }

    /// Writes bytes (a multiple of 4) into a buffer, in order with submissions.
    pub fn write(&self, range: &BufferRange, data: &[u8]) -> Result<(), GpuError> {
        if data.len() as u64 > range.size {
            return Err(GpuError::Rejected {
                what: "write".to_string(),
                reason: format!("{} bytes into a range of {}", data.len(), range.size),
            });
        }
        self.check_lost()?;
        self.queue().write_buffer(&range.buffer, range.offset, data);
        Ok(())
    }

    /// Reads a range back.
    pub async fn read(&self, range: &BufferRange) -> Result<Vec<u8>, GpuError> {
        Readback::new(self, range.size)?
            .read(std::slice::from_ref(range))
            .await
    }

    /// [`Gpu::read`], waiting for it.
    pub fn read_blocking(&self, range: &BufferRange) -> Result<Vec<u8>, GpuError> {
        pollster::block_on(self.read(range))
    }
}

/// A staging buffer for reading back, kept so that repeated reads allocate nothing.
#[derive(Debug)]
pub struct Readback {
    gpu: Gpu,
    staging: wgpu::Buffer,
}

impl Readback {
    /// For reads of up to `bytes` at a time.
    pub fn new(gpu: &Gpu, bytes: u64) -> Result<Readback, GpuError> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = gpu.create("readback", bytes.max(4).next_multiple_of(4), usage)?;
        Ok(Readback {
            gpu: gpu.clone(),
            staging,
        })
    }

    /// Records copies of the ranges, one after the other, into the staging buffer.
    /// Submit the encoder, then call [`Readback::fetch`] with their total size.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, ranges: &[BufferRange]) -> u64 {
        let mut at = 0;
        for range in ranges {
            encoder.copy_buffer_to_buffer(
                &range.buffer,
                range.offset,
                &self.staging,
                at,
                range.size,
            );
            at += range.size;
        }
        at
    }

    /// Waits for what was recorded and submitted, and returns its bytes.
    pub async fn fetch(&self, bytes: u64) -> Result<Vec<u8>, GpuError> {
        let failed = |reason: String| GpuError::Readback {
            what: "staging buffer".to_string(),
            reason,
        };
        self.gpu.check_lost()?;
        let slice = self.staging.slice(..bytes);
        let (sender, receiver) = std::sync::mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // The receiver lives until this call ends; if it is gone nobody waits.
            let _ = sender.send(result);
        });
        self.gpu.wait()?;
        match receiver.recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(failed(e.to_string())),
            Err(e) => return Err(failed(e.to_string())),
        }
        let data = match slice.get_mapped_range() {
            Ok(view) => view.to_vec(),
            Err(e) => return Err(failed(e.to_string())),
        };
        self.staging.unmap();
        Ok(data)
    }

    /// Copies, submits, waits: the bytes of all ranges, one after the other.
    pub async fn read(&self, ranges: &[BufferRange]) -> Result<Vec<u8>, GpuError> {
        self.gpu.check_lost()?;
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        let bytes = self.record(&mut encoder, ranges);
        self.gpu.queue().submit([encoder.finish()]);
        self.fetch(bytes).await
    }

    /// [`Readback::read`], waiting for it.
    pub fn read_blocking(&self, ranges: &[BufferRange]) -> Result<Vec<u8>, GpuError> {
        pollster::block_on(self.read(ranges))
    }
}
