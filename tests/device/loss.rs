//! Whatever is asked of a device that is lost is answered with that error: it neither
//! panics nor hangs, nor does it pretend that something was done.

use foveate::Error;
use foveate::agents::{Agent, ObservedShape, Policy, Replay, ReplayShape};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::{EnvOptions, Environment, Transition, open};
use foveate::gpu::shader::ShaderInfo;
use foveate::gpu::{
    Arena, ArenaLayout, BufferRange, FrameShape, FrameStore, Gpu, GpuError, Readback,
};
use foveate::tape::{Program, Tape, TapeError, Tensor};
use foveate::wgpu;

use crate::common::own_gpu;
use crate::setup::{adapter, device, is_lost};

/// Who opened the device: of the caller's, foveate hears nothing but what it asks.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Foveate,
    Caller,
}

/// What happens between the loss and the call.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Nothing.
    AtOnce,
    /// Nothing either, but work was under way.
    UnderWay,
    /// wgpu has been polled: it has told those who listen and freed the buffers.
    Later,
}

/// What there was on the device.
struct Made {
    gpu: Gpu,
    program: Program,
    buffer: BufferRange,
    readback: Readback,
}

/// y = relu(x), its sum watched.
fn program(gpu: &Gpu) -> Result<Program, TapeError> {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[64, 64]));
    let y = x.relu()?;
    tape.output("y", &y);
    tape.watch("sum", &y.sum_all()?)?;
    tape.compile(gpu)
}

impl Made {
    fn new(owner: Owner) -> Made {
        let gpu = match owner {
            Owner::Foveate => own_gpu(),
            Owner::Caller => {
                let adapter = adapter();
                let (device, queue) = device(&adapter, |_| {});
                Gpu::from_wgpu(&adapter, device, queue).unwrap()
            }
        };
        let mut program = program(&gpu).unwrap();
        program.run().unwrap();
        program.watched_blocking().unwrap();
        Made {
            buffer: BufferRange::whole(&gpu.storage("buffer", 64).unwrap()),
            readback: Readback::new(&gpu, 64).unwrap(),
            program,
            gpu,
        }
    }

    fn lose(&self, moment: Moment) {
        match moment {
            Moment::UnderWay => (0..20).for_each(|_| self.program.run().unwrap()),
            _ => self.gpu.wait().unwrap(),
        }
        self.gpu.device().destroy();
        if let Moment::Later = moment {
            let everything = wgpu::PollType::wait_indefinitely();
            self.gpu.device().poll(everything).unwrap();
        }
    }
}

/// Every call that touches the device.
type Call = fn(&mut Made) -> Result<(), Error>;
const CALLS: &[(&str, Call)] = &[
    ("Gpu::check_lost", |m| Ok(m.gpu.check_lost()?)),
    ("Gpu::wait", |m| Ok(m.gpu.wait()?)),
    ("Gpu::write", |m| Ok(m.gpu.write(&m.buffer, &[1; 64])?)),
    ("Gpu::read", |m| {
        Ok(pollster::block_on(m.gpu.read(&m.buffer)).map(drop)?)
    }),
    ("Gpu::read_blocking", |m| {
        Ok(m.gpu.read_blocking(&m.buffer).map(drop)?)
    }),
    ("Gpu::storage", |m| {
        Ok(m.gpu.storage("more", 64).map(drop)?)
    }),
    ("Gpu::kernel", |m| {
        // One that was not compiled before.
        let shader = ShaderInfo::find("softmax/forward").expect("a shader");
        Ok(m.gpu.kernel(shader).map(drop)?)
    }),
    ("Readback::new", |m| Ok(Readback::new(&m.gpu, 4).map(drop)?)),
    ("Readback::read_blocking", |m| {
        Ok((m.readback.read_blocking(std::slice::from_ref(&m.buffer))).map(drop)?)
    }),
    ("Readback::fetch", |m| {
        let mut encoder = m.gpu.device().create_command_encoder(&Default::default());
        let bytes = (m.readback).record(&mut encoder, std::slice::from_ref(&m.buffer));
        m.gpu.queue().submit([encoder.finish()]);
        Ok(pollster::block_on(m.readback.fetch(bytes)).map(drop)?)
    }),
    ("Arena::new", |m| {
        let mut layout = ArenaLayout::default();
        layout.push("tensor", &[3]);
        Ok(Arena::new(&m.gpu, "arena", layout).map(drop)?)
    }),
    ("FrameStore::new", |m| {
        Ok(FrameStore::new(&m.gpu, 3, FrameShape::rgb(8)).map(drop)?)
    }),
    ("Tape::compile", |m| Ok(program(&m.gpu).map(drop)?)),
    ("Program::run", |m| Ok(m.program.run()?)),
    ("Program::write", |m| {
        Ok(m.program.write("x", &[0.0f32; 64 * 64])?)
    }),
    ("Program::read", |m| {
        Ok(pollster::block_on(m.program.read::<f32>("y")).map(drop)?)
    }),
    ("Program::read_blocking", |m| {
        Ok(m.program.read_blocking::<f32>("y").map(drop)?)
    }),
    ("Program::poison", |m| Ok(m.program.poison()?)),
    ("Program::profile", |m| {
        Ok(m.program
            .profile(foveate::tape::Timer::WallClock)
            .map(drop)?)
    }),
    ("Program::request_watched", |m| {
        Ok(m.program.request_watched()?)
    }),
    ("Program::watched_blocking", |m| {
        Ok(m.program.watched_blocking().map(drop)?)
    }),
];

