//! The moments of one episode, as one or several agents see and explain them.

use super::error::CliError;
use super::output::note;
use super::progress::Progress;
use super::session::{Trained, evaluation_options};
use crate::agents::Report;
use crate::agents::explain::{Explainer, Explanation};
use crate::envs::native::Mode;
use crate::envs::{Environment, Transition, open};
use crate::gpu::{FrameStore, Gpu};
use crate::saliency::Method;

/// Fewer pictures are valued at a glance: a bar would only flicker.
pub(super) const GLANCE: usize = 1_000;

/// Which moments of an episode are explained.
#[derive(Debug, Clone)]
pub(super) enum Moments {
    /// The first `steps`, every so many.
    Every { steps: usize, every: usize },
    /// These agent steps, from 0.
    At(Vec<usize>),
    /// This agent step, or the last of an episode that has fewer.
    Early(usize),
}

impl Moments {
    /// Those of an episode of so many steps, in their order, each once.
    fn within(&self, limit: usize) -> Vec<usize> {
        let wants = |step: usize| match self {
            Moments::Every { steps, every } => step < *steps && step.is_multiple_of(*every),
            Moments::At(steps) => steps.contains(&step),
            Moments::Early(early) => step == (*early).min(limit - 1),
        };
        (0..limit).filter(|step| wants(*step)).collect()
    }

    /// The first step that was named and that an episode of so many steps does not have.
    fn beyond(&self, limit: usize) -> Option<usize> {
        match self {
            Moments::Every { .. } => None,
            Moments::At(steps) => steps.iter().copied().find(|step| *step >= limit),
            Moments::Early(early) => Some(*early).filter(|step| *step >= limit),
        }
    }
}

/// An episode that is explained. The first agent acts, upon the first look; the others
/// see the same moments.
pub(super) struct Episode<'a> {
    pub runs: &'a [Trained],
    pub methods: &'a [Method],
    pub modes: &'a [Mode],
    pub moments: Moments,
}

/// One moment.
pub(super) struct Moment {
    pub step: usize,
    /// The return before it.
    pub total: f32,
    /// Of each run.
    pub sights: Vec<Sight>,
}

/// What an agent makes of a moment.
pub(super) struct Sight {
    /// For each method, of each look.
    pub explained: Vec<Vec<Explanation>>,
    /// What each pixel belongs to, [side · side]; native worlds only.
    pub segmentation: Option<Vec<u8>>,
    /// What its ids stand for: [`World::parts`](crate::envs::native::World::parts).
    pub parts: &'static [&'static str],
    /// 255 where the task's things are, [side · side]; native worlds only.
    pub truth: Option<Vec<u8>>,
}

impl Episode<'_> {
    /// Plays the episode and gives each moment that is asked for.
    ///
    /// # Errors
    /// [`CliError::OtherEnvironment`], [`CliError::NoMoment`]; those of explaining.
    pub fn watch(
        &self,
        gpu: &Gpu,
        quiet: bool,
        each: &mut dyn FnMut(&Moment) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut witnesses = vec![];
        for trained in self.runs {
            witnesses.push(self.witness(gpu, trained)?);
        }
        let limit = (witnesses.first()).map_or(0, |w| w.env.spec().episode_steps);
        let wanted = self.moments.within(limit);
        if let (Moments::At(_), Some(step)) = (&self.moments, self.moments.beyond(limit)) {
            return Err(CliError::NoMoment { step, limit });
        }
        let explainers = witnesses.iter().flat_map(|w| &w.explainers);
        let each_moment: usize = explainers.map(Explainer::steps).sum();
        let mut work = Work::new(each_moment * wanted.len(), GLANCE, quiet);
        let mut total = 0.0;
        for step in 0..=wanted.last().copied().unwrap_or_default() {
            for witness in &mut witnesses {
                witness.observe(step)?;
            }
            let before = total;
            let mut show = |witnesses: &mut [Witness]| -> Result<(), CliError> {
                let mut sights = vec![];
                for witness in witnesses {
                    sights.push(witness.explain(step, &mut |done| work.advance(done))?);
                }
                each(&Moment {
                    step,
                    total: before,
                    sights,
                })
            };
            if wanted.contains(&step) {
                show(&mut witnesses)?;
            }
            let Some(acting) = witnesses.first().filter(|_| Some(&step) != wanted.last()) else {
                break;
            };
            let action = acting.act(step)?;
            let mut over = false;
            for (i, witness) in witnesses.iter_mut().enumerate() {
                let mut answer = [Transition::default()];
                let stepped = witness.env.step(&action, &mut answer);
                witness.env.take_notices().iter().for_each(|n| note(n));
                stepped?;
                if witness.env.outcome(0).is_some_and(|outcome| outcome.lost) {
                    return Err(CliError::EpisodeLost { step });
                }
                let [answer] = answer;
                if i == 0 {
                    total += answer.reward;
                    over = answer.terminated || answer.truncated;
                }
            }
            if over {
                // Some tasks end before their time: what was named may not be there.
                let seen = step + 1;
                match (&self.moments, self.moments.beyond(seen)) {
                    // Nobody named it. The frames of this moment are still there.
                    (Moments::Early(_), Some(_)) => show(&mut witnesses)?,
                    (_, Some(step)) => return Err(CliError::NoMoment { step, limit: seen }),
                    (_, None) => {}
                }
                break;
            }
        }
        work.finish();
        Ok(())
    }

    /// An agent with the environment of the first, drawn as this one sees it.
    fn witness(&self, gpu: &Gpu, trained: &Trained) -> Result<Witness, CliError> {
        let (config, rows) = (&trained.config, self.modes.len());
        let first = self.runs.first().unwrap_or(trained);
        trained.restore_kernels(gpu)?;
        if config.env != first.config.env {
            return Err(CliError::OtherEnvironment {
                run: trained.directory.root().to_path_buf(),
                env: config.env.clone(),
                first: first.directory.root().to_path_buf(),
                right: first.config.env.clone(),
            });
        }
        // Row r keeps its last frames in slots r · stack and on.
        let frame = trained.agent.eye().frame();
        let store = FrameStore::new(gpu, rows * config.frame_stack, frame)?;
        let mode = self.modes.first().copied().unwrap_or_default();
        let mut options = evaluation_options(&first.config, mode, first.python.clone());
        options.image_size = config.rendered_size();
        // The game that `eval` plays.
        options.evaluation = true;
        let mut env = open(gpu, &store, &options)?;
        env.reset(0, 0)?;
        let explainers = (self.methods.iter())
            .map(|method| Explainer::of_stacks(&trained.agent, &store, rows, method));
        Ok(Witness {
            explainers: explainers.collect::<Result<_, _>>()?,
            env,
            modes: self.modes.to_vec(),
            stack: config.frame_stack,
            sides: [config.rendered_size(), config.image_size],
        })
    }
}

