//! Kernels are made once, several at a time, and what a device refuses is a typed error
//! whichever thread met it.

mod common;

use common::own_gpu;
use foveate::gpu::GpuError;
use foveate::gpu::shader::{SHADERS, ShaderInfo};

/// Shaders that every device takes.
fn some() -> Vec<&'static ShaderInfo> {
    let portable = |s: &&ShaderInfo| !(s.subgroups || s.f16 || s.cooperative);
    SHADERS.iter().filter(portable).take(12).collect()
}

/// Sabotage tried: kernels made anew at every request.
#[test]
fn each_kernel_is_made_once() {
    let gpu = own_gpu();
    assert_eq!(gpu.kernels_made(), Default::default());
    let shaders = some();
    gpu.prepare_kernels(shaders[..8].iter().copied()).unwrap();
    let eight = gpu.kernels_made();
    assert_eq!(eight.count, 8);
    assert!(eight.seconds > 0.0 && eight.thread_seconds > 0.0);
    // Known ones, one of them twice, and a new one twice.
    let mixed = [shaders[0], shaders[8], shaders[0], shaders[8]];
    gpu.prepare_kernels(mixed).unwrap();
    assert_eq!(gpu.kernels_made().count, 9);
    gpu.kernel(shaders[3]).unwrap();
    assert_eq!(gpu.kernels_made().count, 9);
    gpu.kernel(shaders[9]).unwrap();
    assert_eq!(gpu.kernels_made().count, 10);
}

/// Sabotage tried: one error scope, opened by the thread that asks, around them all.
#[test]
fn what_is_refused_is_named_and_the_others_are_made() {
    let gpu = own_gpu();
    let broken = |key, source| -> &'static ShaderInfo {
        Box::leak(Box::new(ShaderInfo {
            key,
            source,
            workgroup: [1; 3],
            params: None,
            bindings: &[],
            constants: &[],
            subgroups: false,
            f16: false,
            cooperative: false,
        }))
    };
    let mut shaders = some();
    shaders.insert(
        5,
        broken("first", "@compute @workgroup_size(1) fn main() { x = 1; }"),
    );
    shaders.insert(9, broken("second", "fn elsewhere() {}"));
    match gpu.prepare_kernels(shaders.iter().copied()) {
        Err(GpuError::Rejected { what, .. }) => assert_eq!(what, "first"),
        other => panic!("{other:?}"),
    }
    assert_eq!(gpu.kernels_made().count, shaders.len() - 2);
    match gpu.kernel(shaders[9]) {
        Err(GpuError::Rejected { what, .. }) => assert_eq!(what, "second"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kernels_of_a_lost_device_are_refused_as_such() {
    let gpu = own_gpu();
    gpu.device().destroy();
    match gpu.prepare_kernels(some()) {
        Err(GpuError::DeviceLost { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(gpu.kernels_made().count, 0);
}
