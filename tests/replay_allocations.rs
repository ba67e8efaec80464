//! Replaying a program allocates nothing on the host beyond what wgpu allocates for the
//! same calls. A test binary of its own: it counts the allocations of its threads.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::gpu;
use foveate::gpu::Gpu;
use foveate::gpu::shader::{BindingKind, ShaderInfo};
use foveate::tape::{Program, Tape, Tensor};

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

struct Counting;

impl Counting {
    fn count() {
        // A thread that ends allocates too.
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
    }
}

// Safety: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Counting::count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counting::count();
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Elements of every value.
const LEN: usize = 64;
/// What a uniform block begins at a multiple of.
const BLOCK: u64 = 256;

/// A program of so many dispatches, two kernels in turn.
fn chain(gpu: &Gpu, dispatches: usize) -> Program {
    let tape = Tape::new();
    let mut x = tape.input("x", Tensor::f32(&[LEN]));
    for _ in 0..dispatches / 2 {
        x = x.tanh().unwrap().sigmoid().unwrap();
    }
    tape.output("x", &x);
    let program = tape.compile(gpu).unwrap();
    assert_eq!(program.dispatches().len(), dispatches);
    program
}

/// The same by hand: the same shaders on buffers of the same kinds, everything made
/// before, and no more than wgpu's own calls to replay it.
struct ByHand {
    steps: Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>,
}

impl ByHand {
    fn of(gpu: &Gpu, program: &Program) -> ByHand {
        let device = gpu.device();
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let count = program.dispatches().len();
        let blocks = buffer(BLOCK * count as u64, wgpu::BufferUsages::UNIFORM);
        let values = [(); 2].map(|()| buffer(4 * LEN as u64, wgpu::BufferUsages::STORAGE));
        let keys: Vec<&str> = program.dispatches().map(|d| d.1).collect();
        let pipelines: Vec<_> = (keys[..2].iter())
            .map(|key| {
                let source = ShaderInfo::find(key).unwrap().source;
                let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: None,
                    source: wgpu::ShaderSource::Wgsl(source.into()),
                });
                device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: None,
                    layout: None,
                    module: &module,
                    entry_point: Some("main"),
                    compilation_options: Default::default(),
                    cache: None,
                })
            })
            .collect();
        let step = |i: usize| {
            let shader = ShaderInfo::find(keys[i]).unwrap();
            let entries: Vec<_> = (shader.bindings.iter())
                .map(|b| wgpu::BindGroupEntry {
                    binding: b.index,
                    resource: match b.kind {
                        BindingKind::Uniform => {
                            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                buffer: &blocks,
                                offset: BLOCK * i as u64,
                                size: None,
                            })
                        }
                        BindingKind::ReadWrite => values[(i + 1) % 2].as_entire_binding(),
                        _ => values[i % 2].as_entire_binding(),
                    },
                })
                .collect();
            let pipeline = &pipelines[i % 2];
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            (pipeline.clone(), group)
        };
        ByHand {
            steps: (0..count).map(step).collect(),
        }
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("foveate"),
            timestamp_writes: None,
        });
        for (pipeline, group) in &self.steps {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
    }
}

/// Allocations of this thread in each of several replays, after some to warm up.
fn counted(gpu: &Gpu, encode: impl Fn(&mut wgpu::CommandEncoder)) -> Vec<usize> {
    let replay = |_| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let before = ALLOCATIONS.get();
        encode(&mut encoder);
        let after = ALLOCATIONS.get();
        gpu.queue().submit([encoder.finish()]);
        gpu.wait().unwrap();
        after - before
    };
    let all: Vec<usize> = (0..8).map(replay).collect();
    all[3..].to_vec()
}

/// Sabotage tried: a `Vec` of the steps' kernels in `Program::record`.
#[test]
fn a_replay_allocates_no_more_than_wgpu_does_for_the_same_calls() {
    let gpu = gpu();
    for dispatches in [2, 16, 256] {
        let program = chain(&gpu, dispatches);
        let by_hand = ByHand::of(&gpu, &program);
        let theirs = counted(&gpu, |encoder| by_hand.encode(encoder));
        let ours = counted(&gpu, |encoder| program.encode(encoder));
        println!("{dispatches} dispatches: {ours:?}, by hand {theirs:?}");
        assert!(theirs.iter().all(|&n| n > 0), "nothing is counted");
        assert!(
            ours.iter().max() <= theirs.iter().max(),
            "{dispatches} dispatches: {ours:?}, by hand {theirs:?}"
        );
    }
}
