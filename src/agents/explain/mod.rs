//! Where an agent looks: attribution maps, masks, and the mask that it predicts
//! itself, for frame stacks of a store or for any pixels.

mod record;

pub use record::{record, record_guided_gradcam};

use super::agent::Agent;
use super::observations::Observations;
use crate::Error;
use crate::gpu::{BufferRange, FrameStore};
use crate::ops::{Framing, TapeError, Var};
use crate::saliency::{Method, Questions};
use crate::tape::{Gradient, Program, Tape, Tensor};

/// Changed pictures at a time, where a method asks about many.
pub const BATCH: usize = 64;

/// What a picture of an agent's attention is made of, per observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The observation itself, [3F, S, S] in 0..255.
    pub obs: Vec<f32>,
    /// The action taken, as the environment takes it: the policy's mean, or the action of
    /// the largest Q.
    pub action: Vec<f32>,
    /// Q1 of observation and action; of agents that choose, Q.
    pub q: f32,
    /// Attribution M of that to the pixels, [3F, S, S], signed. Gradients are per unit of
    /// 0..255, Guided Grad-CAM is such a gradient times the cam; occlusion and RISE have
    /// the unit of Q, the same for the channels of a frame, RISE for all frames.
    pub map: Vec<f32>,
    /// Mask at quantile ρ, [F, S, S], 0 or 1; 0 where the map is, whatever its quantile:
    /// see [`QuantileMask::kept`](crate::saliency::QuantileMask::kept).
    pub mask: Vec<f32>,
    /// Probability that a pixel is in the mask, as SGQN's decoder predicts it,
    /// [3F, S, S]; `None` for agents without a decoder.
    pub predicted: Option<Vec<f32>>,
}

/// A compiled explanation of `count` observations at a time.
#[derive(Debug)]
pub struct Explainer {
    /// All of it, or for black boxes all but map and mask.
    program: Program,
    /// Of methods that ask about many changed pictures: one observation at a time.
    questions: Option<Questions>,
    count: usize,
    has_decoder: bool,
}

impl Explainer {
    /// Explains frame stacks of `store`, given by their slots; the frames are those that
    /// [`Eye::frame`](super::Eye::frame) asks for. Of methods that ask about many changed
    /// pictures, [`BATCH`] of these are valued at a time.
    ///
    /// # Errors
    /// [`Error::FrozenEncoder`] for methods that are about convolutions where the agent has
    /// none; those of the method's options and of compiling.
    pub fn of_stacks(
        agent: &Agent,
        store: &FrameStore,
        count: usize,
        method: &Method,
    ) -> Result<Explainer, Error> {
        let tape = Tape::new();
        let slots = tape.input("slots", Tensor::u32(&[count, agent.config().frame_stack]));
        let obs = match agent.eye().encoder() {
            Some(_) => slots.stack_frames(store, None)?,
            None => {
                let store = Observations::Pixels(store.clone());
                agent.eye().see(&tape, &slots, &store, Framing::Centre)?
            }
        };
        Explainer::compile(agent, &tape, &obs, count, method)
    }

    /// Explains pixels, f32[count, C·F, S, S] in 0..255: as the agent's CNN sees them, or
    /// for a frozen encoder as the environment draws them.
    ///
    /// # Errors
    /// As [`Explainer::of_stacks`].
    pub fn of_pixels(agent: &Agent, count: usize, method: &Method) -> Result<Explainer, Error> {
        let tape = Tape::new();
        let (eye, shape) = (agent.eye(), &agent.learner().shape);
        let planes = match eye.encoder() {
            Some(_) => eye.frame().planes,
            None => shape.planes,
        };
        let side = shape.image_size;
        let channels = planes * shape.frame_stack;
        let obs = tape.input("pixels", Tensor::f32(&[count, channels, side, side]));
        Explainer::compile(agent, &tape, &obs, count, method)
    }

    fn compile(
        agent: &Agent,
        tape: &Tape,
        obs: &Var,
        count: usize,
        method: &Method,
    ) -> Result<Explainer, Error> {
        let frozen = agent.eye().encoder().is_some();
        let by_convolutions = matches!(method, Method::Guided | Method::GuidedGradCam);
        if frozen && by_convolutions {
            let method = method.name();
            return Err(Error::FrozenEncoder { method });
        }
        let shape = obs.shape();
        let (channels, picture) = (shape[1], [shape[2], shape[3]]);
        let black_box = match method {
            Method::Occlusion(options) => {
                Some(options.black_box(picture, agent.config().frame_stack)?)
            }
            Method::Rise(options) => Some(options.black_box(picture)?),
            _ => None,
        };
        match method {
            Method::Gradient => record(agent, tape, obs, Gradient::True)?,
            Method::Guided => record(agent, tape, obs, Gradient::Guided)?,
            Method::GuidedGradCam => record_guided_gradcam(agent, tape, obs)?,
            Method::Occlusion(_) | Method::Rise(_) => record::choice(agent, tape, obs)?,
        }
        let questions = match black_box {
            Some(black_box) => Some(Questions::new(
                agent.gpu(),
                black_box.as_ref(),
                channels,
                picture,
                BATCH,
                |tape, changed| record::value(agent, tape, changed),
                |tape, map| record::spread(agent, tape, map),
            )?),
            None => None,
        };
        Ok(Explainer {
            program: tape.compile(agent.gpu())?,
            questions,
            count,
            has_decoder: record::predicts(agent),
        })
    }

