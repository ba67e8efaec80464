//! The handle to a device and its queue.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use super::kernels::Kernels;
use super::{Choices, Cooperative, GpuError, GpuOptions, Precision, Tuning, adapter};

/// Bytes in the largest storage binding that is made. Shaders compute offsets in u32, of bytes
/// where they read bytes: beyond 4 GiB those wrap, and other memory would be read or written
/// without an error. This is what most of wgpu's backends bind at most; Metal binds more.
const LARGEST_BINDING: u64 = (1 << 31) - 4;

/// What of a device's limit on storage bindings is used.
fn usable_binding(limit: u64) -> u64 {
    limit.min(LARGEST_BINDING)
}

/// What kernels may rely on, derived from the device's features and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Lanes of a subgroup, where subgroup operations exist and the size is fixed.
    pub subgroup_size: Option<u32>,
    /// Whether it is a CPU that plays a GPU.
    pub software: bool,
    /// Bytes in one storage binding; less than 2 GiB, whatever the device allows.
    pub max_binding: u64,
    /// Bytes in one buffer.
    pub max_buffer: u64,
    /// Workgroups per dimension of a dispatch.
    pub max_groups: u32,
    /// Whether it can say when its work began and ended; not whether that is true.
    pub timestamps: bool,
    /// Whether shaders may hold numbers as f16.
    pub f16: bool,
    /// What it multiplies by cooperative matrices.
    pub cooperative: Cooperative,
    /// Offsets of storage bindings are multiples of this many bytes.
    pub offset_alignment: u64,
}

