//! An episode of a trained agent as an animation of its attention.

use super::attention::{Method, Newest, columns, row};
use super::error::CliError;
use super::session::{Trained, evaluation_options};
use crate::agents::explain::Explainer;
use crate::envs::native::Mode;
use crate::envs::{Transition, open};
use crate::gpu::{FrameStore, Gpu};
use crate::media::Rgb8;
use crate::media::panel::PanelGrid;

/// Milliseconds that each moment is shown.
pub(super) const DELAY_MS: u32 = 140;

/// What is filmed.
pub(super) struct Film<'a> {
    pub trained: &'a Trained,
    pub method: Method,
    /// One row each. The agent acts in the first; the others show the same moments.
    pub modes: &'a [Mode],
    /// At most so many agent steps.
    pub steps: usize,
}

impl Film<'_> {
    /// The frames of the animation, all of one size: one per agent step of an
    /// evaluation episode, up to its end.
    pub fn shoot(&self, gpu: &Gpu) -> Result<Vec<Rgb8>, CliError> {
        let (agent, config) = (&self.trained.agent, &self.trained.config);
        let (side, stack) = (config.image_size, config.frame_stack);
        let rows = self.modes.len();
        let acting = self.modes.first().copied().unwrap_or_default();
        // Row r keeps its last frames in slots r · stack and on.
        let store = FrameStore::new(gpu, rows * stack, agent.eye().frame())?;
        let options = evaluation_options(config, acting, self.trained.python.clone());
        let mut env = open(gpu, &store, &options)?;
        let explainer = Explainer::of_stacks(agent, &store, rows, self.method.rule())?;

        env.reset(0, 0)?;
        let mut film = vec![];
        let mut total = 0.0;
        for moment in 0..self.steps {
            let slot = |r: usize, frame: usize| (r * stack + frame % stack) as u32;
            match env.as_native() {
                Some(native) => {
                    for (r, mode) in self.modes.iter().enumerate() {
                        native.observe_in(*mode, &[slot(r, moment)])?;
                    }
                }
                None => env.observe(&[slot(0, moment)])?,
            }
            // The first frame of the episode stands for those before it.
            let slots: Vec<u32> = (0..rows)
                .flat_map(|r| (0..stack).map(move |f| (r, (moment + f + 1).saturating_sub(stack))))
                .map(|(r, frame)| slot(r, frame))
                .collect();
            let explained = explainer.explain_stacks(&slots)?;
            let truth = match env.as_native() {
                Some(native) => native.segmentation()?.into_iter().next(),
                None => None,
            };
            let truth = truth.map(|ids| middle(&ids, config.rendered_size(), side));

            let mut cells = vec![];
            for explanation in &explained {
                let newest = Newest::of(explanation, side)?;
                cells.extend(row(
                    &newest.observation,
                    &newest.map,
                    &newest.mask,
                    newest.predicted.as_deref(),
                    truth.as_deref(),
                )?);
            }
            let predicts = explained.iter().any(|e| e.predicted.is_some());
            let q = explained.first().map_or(0.0, |e| e.q);
            let grid = PanelGrid {
                columns: columns(self.method, config, predicts, truth.is_some()),
                rows: self.modes.iter().map(Mode::to_string).collect(),
                cells,
                caption: format!(
                    "{} on {}: step {moment} · return so far {total:.1} · Q {q:.1}",
                    config.agent, config.env
                ),
            };
            film.push(grid.render()?);

            let mut answer = [Transition::default()];
            let action = explained.first().map_or(&[][..], |e| &e.action);
            env.step(action, &mut answer)?;
            let [answer] = answer;
            total += answer.reward;
            if answer.terminated || answer.truncated {
                break;
            }
        }
        Ok(film)
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
    use super::middle;

    #[test]
    fn the_middle_is_what_lies_as_far_from_every_edge() {
        let pixels: Vec<u8> = (0..36).collect();
        assert_eq!(middle(&pixels, 6, 2), [14, 15, 20, 21]);
        assert_eq!(middle(&pixels, 6, 6), pixels);
    }
}