/// An agent that looks on.
struct Witness {
    env: Box<dyn Environment>,
    /// Of each method.
    explainers: Vec<Explainer>,
    modes: Vec<Mode>,
    stack: usize,
    /// Of frames as they are drawn, and as the agent sees them.
    sides: [usize; 2],
}

impl Witness {
    fn slot(&self, row: usize, frame: usize) -> u32 {
        (row * self.stack + frame % self.stack) as u32
    }

    /// Draws this moment in every look.
    fn observe(&mut self, step: usize) -> Result<(), CliError> {
        let slots: Vec<u32> = (0..self.modes.len()).map(|r| self.slot(r, step)).collect();
        match self.env.as_native() {
            Some(native) => {
                for (mode, slot) in self.modes.iter().zip(slots) {
                    native.observe_in(*mode, &[slot])?;
                }
            }
            None => self.env.observe(&slots[..1])?,
        }
        Ok(())
    }

    /// The stacks that end at `step`, look after look: the first frame of the episode
    /// stands for those before it.
    fn slots(&self, step: usize) -> Vec<u32> {
        let frames = |row| {
            let first = |f: usize| (step + f + 1).saturating_sub(self.stack);
            (0..self.stack).map(move |f| self.slot(row, first(f)))
        };
        (0..self.modes.len()).flat_map(frames).collect()
    }

    /// The agent's action upon the first look.
    fn act(&self, step: usize) -> Result<Vec<f32>, CliError> {
        let actions = match self.explainers.first() {
            Some(explainer) => explainer.actions(&self.slots(step))?,
            None => vec![],
        };
        Ok(actions.into_iter().next().unwrap_or_default())
    }

    fn explain(&mut self, step: usize, done: &mut dyn FnMut(usize)) -> Result<Sight, CliError> {
        let slots = self.slots(step);
        let mut explained = vec![];
        for explainer in &self.explainers {
            explained.push(explainer.explain_stacks_with(&slots, done)?);
        }
        let (mut segmentation, mut truth, mut parts) = (None, None, &[][..]);
        if let Some(native) = self.env.as_native() {
            let [drawn, side] = self.sides;
            let seen = |pixels: Vec<u8>| middle(&pixels, drawn, side);
            segmentation = native.segmentation()?.into_iter().next().map(seen);
            parts = native.world().parts();
            truth = native.saliency()?.into_iter().next().map(seen);
        }
        Ok(Sight {
            explained,
            segmentation,
            parts,
            truth,
        })
    }
}

/// How far the explaining is, in pictures that were valued.
pub(super) struct Work {
    progress: Progress,
    done: u64,
    all: u64,
}

impl Work {
    /// `steps` pictures in all. Shown only where these are no fewer than `glance`.
    pub fn new(steps: usize, glance: usize, quiet: bool) -> Work {
        Work {
            progress: Progress::of("picture", quiet || steps < glance),
            done: 0,
            all: steps as u64,
        }
    }

    pub fn advance(&mut self, pictures: usize) {
        self.done += pictures as u64;
        self.progress.report(&Report {
            step: self.done,
            steps: self.all,
            ..Default::default()
        });
    }

    pub fn finish(self) {
        self.progress.finish();
    }
}

/// The middle `side`×`side` pixels of `drawn`×`drawn` ones: what an agent that crops sees.
fn middle(pixels: &[u8], drawn: usize, side: usize) -> Vec<u8> {
    let start = (drawn - side) / 2;
    (pixels.chunks_exact(drawn).skip(start).take(side))
        .flat_map(|row| &row[start..start + side])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Moments, middle};

    #[test]
    fn moments_are_those_of_the_episode() {
        let every = Moments::Every { steps: 7, every: 3 };
        assert_eq!(every.within(9), [0, 3, 6]);
        assert_eq!(every.within(5), [0, 3]);
        assert_eq!(every.beyond(1), None);
        let at = Moments::At(vec![4, 1, 4]);
        assert_eq!(at.within(9), [1, 4]);
        assert_eq!(
            (at.beyond(5), at.beyond(4), at.beyond(1)),
            (None, Some(4), Some(4))
        );
        let early = Moments::Early(10);
        assert_eq!((early.within(11), early.within(4)), (vec![10], vec![3]));
    }

    #[test]
    fn the_middle_is_what_lies_as_far_from_every_edge() {
        let pixels: Vec<u8> = (0..36).collect();
        assert_eq!(middle(&pixels, 6, 2), [14, 15, 20, 21]);
        assert_eq!(middle(&pixels, 6, 6), pixels);
    }
}
