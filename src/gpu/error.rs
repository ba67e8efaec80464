//! What can go wrong with a device.

/// Errors of the device layer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// No adapter at all on this machine.
    #[error(
        "no GPU adapter found (Vulkan, Metal, DX12 or GL); on Linux without a GPU install Mesa's software Vulkan: scripts/software-vulkan.sh"
    )]
    NoAdapter,
    /// The adapter asked for by name or backend is not there.
    #[error("no adapter matches '{given}'; available: {known}")]
    AdapterNotFound { given: String, known: String },
    /// A backend that there is not.
    #[error("there is no backend '{given}': {known}")]
    UnknownBackend { given: String, known: String },
    /// The adapter has less than foveate's base path needs.
    #[error("adapter '{adapter}' cannot run foveate: {lacks}")]
    AdapterLacks { adapter: String, lacks: String },
    /// The caller's device was opened with less than foveate's base path needs, though
    /// its adapter has it.
    #[error(
        "the device opened on adapter '{adapter}' cannot run foveate: {lacks}; the adapter has more: ask for at least wgpu::Limits::default() in required_limits"
    )]
    DeviceLacks { adapter: String, lacks: String },
    /// The adapter refused to open.
    #[error("adapter '{adapter}' refused to open a device: {reason}")]
    OpenDevice { adapter: String, reason: String },
    /// A buffer is larger than the device can have, or memory ran out.
    #[error(
        "out of GPU memory: '{what}' needs {bytes} bytes{}",
        limit.map(|l| format!(", the device allows {l} in one buffer")).unwrap_or_default()
    )]
    OutOfMemory {
        what: String,
        bytes: u64,
        limit: Option<u64>,
    },
    /// A store of frames that memory does not hold.
    #[error(
        "out of memory: {frames} frames of {image_size}×{image_size} pixels need {bytes} bytes; {fits} frames would fit"
    )]
    FramesDoNotFit {
        frames: usize,
        image_size: usize,
        bytes: u64,
        fits: usize,
    },
    /// A store of embeddings that memory does not hold.
    #[error(
        "out of memory: {latents} embeddings of {width} components are more than this device holds; {fits} would fit"
    )]
    LatentsDoNotFit {
        latents: usize,
        width: usize,
        fits: usize,
    },
    /// The device was lost (driver reset, unplugged, destroyed). Nothing on it can be
    /// used any more; another [`Gpu`](super::Gpu) can be opened.
    #[error("the device was lost: {reason}")]
    DeviceLost { reason: String },
    /// wgpu rejected a call: a defect in foveate or in the driver.
    #[error("the device rejected '{what}': {reason}")]
    Rejected { what: String, reason: String },
    /// Timing by timestamps on a device that has none.
    #[error(
        "adapter '{adapter}' has no timestamps (or they were not asked of it): time by wall clock"
    )]
    NoTimestamps { adapter: String },
    /// Products in f16 on a device that has no such numbers.
    #[error(
        "adapter '{adapter}' has no f16 (wgpu::Features::SHADER_F16, or it was not asked of it): use precision \"f32\""
    )]
    NoF16 { adapter: String },
    /// Reading a buffer back failed.
    #[error("reading '{what}' back from the device failed: {reason}")]
    Readback { what: String, reason: String },
}

impl GpuError {
    /// Why the device was lost, if that is what went wrong.
    pub fn device_lost(&self) -> Option<&str> {
        match self {
            GpuError::DeviceLost { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        matches!(
            self,
            GpuError::AdapterNotFound { .. }
                | GpuError::UnknownBackend { .. }
                | GpuError::FramesDoNotFit { .. }
                | GpuError::LatentsDoNotFit { .. }
                | GpuError::NoF16 { .. }
        )
    }
}
