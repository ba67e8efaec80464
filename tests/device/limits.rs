use foveate::gpu::{Gpu, GpuError};
use foveate::tape::{Tape, Tensor};
use foveate::wgpu::Limits;

use crate::setup::{adapter, device};

/// A limit that the caller's device was opened with, too small by a little or by much.
struct TooSmall {
    name: &'static str,
    change: fn(&mut Limits),
    has: u64,
    needs: u64,
}

const TOO_SMALL: &[TooSmall] = &[
    TooSmall {
        name: "storage buffers per stage",
        change: |l| l.max_storage_buffers_per_shader_stage = 4,
        has: 4,
        needs: 8,
    },
    TooSmall {
        name: "bytes per storage binding",
        change: |l| l.max_storage_buffer_binding_size = 1 << 16,
        has: 1 << 16,
        needs: 128 << 20,
    },
    TooSmall {
        name: "workgroups per dimension",
        change: |l| l.max_compute_workgroups_per_dimension = 65_534,
        has: 65_534,
        needs: 65_535,
    },
    TooSmall {
        name: "invocations per workgroup",
        change: |l| l.max_compute_invocations_per_workgroup = 128,
        has: 128,
        needs: 256,
    },
    TooSmall {
        name: "invocations of a workgroup along x",
        change: |l| l.max_compute_workgroup_size_x = 64,
        has: 64,
        needs: 256,
    },
    TooSmall {
        name: "bytes of workgroup memory",
        change: |l| l.max_compute_workgroup_storage_size = 8192,
        has: 8192,
        needs: 16_384,
    },
];

#[test]
fn a_limit_that_is_too_small_is_named_with_what_is_needed() {
    let adapter = adapter();
    for limit in TOO_SMALL {
        let (device, queue) = device(&adapter, limit.change);
        let error = Gpu::from_wgpu(&adapter, device, queue).unwrap_err();
        let (name, said) = (limit.name, error.to_string());
        let numbers = format!("{name} {} (needs {})", limit.has, limit.needs);
        assert!(said.contains(&numbers), "{said}");
        assert!(said.contains(&adapter.get_info().name), "{said}");
        // The adapter could: it is the request that was too small.
        assert!(said.contains("required_limits"), "{said}");
        assert!(matches!(error, GpuError::DeviceLacks { .. }), "{error:?}");
        for other in TOO_SMALL.iter().filter(|other| other.name != name) {
            assert!(!said.contains(other.name), "{said}");
        }
    }
}

#[test]
fn all_limits_that_are_too_small_are_named_at_once() {
    let adapter = adapter();
    let change = |l: &mut Limits| TOO_SMALL.iter().for_each(|small| (small.change)(l));
    let (device, queue) = device(&adapter, change);
    let said = Gpu::from_wgpu(&adapter, device, queue)
        .unwrap_err()
        .to_string();
    for limit in TOO_SMALL {
        assert!(said.contains(limit.name), "{said}");
    }
}

/// Exactly what is needed suffices, whatever else the adapter has.
#[test]
fn the_base_path_is_enough() {
    let adapter = adapter();
    let (device, queue) = device(&adapter, |limits| *limits = Limits::default());
    let gpu = Gpu::from_wgpu(&adapter, device, queue).unwrap();
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[3]));
    tape.output("y", &x.relu().unwrap());
    let program = tape.compile(&gpu).unwrap();
    program.write("x", &[-1.0f32, 0.0, 2.0]).unwrap();
    program.run().unwrap();
    assert_eq!(program.read_blocking::<f32>("y").unwrap(), [0.0, 0.0, 2.0]);
}
