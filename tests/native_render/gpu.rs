//! The shader on the adapter at hand against its CPU twin, and against itself.

use foveate::envs::Transition;
use foveate::envs::native::scene::SceneData;
use foveate::envs::native::{IDS, Mode, WorldOptions, create, picture};
use foveate::wgpu;
use wgpu::util::DeviceExt;

use crate::caster::{Bank, colour, segmentation};
use crate::shaders::source;

/// A device and both permutations.
pub struct Caster {
    device: wgpu::Device,
    queue: wgpu::Queue,
    color: wgpu::ComputePipeline,
    segmentation: wgpu::ComputePipeline,
}

impl Caster {
    pub fn new() -> Caster {
        let instance =
            wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&Default::default()))
            .expect("these tests need an adapter; scripts/software-vulkan.sh installs one");
        let (device, queue) =
            pollster::block_on(adapter.request_device(&Default::default())).unwrap();
        let pipeline = |segmentation| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source: wgpu::ShaderSource::Wgsl(source(segmentation).into()),
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            })
        };
        let (color, segmentation) = (pipeline(false), pipeline(true));
        Caster {
            device,
            queue,
            color,
            segmentation,
        }
    }

    /// The bytes of `slots` frames; world w draws into slot `destination[w]`,
    /// the others keep the poison 0xA5.
    pub fn draw(
        &self,
        scenes: &[SceneData],
        destination: &[u32],
        slots: usize,
        size: usize,
        bank: Option<&Bank>,
    ) -> Vec<u8> {
        let planes = if bank.is_some() { 3 } else { 1 };
        let bytes = slots * planes * size * size;
        let buffer = |contents: &[u8], usage| {
            (self.device).create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents,
                usage,
            })
        };
        let (width, height) = bank.map_or((1, 1), |b| (b.width, b.height));
        let pictures = bank.map_or(1, |b| b.bytes.len() / (3 * b.width * b.height));
        let params = [scenes.len(), size, size, width, height, pictures].map(|v| v as u32);
        let mut buffers = vec![
            buffer(bytemuck::bytes_of(&params), wgpu::BufferUsages::UNIFORM),
            buffer(bytemuck::cast_slice(scenes), wgpu::BufferUsages::STORAGE),
            buffer(
                bytemuck::cast_slice(destination),
                wgpu::BufferUsages::STORAGE,
            ),
            buffer(
                &vec![0xA5; bytes],
                wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            ),
        ];
        buffers.extend(bank.map(|b| buffer(b.bytes, wgpu::BufferUsages::STORAGE)));
        let pipeline = if bank.is_some() {
            &self.color
        } else {
            &self.segmentation
        };
        let entries: Vec<_> = (buffers.iter().enumerate())
            .map(|(i, buffer)| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            let groups = (size * size / 4).div_ceil(64) as u32;
            pass.dispatch_workgroups(groups, scenes.len() as u32, 1);
        }
        encoder.copy_buffer_to_buffer(&buffers[3], 0, &staging, 0, bytes as u64);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .unwrap();
        staging.get_mapped_range(..).unwrap().to_vec()
    }
}

/// Scenes of every world in every mode, some steps into their episodes.
pub fn scenes(size: usize, clips: Vec<u32>) -> Vec<SceneData> {
    let mut all = vec![];
    for id in IDS {
        for mode in Mode::ALL {
            let count = if mode.name().starts_with("video") {
                12
            } else {
                3
            };
            let clips = clips.clone();
            let options = WorldOptions {
                count,
                image_size: size,
                seed: 3,
                mode,
                clips,
                ..Default::default()
            };
            let mut world = create(id, options).unwrap();
            let dim = world.spec().action_dim;
            let mut answers = vec![Transition::default(); count];
            for step in 0..25 {
                let mut actions = vec![0.0; count * dim];
                for (env, action) in actions.chunks_exact_mut(dim).enumerate() {
                    if step < 3 * env {
                        world.expert(env, action).unwrap();
                    }
                }
                world.step(&actions, &mut answers).unwrap();
            }
            all.extend((0..count).map(|env| world.scene(env).unwrap().data()));
        }
    }
    all
}

/// Rounding may move an edge by a subsample and a colour by a level: no more
/// than 1 byte in 200 may differ by more than 2 levels, in any picture.
fn compare(size: usize, pictures: bool) {
    let caster = Caster::new();
    let side = 20;
    let bytes: Vec<u8> = (0..5)
        .flat_map(|i| picture::procedural_picture(1, i, side))
        .collect();
    let bank = Bank {
        width: side,
        height: side,
        bytes: &bytes,
    };
    let scenes = scenes(size, if pictures { vec![2, 3] } else { vec![] });
    // Slots in another order, with one between that nothing draws into.
    let slots = scenes.len() + 1;
    let destination: Vec<u32> = (0..scenes.len())
        .map(|w| if w < 4 { w } else { w + 1 } as u32)
        .rev()
        .collect();
    let frame = 3 * size * size;
    let drawn = caster.draw(&scenes, &destination, slots, size, Some(&bank));
    let again = caster.draw(&scenes, &destination, slots, size, Some(&bank));
    assert!(drawn == again, "the same device gives the same bits");
    let ids = caster.draw(&scenes, &destination, slots, size, None);
    assert!(drawn[4 * frame..5 * frame].iter().all(|&b| b == 0xA5));
    assert!(
        ids[4 * size * size..5 * size * size]
            .iter()
            .all(|&b| b == 0xA5)
    );
    for (w, (scene, &slot)) in scenes.iter().zip(&destination).enumerate() {
        let slot = slot as usize;
        let right = colour(scene, size, Some(&bank));
        let found = &drawn[slot * frame..(slot + 1) * frame];
        let off = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 2;
        let wrong = right
            .iter()
            .zip(found)
            .filter(|&(a, b)| off((a, b)))
            .count();
        assert!(
            wrong * 200 <= frame,
            "scene {w}, {wrong} of {frame} bytes: {scene:?}"
        );
        let right = segmentation(scene, size);
        let found = &ids[slot * size * size..(slot + 1) * size * size];
        let wrong = right.iter().zip(found).filter(|(a, b)| a != b).count();
        assert!(
            wrong * 500 <= size * size,
            "scene {w}, {wrong} ids: {scene:?}"
        );
        assert!(right.contains(&2), "what the agent moves is in the picture");
    }
}

#[test]
fn the_shader_draws_what_its_twin_draws() {
    compare(36, false);
    compare(84, false);
}

#[test]
fn the_shader_shows_the_picture_bank_as_its_twin_does() {
    compare(36, true);
}
