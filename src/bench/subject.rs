//! Something that can be run over and over, and what a run of it has to do.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::Error;
use crate::agents::Agent;
use crate::agents::sac::Turn;
use crate::envs::native::scene::SceneData;
use crate::envs::native::{NativeEnvironment, Renderer};
use crate::envs::{Environment, Transition};
use crate::gpu::{Gpu, Kernel, Timestamps};
use crate::tape::{Cost, Program};

/// What is measured.
#[derive(Debug)]
pub struct Subject {
    kind: Kind,
    /// Whether it is only recorded, by the host.
    recorded: bool,
}

#[derive(Debug)]
enum Kind {
    Program(Box<Program>),
    /// One of an agent's update programs.
    Update(Rc<Agent>, Turn),
    Kernel(KernelRun),
    Drawing(Box<Drawing>),
    Playing(Box<RefCell<Playing>>),
}

/// One dispatch of a kernel outside any program.
#[derive(Debug)]
pub(super) struct KernelRun {
    pub kernel: Arc<Kernel>,
    pub bind_group: wgpu::BindGroup,
    pub groups: [u32; 3],
    pub cost: Cost,
}

/// Scenes that a renderer draws; it encodes and submits by itself.
#[derive(Debug)]
pub(super) struct Drawing {
    pub renderer: Renderer,
    pub scenes: Vec<SceneData>,
    pub slots: Vec<u32>,
}

/// Worlds that are stepped and drawn, episode after episode.
pub(super) struct Playing {
    environment: NativeEnvironment,
    /// Agent steps in all, from which actions are made.
    steps: usize,
    episodes: Vec<u64>,
    slots: Vec<u32>,
    actions: Vec<f32>,
    transitions: Vec<Transition>,
}

impl std::fmt::Debug for Playing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Playing")
            .field(self.environment.spec())
            .finish()
    }
}

impl Playing {
    /// Environment i is drawn into slot i of the store that it was opened with.
    pub(super) fn new(environment: NativeEnvironment) -> Playing {
        let count = environment.count();
        let dim = environment.spec().action_dim;
        Playing {
            environment,
            steps: 0,
            episodes: vec![0; count],
            slots: (0..count as u32).collect(),
            actions: vec![0.0; count * dim],
            transitions: vec![Transition::default(); count],
        }
    }

    pub(super) fn environment(&self) -> &NativeEnvironment {
        &self.environment
    }

