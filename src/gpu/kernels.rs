//! The kernels of a device: each is made once, many at a time.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::device::unpoisoned;
use super::shader::ShaderInfo;
use super::{Gpu, GpuError, Kernel};

/// What making kernels has cost a device so far. Drivers may put a part of it off to
/// the first run of each kernel; that is not in here.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct KernelsMade {
    /// Kernels that were made.
    pub count: usize,
    /// Seconds that somebody waited for them.
    pub seconds: f64,
    /// Seconds that it took all threads together.
    pub thread_seconds: f64,
}

/// The kernels of a device.
#[derive(Debug, Default)]
pub(super) struct Kernels {
    by_key: Mutex<HashMap<&'static str, Arc<Kernel>>>,
    made: Mutex<KernelsMade>,
    /// What the driver made of kernels before, where it lets us keep that.
    cache: OnceLock<wgpu::PipelineCache>,
}

impl Kernels {
    fn by_key(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<Kernel>>> {
        unpoisoned(&self.by_key)
    }
}

impl Gpu {
    /// The kernel of a shader permutation, made at its first use.
    ///
    /// # Errors
    /// [`GpuError::Rejected`] where the device does not take it.
    pub fn kernel(&self, shader: &'static ShaderInfo) -> Result<Arc<Kernel>, GpuError> {
        let kernels = self.kernels();
        if let Some(kernel) = kernels.by_key().get(shader.key) {
            return Ok(kernel.clone());
        }
        self.make_kernels(&[shader])?;
        // One that another thread made meanwhile is as good.
        (kernels.by_key().get(shader.key).cloned()).ok_or_else(|| GpuError::Rejected {
            what: shader.key.to_string(),
            reason: "it was not made".to_string(),
        })
    }

    /// Makes the kernels that are still missing, as many at a time as there are
    /// processors.
    ///
    /// # Errors
    /// The first error in the order of `shaders`; those that could be made are kept.
    pub fn prepare_kernels(
        &self,
        shaders: impl IntoIterator<Item = &'static ShaderInfo>,
    ) -> Result<(), GpuError> {
        let mut missing: Vec<&'static ShaderInfo> = vec![];
        {
            let known = self.kernels().by_key();
            for shader in shaders {
                let listed = missing.iter().any(|m| m.key == shader.key);
                if !listed && !known.contains_key(shader.key) {
                    missing.push(shader);
                }
            }
        }
        self.make_kernels(&missing)
    }

    /// What making kernels has cost so far.
    pub fn kernels_made(&self) -> KernelsMade {
        *unpoisoned(&self.kernels().made)
    }

    /// From now on the driver keeps what it makes of kernels for
    /// [`Gpu::pipeline_cache_data`], and may take kernels from `data`, which must be what
    /// that returned once, every bit of it. What another driver or device made is passed
    /// over. Returns whether the device can do this (Vulkan with
    /// [`wgpu::Features::PIPELINE_CACHE`]) and had not been told before.
    pub(crate) fn use_pipeline_cache(&self, data: Option<&[u8]>) -> bool {
        let able = wgpu::Features::PIPELINE_CACHE;
        if !self.device().features().contains(able) || self.kernels().cache.get().is_some() {
            return false;
        }
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("kernels"),
            data,
            fallback: true,
        };
        let made = self.guarded("the pipeline cache", || {
            // Safety: the caller vouches that wgpu made these bytes; wgpu and the driver
            // check which device and driver they are of.
            unsafe { self.device().create_pipeline_cache(&descriptor) }
        });
        made.is_ok_and(|cache| self.kernels().cache.set(cache).is_ok())
    }

    /// What the driver would like to have kept of the kernels made so far.
    pub fn pipeline_cache_data(&self) -> Option<Vec<u8>> {
        self.kernels().cache.get()?.get_data()
    }

    fn make_kernels(&self, shaders: &[&'static ShaderInfo]) -> Result<(), GpuError> {
        if shaders.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let cache = self.kernels().cache.get();
        let outcomes = on_threads(shaders, |shader| {
            let started = Instant::now();
            let kernel = self.guarded(shader.key, || Kernel::new(self.device(), shader, cache))?;
            Ok((kernel, started.elapsed()))
        });
        let mut failed = None;
        let (mut count, mut thread_time) = (0, Duration::ZERO);
        for (shader, outcome) in shaders.iter().zip(outcomes) {
            match outcome {
                Ok((kernel, time)) => {
                    count += 1;
                    thread_time += time;
                    self.kernels().by_key().insert(shader.key, Arc::new(kernel));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let mut made = unpoisoned(&self.kernels().made);
        made.count += count;
        made.seconds += started.elapsed().as_secs_f64();
        made.thread_seconds += thread_time.as_secs_f64();
        failed.map_or(Ok(()), Err)
    }
}

/// What `make` says of each item, in their order. Where there are threads it is called
/// from several; wgpu's error scopes belong to the thread that opens them.
fn on_threads<I: Sync, T: Send>(items: &[I], make: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = match cfg!(target_family = "wasm") {
        true => 1,
        false => threads.min(items.len()),
    };
    if threads < 2 {
        return items.iter().map(make).collect();
    }
    // Whoever is done takes the next: some kernels take a hundred times as long as others.
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = vec![];
        loop {
            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match items.get(i) {
                Some(item) => done.push((i, make(item))),
                None => return done,
            }
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_answer_for_every_item_in_order() {
        for count in [0, 1, 2, 100] {
            let items: Vec<usize> = (0..count).collect();
            let squares: Vec<usize> = items.iter().map(|i| i * i).collect();
            assert_eq!(on_threads(&items, |i| i * i), squares);
        }
    }
}