/// A device with its queue and compiled kernels. Clones share them.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
    precision: Precision,
}

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    capabilities: Capabilities,
    kernels: Kernels,
    choices: Mutex<Choices>,
    tuning: Mutex<Option<Tuning>>,
    /// Why the device was lost, if wgpu has told us.
    lost: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Gpu({} {:?})",
            self.inner.info.name, self.inner.info.backend
        )
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
            (adapter::asked_features(&chosen, &options), chosen.limits())
        };
        let (device, queue) = chosen
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("foveate"),
                required_features,
                required_limits,
                experimental_features: adapter::leave(required_features),
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
        Ok(Gpu::assemble(&chosen, device, queue, lost))
    }

    /// [`Gpu::new`], waiting for it.
    pub fn new_blocking(options: GpuOptions) -> Result<Gpu, GpuError> {
        pollster::block_on(Gpu::new(options))
    }

    /// Uses a device and queue that the caller owns. Asks for nothing: what foveate
    /// may do is derived from `device.features()` and `device.limits()`. No callback
    /// of the caller's is replaced: a loss of the device is noticed at the next call.
    ///
    /// # Errors
    /// [`GpuError::DeviceLacks`] if the device was opened with less than the base path
    /// needs, [`GpuError::AdapterLacks`] if its adapter has no more,
    /// [`GpuError::DeviceLost`].
    pub fn from_wgpu(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
    ) -> Result<Gpu, GpuError> {
        let info = adapter.get_info();
        let downlevel = adapter.get_downlevel_capabilities();
        if let Some(lacks) = adapter::lacks(&device.limits(), &downlevel) {
            let adapter_can = adapter::lacks(&adapter.limits(), &downlevel).is_none();
            let adapter = info.name;
            return Err(match adapter_can {
                true => GpuError::DeviceLacks { adapter, lacks },
                false => GpuError::AdapterLacks { adapter, lacks },
            });
        }
        let gpu = Gpu::assemble(adapter, device, queue, Arc::default());
        gpu.check_lost()?;
        Ok(gpu)
    }

    fn assemble(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        lost: Arc<Mutex<Option<String>>>,
    ) -> Gpu {
        let info = adapter.get_info();
        let limits = device.limits();
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP)
            && info.subgroup_min_size == info.subgroup_max_size;
        let capabilities = Capabilities {
            subgroup_size: subgroups.then_some(info.subgroup_min_size),
            software: info.device_type == wgpu::DeviceType::Cpu,
            max_binding: usable_binding(limits.max_storage_buffer_binding_size),
            max_buffer: limits.max_buffer_size,
            max_groups: limits.max_compute_workgroups_per_dimension,
            timestamps: device.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            f16: device.features().contains(wgpu::Features::SHADER_F16),
            cooperative: Cooperative::of(adapter, device.features()),
            offset_alignment: limits.min_storage_buffer_offset_alignment.into(),
        };
        let inner = Inner {
            device,
            queue,
            info,
            capabilities,
            kernels: Kernels::default(),
            choices: Mutex::default(),
            tuning: Mutex::default(),
            lost,
        };
        Gpu {
            inner: Arc::new(inner),
            precision: Precision::F32,
        }
    }

    /// The wgpu device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// Name, driver and kind of the adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.inner.info
    }

    /// What kernels may rely on.
    pub fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    /// In which precision programs that are compiled with this handle multiply.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Another handle to the same device, with which programs are compiled that multiply
    /// in this precision.
    ///
    /// # Errors
    /// [`GpuError::NoF16`] if that is f16 and the device has none: its adapter does not,
    /// or the caller's own device was opened without [`wgpu::Features::SHADER_F16`].
    pub fn with_precision(&self, precision: Precision) -> Result<Gpu, GpuError> {
        if precision == Precision::F16 && !self.capabilities().f16 {
            return Err(GpuError::NoF16 {
                adapter: self.info().name.clone(),
            });
        }
        Ok(Gpu {
            inner: self.inner.clone(),
            precision,
        })
    }

    pub(super) fn kernels(&self) -> &Kernels {
        &self.inner.kernels
    }

    /// Which permutations programs compiled from now on run, where there are several.
    pub fn choices(&self) -> Choices {
        unpoisoned(&self.inner.choices).clone()
    }

    /// Replaces all choices. A key that no permutation of this version has is passed over
    /// when a program is compiled.
    pub fn set_choices(&self, choices: Choices) {
        *unpoisoned(&self.inner.choices) = choices;
    }

    /// Allows measuring what has not been chosen while programs are compiled; `None`,
    /// as it is at first, leaves that to estimates. What is measured may differ from
    /// day to day, and with it the bits of sums.
    pub fn set_tuning(&self, tuning: Option<Tuning>) {
        *unpoisoned(&self.inner.tuning) = tuning;
    }

    pub(crate) fn tuning(&self) -> Option<Tuning> {
        unpoisoned(&self.inner.tuning).clone()
    }

    /// Runs `create` and turns what wgpu reports meanwhile into a typed error.
    pub(crate) fn guarded<T>(&self, what: &str, create: impl FnOnce() -> T) -> Result<T, GpuError> {
        self.check_lost()?;
        let memory = self
            .inner
            .device
            .push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let invalid = self
            .inner
            .device
            .push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self
            .inner
            .device
            .push_error_scope(wgpu::ErrorFilter::Internal);
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
        // What a lost device makes is invalid, without an error.
        self.check_lost()?;
        if let Some(error) = invalid.or(internal) {
            return Err(GpuError::Rejected {
                what: what.to_string(),
                reason: error.to_string(),
            });
        }
        Ok(made)
    }

    /// An error if the device is lost. Takes about a microsecond.
    pub fn check_lost(&self) -> Result<(), GpuError> {
        let told = self
            .inner
            .lost
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone();
        match told {
            Some(reason) => Err(GpuError::DeviceLost { reason }),
            None if self.answers() => Ok(()),
            None => Err(GpuError::DeviceLost {
                reason: "it was destroyed, or its driver gave it up".to_string(),
            }),
        }
    }

    /// Whether the device still objects to a mistake. One that is lost takes every call
    /// as if all were well and reports no errors any more (so WebGPU specifies it),
    /// whoever opened it and whether or not wgpu has told its owner yet.
    fn answers(&self) -> bool {
        let invalid = (self.inner.device).push_error_scope(wgpu::ErrorFilter::Validation);
        let _ = self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("is the device lost?"),
            size: 4,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
        pollster::block_on(invalid.pop()).is_some()
    }

    /// Waits until all submitted work is done.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Lets wgpu look after what has been submitted.
    pub(crate) fn poll(&self, how: wgpu::PollType) -> Result<(), GpuError> {
        self.check_lost()?;
        // wgpu 30 panics if the driver loses the device while it is polled. By then it
        // has noted the loss and released its locks, so nothing is left half done.
        match catch_unwind(AssertUnwindSafe(|| self.inner.device.poll(how))) {
            Ok(Ok(_)) => self.check_lost(),
            Ok(Err(error)) => {
                self.check_lost()?;
                Err(GpuError::Rejected {
                    what: "waiting for the device".to_string(),
                    reason: error.to_string(),
                })
            }
            Err(panic) => {
                self.check_lost()?;
                // It was something else: a callback of the caller's.
                resume_unwind(panic)
            }
        }
    }
}

/// A panic while one of these locks is held leaves what it guards whole.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range of `usable_binding` bytes ends at an offset that both u32 and i32 hold.
    #[test]
    fn offsets_in_a_binding_do_not_wrap() {
        for limit in [LARGEST_BINDING + 1, 1 << 32, 1 << 40, u64::MAX] {
            let usable = usable_binding(limit);
            assert_eq!(usable, LARGEST_BINDING, "of {limit}");
            assert!(i32::try_from(usable).is_ok() && usable.is_multiple_of(4));
        }
        assert_eq!(usable_binding(1 << 27), 1 << 27);
    }
}