    /// An agent step of every environment, with actions that swing to and fro, each at a
    /// pace of its own.
    pub(super) fn step(&mut self) -> Result<(), Error> {
        const SLOWEST: f32 = 0.05;
        for (i, action) in self.actions.iter_mut().enumerate() {
            *action = (SLOWEST * (1 + i % 16) as f32 * self.steps as f32).sin();
        }
        self.steps += 1;
        (self.environment).step(&self.actions, &mut self.transitions)?;
        for (env, transition) in self.transitions.iter().enumerate() {
            if transition.truncated || transition.terminated {
                self.episodes[env] += 1;
                self.environment.reset(env, self.episodes[env])?;
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Error> {
        self.environment.observe(&self.slots)
    }
}

impl Subject {
    /// A program.
    pub fn program(program: Program) -> Subject {
        Subject::of(Kind::Program(Box::new(program)))
    }

    /// The update of one turn; `None` where [`Agent::compile_updates`] was not called,
    /// or that turn does not occur.
    pub fn update(agent: Rc<Agent>, turn: Turn) -> Option<Subject> {
        let occurs = agent.updates().any(|(t, _)| *t == turn);
        occurs.then_some(Subject::of(Kind::Update(agent, turn)))
    }

    pub(super) fn kernel(run: KernelRun) -> Subject {
        Subject::of(Kind::Kernel(run))
    }

    pub(super) fn drawing(drawing: Drawing) -> Subject {
        Subject::of(Kind::Drawing(Box::new(drawing)))
    }

    pub(super) fn playing(playing: Playing) -> Subject {
        Subject::of(Kind::Playing(Box::new(RefCell::new(playing))))
    }

    fn of(kind: Kind) -> Subject {
        Subject {
            kind,
            recorded: false,
        }
    }

    /// What recording a program for a replay costs the host, per dispatch, in place of
    /// what running it costs the device. Changes nothing about what is no program.
    pub fn recording(self) -> Subject {
        Subject {
            recorded: self.as_program().is_some(),
            ..self
        }
    }

    /// The program whose recording is measured, if that is.
    pub(super) fn recorded(&self) -> Option<&Program> {
        self.as_program().filter(|_| self.recorded)
    }

    /// The program behind it, if it is one.
    fn as_program(&self) -> Option<&Program> {
        match &self.kind {
            Kind::Program(program) => Some(program),
            Kind::Update(agent, turn) => {
                (agent.updates()).find_map(|(t, program)| (t == turn).then_some(program))
            }
            Kind::Kernel(_) | Kind::Drawing(_) | Kind::Playing(_) => None,
        }
    }

    /// What one run has to do.
    pub fn cost(&self) -> Cost {
        match &self.kind {
            // The device has nothing to do.
            _ if self.recorded => Cost::default(),
            Kind::Kernel(run) => run.cost,
            // No yardstick: what a ray has to do depends on what it meets.
            Kind::Drawing(_) | Kind::Playing(_) => Cost::default(),
            _ => {
                let mut sum = Cost::default();
                for cost in self.as_program().iter().flat_map(|p| p.costs()) {
                    sum.flops += cost.flops;
                    sum.bytes += cost.bytes;
                }
                sum
            }
        }
    }

    /// Frames that one run draws, where that is what it is for.
    pub fn frames(&self) -> Option<usize> {
        match &self.kind {
            Kind::Drawing(drawing) => Some(drawing.scenes.len()),
            Kind::Playing(playing) => Some(playing.borrow().slots.len()),
            _ => None,
        }
    }

    /// Dispatches of one run.
    pub fn dispatches(&self) -> usize {
        match self.as_program() {
            Some(program) if !self.recorded => program.dispatches().len(),
            _ => 1,
        }
    }

    /// The shader permutation that has most to do: most floating-point operations, or
    /// most bytes where no dispatch states any. None where nothing runs.
    pub fn variant(&self) -> &'static str {
        match &self.kind {
            _ if self.recorded => "",
            Kind::Kernel(run) => run.kernel.shader.key,
            Kind::Drawing(_) | Kind::Playing(_) => Renderer::SHADER,
            _ => (self.as_program())
                .and_then(|p| {
                    let work = |cost: Cost| (cost.flops, cost.bytes);
                    let all = p.dispatches().zip(p.costs());
                    all.max_by_key(|(_, cost)| work(*cost))
                })
                .map_or("", |((_, shader), _)| shader),
        }
    }

    pub(super) fn can_be_stamped(&self) -> bool {
        !self.recorded && !matches!(self.kind, Kind::Drawing(_) | Kind::Playing(_))
    }

    /// Submits `runs` runs and says when; the encoding is done before. The timestamps,
    /// if given and possible, are those of the begin of the first and the end of the last.
    pub(super) fn submit(
        &self,
        gpu: &Gpu,
        runs: usize,
        stamps: Option<&Timestamps>,
    ) -> Result<Instant, Error> {
        gpu.check_lost()?;
        if let Kind::Drawing(d) = &self.kind {
            let started = Instant::now();
            for _ in 0..runs {
                d.renderer.draw(&d.scenes, &d.slots)?;
            }
            return Ok(started);
        }
        if let Kind::Playing(playing) = &self.kind {
            let mut playing = playing.borrow_mut();
            let started = Instant::now();
            for _ in 0..runs {
                playing.step()?;
                playing.draw()?;
            }
            return Ok(started);
        }
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("bench"),
                timestamp_writes: stamps.map(|s| s.of_pass(0)),
            });
            let program = self.as_program();
            for _ in 0..runs {
                match (&self.kind, program) {
                    (_, Some(program)) => program.record(&mut pass),
                    (Kind::Kernel(run), None) => {
                        pass.set_pipeline(&run.kernel.pipeline);
                        pass.set_bind_group(0, &run.bind_group, &[]);
                        let [x, y, z] = run.groups;
                        pass.dispatch_workgroups(x, y, z);
                    }
                    _ => {}
                }
            }
        }
        if let Some(stamps) = stamps {
            stamps.resolve(&mut encoder);
        }
        let commands = encoder.finish();
        let started = Instant::now();
        gpu.queue().submit([commands]);
        Ok(started)
    }
}
