//! Replaying a program allocates nothing on the host beyond what wgpu allocates for the
//! same calls. A test binary of its own: it counts the allocations of its threads.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::gpu;
use foveate::agents::{Agent, ObservedShape, OverlayBank, Replay, ReplayShape, StoredTransition};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::Transition;
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

/// What is dispatched: a pipeline where it is another than before, a bind group, and the
/// workgroups.
struct Step {
    pipeline: Option<wgpu::ComputePipeline>,
    group: wgpu::BindGroup,
    groups: [u32; 3],
}

/// The same by hand: everything made before, and no more than wgpu's own calls to
/// replay it.
struct ByHand {
    steps: Vec<Step>,
}

impl ByHand {
    /// The very pipelines and bind groups of a program.
    fn calls(program: &Program) -> ByHand {
        let mut before = None;
        let step = |call: foveate::tape::Call| {
            let same = before.replace(call.pipeline.clone()).as_ref() == Some(call.pipeline);
            Step {
                pipeline: (!same).then(|| call.pipeline.clone()),
                group: call.bind_group.clone(),
                groups: call.groups,
            }
        };
        ByHand {
            steps: program.calls().map(step).collect(),
        }
    }

    /// The same shaders as those of a [`chain`] on buffers of the same kinds.
    fn chain(gpu: &Gpu, program: &Program) -> ByHand {
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
            Step {
                pipeline: Some(pipeline.clone()),
                group,
                groups: [1; 3],
            }
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
        for step in &self.steps {
            if let Some(pipeline) = &step.pipeline {
                pass.set_pipeline(pipeline);
            }
            pass.set_bind_group(0, &step.group, &[]);
            let [x, y, z] = step.groups;
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

/// Allocations of this thread in each of several runs of `replay`, after some to warm up.
fn counted(gpu: &Gpu, replay: impl Fn() -> usize) -> Vec<usize> {
    let once = |_| {
        let allocations = replay();
        gpu.wait().unwrap();
        allocations
    };
    let all: Vec<usize> = (0..8).map(once).collect();
    all[3..].to_vec()
}

/// Allocations of encoding alone.
fn encoding(gpu: &Gpu, encode: impl Fn(&mut wgpu::CommandEncoder)) -> Vec<usize> {
    counted(gpu, || {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let before = ALLOCATIONS.get();
        encode(&mut encoder);
        let after = ALLOCATIONS.get();
        gpu.queue().submit([encoder.finish()]);
        after - before
    })
}

/// That we allocate no more often than they do, who do allocate.
fn assert_no_more(what: &str, ours: &[usize], theirs: &[usize]) {
    println!("{what}: {ours:?}, by hand {theirs:?}");
    assert!(theirs.iter().all(|&n| n > 0), "nothing is counted");
    assert!(
        ours.iter().max() <= theirs.iter().max(),
        "{what}: {ours:?}, by hand {theirs:?}"
    );
}

/// Sabotage tried: a `Vec` of the steps' kernels in `Program::record`.
#[test]
fn a_replay_allocates_no_more_than_wgpu_does_for_the_same_calls() {
    let gpu = gpu();
    for dispatches in [2, 16, 256] {
        let program = chain(&gpu, dispatches);
        let by_hand = ByHand::chain(&gpu, &program);
        let theirs = encoding(&gpu, |encoder| by_hand.encode(encoder));
        let ours = encoding(&gpu, |encoder| program.encode(encoder));
        assert_no_more(&format!("{dispatches} dispatches"), &ours, &theirs);
    }
}

/// An agent at `tiny` with its update programs, which learn from one short episode.
fn agent(gpu: &Gpu, kind: AgentKind) -> Agent {
    const STEPS: u64 = 8;
    const ACTIONS: usize = 2;
    let config = Config {
        replay_capacity: 16,
        ..Config::new(kind, "native/reach", Preset::Tiny)
    };
    let stack = config.frame_stack as u64;
    let shape = ReplayShape {
        capacity: config.replay_capacity,
        frame_stack: config.frame_stack,
        action_dim: ACTIONS,
        observed: ObservedShape::rgb(config.rendered_size()),
        episode_steps: STEPS as usize,
    };
    let mut replay = Replay::new(gpu, shape).unwrap();
    let frame = vec![100; replay.store().shape().bytes()];
    for _ in 0..STEPS + stack {
        let number = replay.next_frame().unwrap();
        replay.write_frame(number, &frame).unwrap();
    }
    for step in 0..STEPS {
        let answer = Transition {
            reward: 0.5,
            terminated: false,
            truncated: step + 1 == STEPS,
        };
        let frames: Vec<u64> = (step..step + stack).collect();
        let stored = StoredTransition::new(&frames, step + stack, &answer, vec![0.1; ACTIONS]);
        replay.push(&stored).unwrap();
    }
    let picture = vec![100; 3 * config.image_size * config.image_size];
    let bank = OverlayBank::new(gpu, &[picture], config.image_size).unwrap();
    let mut agent = Agent::new(gpu, &config, ACTIONS).unwrap();
    agent.compile_updates(&replay, Some(&bank)).unwrap();
    agent
}

/// Encoding alone, and the whole of [`Agent::update`], which first asks whether the
/// device is lost (wgpu answers with an error, 18 allocations) and submits.
///
/// Sabotage tried: the same.
#[test]
fn an_update_allocates_no_more_than_wgpu_does_for_the_same_calls() {
    let gpu = gpu();
    for name in AgentKind::NAMES {
        let kind: AgentKind = name.parse().unwrap();
        let agent = agent(&gpu, kind);
        for (turn, program) in agent.updates() {
            let what = format!("{kind:?}, {turn}, {} dispatches", program.calls().len());
            let by_hand = ByHand::calls(program);
            let theirs = encoding(&gpu, |encoder| by_hand.encode(encoder));
            let ours = encoding(&gpu, |encoder| program.encode(encoder));
            assert_no_more(&what, &ours, &theirs);

            let step = (0..).find(|step| agent.turn(*step) == *turn).unwrap();
            let all = |update: &dyn Fn()| {
                counted(&gpu, || {
                    let before = ALLOCATIONS.get();
                    update();
                    ALLOCATIONS.get() - before
                })
            };
            let theirs = all(&|| {
                gpu.check_lost().unwrap();
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                by_hand.encode(&mut encoder);
                gpu.queue().submit([encoder.finish()]);
            });
            let ours = all(&|| agent.update(step).unwrap());
            assert_no_more(&format!("{what}, submitted"), &ours, &theirs);
        }
    }
}
