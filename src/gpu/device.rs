//! The handle to a device and its queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Choices, GpuError, GpuOptions, Kernel, Tuning, adapter, shader::ShaderInfo};

/// What kernels may rely on, derived from the device's features and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Lanes of a subgroup, where subgroup operations exist and the size is fixed.
    pub subgroup_size: Option<u32>,
    /// Whether it is a CPU that plays a GPU.
    pub software: bool,
    /// Bytes in one storage binding.
    pub max_binding: u64,
    /// Bytes in one buffer.
    pub max_buffer: u64,
    /// Workgroups per dimension of a dispatch.
    pub max_groups: u32,
    /// Whether it can say when its work began and ended; not whether that is true.
    pub timestamps: bool,
    /// Offsets of storage bindings are multiples of this many bytes.
    pub offset_alignment: u64,
}

/// A device with its queue and compiled kernels. Clones share them.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    capabilities: Capabilities,
    kernels: Mutex<HashMap<&'static str, Arc<Kernel>>>,
    choices: Mutex<Choices>,
    tuning: Mutex<Option<Tuning>>,
    lost: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({} {:?})", self.0.info.name, self.0.info.backend)
    }
}

impl Gpu {
    /// Opens the adapter that `options` and the environment (`FOVEATE_ADAPTER`,
    /// `FOVEATE_BACKEND`) select.
    pub async fn new(options: GpuOptions) -> Result<Gpu, GpuError> {
        let chosen = adapter::pick(&options).await?;
        let info = chosen.get_info();
        if let Some(lacks) = adapter::lacks(&chosen.limits(), &chosen.get_downlevel_capabilities())
        {
            return Err(GpuError::AdapterLacks {
                adapter: info.name,
                lacks,
            });
        }
        let (required_features, required_limits) = if options.base_path {
            (wgpu::Features::empty(), adapter::base_limits())
        } else {
            (
                chosen.features() & adapter::wanted_features(),
                chosen.limits(),
            )
        };
        let (device, queue) = chosen
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("foveate"),
                required_features,
                required_limits,
                ..Default::default()
            })
            .await
            .map_err(|e| GpuError::OpenDevice {
                adapter: info.name.clone(),
                reason: e.to_string(),
            })?;
        let lost = Arc::new(Mutex::new(None));
        let slot = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(format!("{reason:?} {message}").trim().to_string());
            }
        });
        Ok(Gpu::assemble(info, device, queue, lost))
    }

    /// [`Gpu::new`], waiting for it.
    pub fn new_blocking(options: GpuOptions) -> Result<Gpu, GpuError> {
        pollster::block_on(Gpu::new(options))
    }

    /// Uses a device and queue that the caller owns. Asks for nothing: what foveate
    /// may do is derived from `device.features()` and `device.limits()`. No callback
    /// of the caller's is replaced.
    pub fn from_wgpu(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
    ) -> Result<Gpu, GpuError> {
        let info = adapter.get_info();
        if let Some(lacks) = adapter::lacks(&device.limits(), &adapter.get_downlevel_capabilities())
        {
            return Err(GpuError::AdapterLacks {
                adapter: info.name,
                lacks,
            });
        }
        Ok(Gpu::assemble(info, device, queue, Arc::default()))
    }

    fn assemble(
        info: wgpu::AdapterInfo,
        device: wgpu::Device,
        queue: wgpu::Queue,
        lost: Arc<Mutex<Option<String>>>,
    ) -> Gpu {
        let limits = device.limits();
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP)
            && info.subgroup_min_size == info.subgroup_max_size;
        let capabilities = Capabilities {
            subgroup_size: subgroups.then_some(info.subgroup_min_size),
            software: info.device_type == wgpu::DeviceType::Cpu,
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            max_groups: limits.max_compute_workgroups_per_dimension,
            timestamps: device.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            offset_alignment: limits.min_storage_buffer_offset_alignment.into(),
        };
        Gpu(Arc::new(Inner {
            device,
            queue,
            info,
            capabilities,
            kernels: Mutex::default(),
            choices: Mutex::default(),
            tuning: Mutex::default(),
            lost,
        }))
    }

    /// The wgpu device.
    pub fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// Name, driver and kind of the adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.0.info
    }

    /// What kernels may rely on.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// The compiled kernel of a shader permutation, compiled at its first use.
    pub fn kernel(&self, shader: &'static ShaderInfo) -> Result<Arc<Kernel>, GpuError> {
        if let Some(kernel) = self.kernels().get(shader.key) {
            return Ok(kernel.clone());
        }
        let kernel = Arc::new(self.guarded(shader.key, || Kernel::new(&self.0.device, shader))?);
        self.kernels().insert(shader.key, kernel.clone());
        Ok(kernel)
    }

    fn kernels(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<Kernel>>> {
        unpoisoned(&self.0.kernels)
    }

    /// Which permutations programs compiled from now on run, where there are several.
    pub fn choices(&self) -> Choices {
        unpoisoned(&self.0.choices).clone()
    }

    /// Replaces all choices. A key that no permutation of this version has is passed over
    /// when a program is compiled.
    pub fn set_choices(&self, choices: Choices) {
        *unpoisoned(&self.0.choices) = choices;
    }

    /// Allows measuring what has not been chosen while programs are compiled; `None`,
    /// as it is at first, leaves that to estimates. What is measured may differ from
    /// day to day, and with it the bits of sums.
    pub fn set_tuning(&self, tuning: Option<Tuning>) {
        *unpoisoned(&self.0.tuning) = tuning;
    }

    pub(crate) fn tuning(&self) -> Option<Tuning> {
        unpoisoned(&self.0.tuning).clone()
    }

    /// Runs `create` and turns what wgpu reports meanwhile into a typed error.
    pub(crate) fn guarded<T>(&self, what: &str, create: impl FnOnce() -> T) -> Result<T, GpuError> {
        self.check_lost()?;
        let memory = self
            .0
            .device
            .push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let invalid = self
            .0
            .device
            .push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.0.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = create();
        // Scopes close innermost first; on native the futures are ready at once.
        let internal = pollster::block_on(internal.pop());
        let invalid = pollster::block_on(invalid.pop());
        let memory = pollster::block_on(memory.pop());
        if memory.is_some() {
            return Err(GpuError::OutOfMemory {
                what: what.to_string(),
                bytes: 0,
                limit: None,
            });
        }
        if let Some(error) = invalid.or(internal) {
            self.check_lost()?;
            return Err(GpuError::Rejected {
                what: what.to_string(),
                reason: error.to_string(),
            });
        }
        Ok(made)
    }

    /// An error if the device is known to be lost.
    pub fn check_lost(&self) -> Result<(), GpuError> {
        match self
            .0
            .lost
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .as_ref()
        {
            Some(reason) => Err(GpuError::DeviceLost {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Waits until all submitted work is done.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.check_lost()?;
        match self.0.device.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => self.check_lost(),
            Err(e) => Err(GpuError::DeviceLost {
                reason: e.to_string(),
            }),
        }
    }
}

/// A panic while one of these locks is held leaves what it guards whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
