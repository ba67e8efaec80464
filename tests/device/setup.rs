//! Devices of the caller's.

use foveate::gpu::GpuError;
use foveate::wgpu;

use crate::common::gpu;

/// The adapter that all tests use.
pub fn adapter() -> wgpu::Adapter {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let same = |a: &wgpu::Adapter| a.get_info() == *gpu().info();
    all.into_iter()
        .find(same)
        .expect("the adapter of all tests")
}

/// A device of the caller's with all limits of its adapter, but for `change`.
pub fn device(
    adapter: &wgpu::Adapter,
    change: impl Fn(&mut wgpu::Limits),
) -> (wgpu::Device, wgpu::Queue) {
    let mut required_limits = adapter.limits();
    change(&mut required_limits);
    let descriptor = wgpu::DeviceDescriptor {
        required_limits,
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor)).unwrap()
}

/// Whether an error is that of a lost device, and says so.
pub fn is_lost(error: &GpuError) -> bool {
    matches!(error, GpuError::DeviceLost { .. })
        && error.to_string().contains("the device was lost")
}