/// The device's error inside that of a layer above.
fn cause(error: &Error) -> Option<&GpuError> {
    match error {
        Error::Gpu(e) | Error::Tape(TapeError::Gpu(e)) => Some(e),
        _ => None,
    }
}

/// What is wrong with this answer of a lost device; `None` if it is the right one.
fn wrong(outcome: Result<(), Error>) -> Option<String> {
    match outcome {
        Ok(()) => Some("pretends that all is well".to_string()),
        Err(error) if cause(&error).is_some_and(is_lost) => None,
        Err(error) => Some(format!("{error:?}")),
    }
}

fn every_call_says_so(owner: Owner, moment: Moment) {
    let mut mistaken = vec![];
    for (name, call) in CALLS {
        let mut made = Made::new(owner);
        made.lose(moment);
        for time in ["first", "second"] {
            let said = wrong(call(&mut made));
            mistaken.extend(said.map(|said| format!("{name}, {time} time: {said}")));
        }
    }
    assert!(
        mistaken.is_empty(),
        "{owner:?}, {moment:?}:\n{}",
        mistaken.join("\n")
    );
}

#[test]
fn every_call_says_that_the_device_is_lost() {
    every_call_says_so(Owner::Foveate, Moment::AtOnce);
}

#[test]
fn every_call_says_so_though_work_was_under_way() {
    every_call_says_so(Owner::Foveate, Moment::UnderWay);
}

#[test]
fn every_call_says_so_when_buffers_are_gone() {
    every_call_says_so(Owner::Foveate, Moment::Later);
}

#[test]
fn every_call_says_so_of_a_device_of_the_callers() {
    every_call_says_so(Owner::Caller, Moment::AtOnce);
    every_call_says_so(Owner::Caller, Moment::Later);
}

#[test]
fn a_lost_device_of_the_callers_is_refused() {
    let adapter = adapter();
    let (device, queue) = device(&adapter, |_| {});
    device.destroy();
    let error = Gpu::from_wgpu(&adapter, device, queue).unwrap_err();
    assert!(is_lost(&error), "{error:?}");
}

/// The reason is the one that wgpu gives to whoever opened the device.
#[test]
fn the_reason_is_told_where_it_is_known() {
    let made = Made::new(Owner::Foveate);
    made.lose(Moment::Later);
    let said = made.gpu.check_lost().unwrap_err().to_string();
    assert!(said.contains("Destroyed"), "{said}");
}

/// A request of watched values that was under way comes to an end.
#[test]
fn watched_values_asked_for_before_the_loss_are_an_error() {
    for moment in [Moment::AtOnce, Moment::UnderWay, Moment::Later] {
        for waiting in [false, true] {
            let mut made = Made::new(Owner::Foveate);
            made.program.run().unwrap();
            made.program.request_watched().unwrap();
            made.lose(moment);
            let rows = match waiting {
                true => made.program.watched_blocking(),
                false => made.program.poll_watched(),
            };
            let said = wrong(rows.map(drop).map_err(Error::from));
            assert_eq!(said, None, "{moment:?}, waiting: {waiting}");
        }
    }
}