    /// Explains stacks given by slots [count · F], oldest first.
    ///
    /// # Errors
    /// Those of the device.
    pub fn explain_stacks(&self, slots: &[u32]) -> Result<Vec<Explanation>, Error> {
        self.explain_stacks_with(slots, &mut |_| {})
    }

    /// [`Explainer::explain_stacks`]; `done` is told how many of
    /// [`steps`](Explainer::steps) are done since it was told last.
    ///
    /// # Errors
    /// Those of the device.
    pub fn explain_stacks_with(
        &self,
        slots: &[u32],
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Explanation>, Error> {
        self.program.write("slots", slots)?;
        self.run(done)
    }

    /// Explains pixels [count · C·F · S · S].
    ///
    /// # Errors
    /// Those of the device.
    pub fn explain_pixels(&self, pixels: &[f32]) -> Result<Vec<Explanation>, Error> {
        self.explain_pixels_with(pixels, &mut |_| {})
    }

    /// [`Explainer::explain_pixels`], as [`Explainer::explain_stacks_with`].
    ///
    /// # Errors
    /// Those of the device.
    pub fn explain_pixels_with(
        &self,
        pixels: &[f32],
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Explanation>, Error> {
        self.program.write("pixels", pixels)?;
        self.run(done)
    }

    /// The actions, `[count][|A|]`, alone, of stacks given by slots as in
    /// [`Explainer::explain_stacks`].
    ///
    /// # Errors
    /// Those of the device.
    pub fn actions(&self, slots: &[u32]) -> Result<Vec<Vec<f32>>, Error> {
        self.program.write("slots", slots)?;
        self.program.run()?;
        Ok(self.read("action")?)
    }

    /// Pictures that the agent values in one call: what a progress bar counts.
    pub fn steps(&self) -> usize {
        self.count * self.questions.as_ref().map_or(1, Questions::items)
    }

    fn run(&self, done: &mut dyn FnMut(usize)) -> Result<Vec<Explanation>, Error> {
        self.program.run()?;
        let [obs, action, q] = ["obs", "action", "q"].map(|name| self.read(name));
        let (obs, action, q) = (obs?, action?, q?);
        let [map, mask] = match &self.questions {
            Some(questions) => self.ask(questions, done)?,
            None => {
                let maps = [self.read("map")?, self.read("mask")?];
                done(self.count);
                maps
            }
        };
        let mut predicted = match self.has_decoder {
            true => self.read("predicted")?.into_iter().map(Some).collect(),
            false => vec![None; self.count],
        };
        Ok((0..self.count)
            .map(|i| Explanation {
                obs: obs[i].clone(),
                action: action[i].clone(),
                q: q[i][0],
                map: map[i].clone(),
                mask: mask[i].clone(),
                predicted: predicted[i].take(),
            })
            .collect())
    }

    /// Maps and masks of one observation after the other.
    fn ask(
        &self,
        questions: &Questions,
        done: &mut dyn FnMut(usize),
    ) -> Result<[Vec<Vec<f32>>; 2], Error> {
        let gpu = self.program.gpu();
        let (mut maps, mut masks) = (vec![], vec![]);
        for i in 0..self.count {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            for (from, to) in [("seen", "pixels"), ("action", "action")] {
                let (from, to) = (self.output(from)?, questions.input(to)?);
                let start = from.offset + i as u64 * to.size;
                encoder.copy_buffer_to_buffer(&from.buffer, start, &to.buffer, to.offset, to.size);
            }
            gpu.queue().submit([encoder.finish()]);
            questions.run(done)?;
            maps.push(questions.read("map")?);
            masks.push(questions.read("mask")?);
        }
        Ok([maps, masks])
    }

    /// An output, per observation.
    fn read(&self, name: &str) -> Result<Vec<Vec<f32>>, TapeError> {
        let values: Vec<f32> = self.program.read_blocking(name)?;
        let each = values.len() / self.count;
        Ok(values.chunks_exact(each).map(<[f32]>::to_vec).collect())
    }

    /// The compiled program, for embedding: its outputs are `obs`, `action`, `q` and, but
    /// for methods that ask about many changed pictures, `map` and `mask`; for SGQN also
    /// `predicted`.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What asks about many changed pictures, where the method does.
    pub fn questions(&self) -> Option<&Questions> {
        self.questions.as_ref()
    }

    /// Where the device holds an output.
    ///
    /// # Errors
    /// [`TapeError::UnknownName`].
    pub fn output(&self, name: &str) -> Result<&BufferRange, Error> {
        Ok(&self.program.output_range(name)?.0)
    }
}
