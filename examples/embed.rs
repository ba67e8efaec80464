//! foveate inside another wgpu application. The application owns instance, adapter,
//! device and queue, draws a moving disc into a texture, and asks a policy what to do
//! and where it looks. The policy is recorded into the application's own command
//! encoder; foveate neither submits nor reads back. Action and saliency map are GPU
//! buffers that the application may use in its next pass; this one prints them.
//!
//! ```text
//! cargo run --release --example embed                 fresh weights: the numbers mean nothing
//! cargo run --release --example embed -- runs/demo    the agent of a run
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use foveate::agents::{Agent, env_options, explain, load_agent};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::native::Mode;
use foveate::gpu::{BufferRange, Gpu};
use foveate::ops::Var;
use foveate::run::RunDirectory;
use foveate::tape::{Gradient, Program, Tape, TapeError};
use foveate::wgpu;

/// The application's picture.
const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
const STEPS: u32 = 8;

/// The application's own drawing: a disc on a dark ground, by one triangle that covers
/// the screen.
const DISC: &str = r#"
@group(0) @binding(0) var<uniform> centre: vec4<f32>; // x, y in pixels

@vertex
fn cover(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn paint(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let inside = distance(at.xy, centre.xy) < 14.0;
    return select(vec4(0.12, 0.14, 0.20, 1.0), vec4(0.95, 0.70, 0.25, 1.0), inside);
}
"#;

/// What the application draws with.
struct Scene {
    /// The last frames, oldest first; the last one is drawn into.
    frames: Vec<wgpu::Texture>,
    centre: wgpu::Buffer,
    pipeline: wgpu::RenderPipeline,
    bind_group: wgpu::BindGroup,
}

impl Scene {
    fn new(device: &wgpu::Device, frames: usize) -> Scene {
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let frame = |_| {
            device.create_texture(&wgpu::TextureDescriptor {
                label: Some("frame"),
                size: extent(),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                    | wgpu::TextureUsages::TEXTURE_BINDING
                    | wgpu::TextureUsages::COPY_SRC
                    | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        };
        let centre = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("centre"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("disc"),
            source: wgpu::ShaderSource::Wgsl(DISC.into()),
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("disc"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("cover"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("paint"),
                compilation_options: Default::default(),
                targets: &[Some(format.into())],
            }),
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            multiview_mask: None,
            cache: None,
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("disc"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: centre.as_entire_binding(),
            }],
        });
        Scene {
            frames: (0..frames).map(frame).collect(),
            centre,
            pipeline,
            bind_group,
        }
    }

    /// Where the disc is at a step, in pixels.
    fn centre(step: u32) -> [f32; 2] {
        let turn = step as f32 * 0.5;
        [80.0 + 45.0 * turn.cos(), 60.0 + 35.0 * turn.sin()]
    }

    /// Moves every frame one place back and draws the newest.
    fn draw(&self, queue: &wgpu::Queue, encoder: &mut wgpu::CommandEncoder, step: u32) {
        let [x, y] = Scene::centre(step);
        queue.write_buffer(&self.centre, 0, bytemuck::cast_slice(&[x, y, 0.0, 0.0]));
        for pair in self.frames.windows(2) {
            encoder.copy_texture_to_texture(
                pair[1].as_image_copy(),
                pair[0].as_image_copy(),
                extent(),
            );
        }
        let Some(newest) = self.frames.last() else {
            return;
        };
        let view = newest.create_view(&Default::default());
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("disc"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: Default::default(),
            })],
            ..Default::default()
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.draw(0..3, 0..1);
    }
}

fn extent() -> wgpu::Extent3d {
    wgpu::Extent3d {
        width: WIDTH,
        height: HEIGHT,
        depth_or_array_layers: 1,
    }
}

/// The agent of a run, or a fresh one.
fn agent(gpu: &Gpu, run: Option<&Path>) -> Result<Agent, foveate::Error> {
    let Some(root) = run else {
        let config = Config::new(AgentKind::Sgqn, "native/reach", Preset::Tiny);
        return Agent::new(gpu, &config, 2);
    };
    let directory = RunDirectory::open(root)?;
    let config = Config::read(&directory.config())?;
    let env = env_options(&config, Mode::Train, 1, None).describe()?;
    let agent = Agent::new(gpu, &config, env.actions())?;
    load_agent(&directory, &agent, &mut |notice| eprintln!("{notice}"))?;
    Ok(agent)
}