/// What is recorded into an encoder of the caller's is the caller's to submit: it has
/// no effect, and the next call of foveate says why.
#[test]
fn recording_for_a_lost_device_does_no_harm() {
    for moment in [Moment::AtOnce, Moment::UnderWay, Moment::Later] {
        let made = Made::new(Owner::Foveate);
        let encoder = || {
            made.gpu
                .device()
                .create_command_encoder(&Default::default())
        };
        let mut before = encoder();
        made.program.encode(&mut before);
        made.lose(moment);
        made.gpu.queue().submit([before.finish()]);
        let mut after = encoder();
        made.program.encode(&mut after);
        made.gpu.queue().submit([after.finish()]);
        assert!(is_lost(&made.gpu.check_lost().unwrap_err()), "{moment:?}");
    }
}

/// A small agent with its replay and its world.
struct Acting {
    gpu: Gpu,
    agent: Agent,
    policy: Policy,
    replay: Replay,
    env: Box<dyn Environment>,
    options: EnvOptions,
}

impl Acting {
    fn new() -> Result<Acting, Error> {
        let gpu = own_gpu();
        let config = Config {
            image_size: 8,
            batch: 2,
            num_shared_layers: 1,
            num_filters: 2,
            hidden_dim: 8,
            projection_dim: 4,
            ..Config::new(AgentKind::Sac, "native/reach", Preset::Tiny)
        };
        let mut agent = Agent::new(&gpu, &config, 2)?;
        let replay = Replay::new(&gpu, shape(&config))?;
        agent.compile_updates(&replay, None)?;
        let policy = agent.policy(replay.store(), 1)?;
        let options = EnvOptions {
            image_size: 8,
            ..EnvOptions::new("native/reach")
        };
        Ok(Acting {
            env: open(&gpu, frames(&replay), &options)?,
            policy,
            agent,
            replay,
            options,
            gpu,
        })
    }
}

fn frames(replay: &Replay) -> &FrameStore {
    replay.store().pixels().unwrap()
}

fn shape(config: &Config) -> ReplayShape {
    ReplayShape {
        capacity: 20,
        frame_stack: config.frame_stack,
        action_dim: 2,
        observed: ObservedShape::rgb(config.image_size),
        episode_steps: 50,
    }
}

type ActingCall = fn(&mut Acting) -> Result<(), Error>;
const ACTING: &[(&str, ActingCall)] = &[
    ("Agent::update", |a| Ok(a.agent.update(0)?)),
    ("Agent::watched", |a| Ok(a.agent.watched().map(drop)?)),
    ("Policy::act", |a| {
        Ok(a.policy.act(&[0; 3], true).map(drop)?)
    }),
    ("Replay::write_frame", |a| {
        Ok(a.replay.write_frame(0, &[0; 3 * 64])?)
    }),
    ("Replay::read_frames", |a| {
        Ok(a.replay.read_frames(0..2).map(drop)?)
    }),
    ("Environment::observe", |a| {
        a.env.step(&[0.0; 2], &mut [Transition::default()])?;
        a.env.observe(&[1])
    }),
    ("Agent::new", |a| {
        Agent::new(&a.gpu, a.agent.config(), 2).map(drop)
    }),
    ("Agent::policy", |a| {
        Ok(a.agent.policy(a.replay.store(), 1).map(drop)?)
    }),
    ("Replay::new", |a| {
        Replay::new(&a.gpu, shape(a.agent.config())).map(drop)
    }),
    ("envs::open", |a| {
        open(&a.gpu, frames(&a.replay), &a.options).map(drop)
    }),
];

#[test]
fn an_agent_says_that_its_device_is_lost() {
    for (name, call) in ACTING {
        let mut acting = Acting::new().unwrap();
        call(&mut acting).unwrap();
        acting.gpu.device().destroy();
        assert_eq!(wrong(call(&mut acting)), None, "{name}");
    }
}