/// Textures in; outputs `action` f32[1, |A|] and `map` f32[1, 3F, S, S] out, with some more.
fn policy(agent: &Agent, frames: &[wgpu::Texture]) -> Result<Program, TapeError> {
    let side = agent.config().image_size;
    let tape = Tape::new();
    let images = (frames.iter())
        .map(|frame| {
            let view = frame.create_view(&Default::default());
            tape.texture(&view, HEIGHT as usize, WIDTH as usize)
                .texture_to_image_sized(side, side)
        })
        .collect::<Result<Vec<Var>, _>>()?;
    let obs = Var::concat(&images.iter().collect::<Vec<_>>(), 1)?;
    explain::record(agent, &tape, &obs, Gradient::Guided)?;
    tape.compile(agent.gpu())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", foveate::with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1);
    // The application's own device. It asks for subgroups where there are any, because
    // foveate can use them but never asks for a feature itself.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("application"),
        required_features: adapter.features() & wgpu::Features::SUBGROUP,
        ..Default::default()
    }))?;

    // foveate on that device: once, at the start.
    let gpu = Gpu::from_wgpu(&adapter, device.clone(), queue.clone())?;
    let agent = agent(&gpu, directory.as_deref().map(Path::new))?;
    let scene = Scene::new(&device, agent.config().frame_stack);
    let policy = policy(&agent, &scene.frames)?;
    println!(
        "on {}: a policy of {} dispatches",
        adapter.get_info().name,
        policy.dispatches().len()
    );

    // Where the results are, for the application's own bind groups and copies.
    let (action, _) = policy.output_range("action")?.clone();
    let (map, _) = policy.output_range("map")?.clone();

    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("results"),
        size: action.size + map.size,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    for step in 0..STEPS {
        let mut encoder = device.create_command_encoder(&Default::default());
        scene.draw(&queue, &mut encoder, step);
        policy.encode(&mut encoder);
        if step + 1 == STEPS {
            copy(&mut encoder, &action, &staging, 0);
            copy(&mut encoder, &map, &staging, action.size);
        }
        queue.submit([encoder.finish()]);
    }

    // The application reads its own copy.
    let (sender, receiver) = std::sync::mpsc::channel();
    staging.map_async(wgpu::MapMode::Read, .., move |result| {
        // The receiver lives until the answer is here.
        let _ = sender.send(result);
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..)?);
    let (action, map) = values.split_at(action.size as usize / 4);
    println!("action {action:.3?}");
    let side = agent.config().image_size;
    let (strength, x, y) = peak(map, side);
    let [disc_x, disc_y] = Scene::centre(STEPS - 1);
    println!(
        "saliency of the newest frame peaks at ({x:.0}, {y:.0}) with {strength:.2e}; the disc is at ({disc_x:.0}, {disc_y:.0})"
    );
    Ok(())
}

fn copy(encoder: &mut wgpu::CommandEncoder, from: &BufferRange, to: &wgpu::Buffer, at: u64) {
    encoder.copy_buffer_to_buffer(&from.buffer, from.offset, to, at, from.size);
}

/// The largest magnitude among the newest frame's three channels, and where it is in the
/// application's picture.
fn peak(map: &[f32], side: usize) -> (f32, f32, f32) {
    let area = side * side;
    let newest = &map[map.len() - 3 * area..];
    let (at, strength) =
        newest
            .iter()
            .map(|v| v.abs())
            .enumerate()
            .fold(
                (0, 0.0),
                |best, (i, v)| if v > best.1 { (i, v) } else { best },
            );
    let (row, column) = (at % area / side, at % side);
    let to = |index: usize, extent: u32| (index as f32 + 0.5) * extent as f32 / side as f32;
    (strength, to(column, WIDTH), to(row, HEIGHT))
}
