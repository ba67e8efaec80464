//! Attention on image files of any size: what a trained agent would look at in them.

use std::path::Path;

use super::attention::{Empty, Newest, columns, map_legend, row};
use super::error::CliError;
use super::grid::View;
use super::output::tenths;
use super::session::Trained;
use crate::agents::Choices;
use crate::agents::explain::{Explainer, Explanation};
use crate::media::image_file::{self, Fit};
use crate::media::panel::PanelGrid;
use crate::media::{MediaError, Rgb8};
use crate::saliency::Method;

/// Pictures are shown at their own size up to this many pixels a side, shrunk beyond.
const LARGEST_SIDE: usize = 1024;
/// Bars around pictures that are not square: neither bright nor dark.
const GREY: [u8; 3] = [128; 3];

/// An image file as agents get it.
pub(super) struct Still {
    name: String,
    /// At the size in which it is shown.
    pub picture: Rgb8,
}

impl Still {
    /// Reads one image file.
    pub fn read(file: &Path) -> Result<Still, MediaError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Ok(Still {
            name: name.into_owned(),
            picture: shrunk(image_file::read(file)?)?,
        })
    }

    /// Explains it: it is fitted into the network's square input whole (with grey bars
    /// where it is not square) and repeated over the frame stack.
    pub fn explain(
        &self,
        trained: &Trained,
        explainer: &Explainer,
        done: &mut dyn FnMut(usize),
    ) -> Result<Explanation, CliError> {
        let config = &trained.config;
        let fit = Fit::Letterbox(GREY);
        let input = image_file::resize_square(&self.picture, config.image_size, fit)?;
        let pixels: Vec<f32> = input.to_chw().into_iter().map(f32::from).collect();
        let stack = pixels.repeat(config.frame_stack);
        let explained = explainer.explain_pixels_with(&stack, done)?;
        // One was given.
        explained.into_iter().next().ok_or_else(|| {
            CliError::from(MediaError::Shape {
                what: "explanations of an image",
                expected: "1".to_string(),
                got: "none".to_string(),
            })
        })
    }

    /// A map over the picture: cut and scaled back to it.
    pub fn view(&self, trained: &Trained, explanation: &Explanation) -> Result<View, CliError> {
        let side = trained.config.image_size;
        let (newest, back) = (
            Newest::of(explanation, side)?,
            Back::new(&self.picture, side),
        );
        Ok(View {
            picture: self.picture.clone(),
            map: back.smooth(&newest.map),
            mask: back.blocks(&newest.mask),
        })
    }

    /// A panel of one row: all that there is to show of one agent and one method.
    pub fn panel(
        &self,
        trained: &Trained,
        method: &Method,
        explanation: &Explanation,
    ) -> Result<Rgb8, CliError> {
        let side = trained.config.image_size;
        let (newest, back) = (
            Newest::of(explanation, side)?,
            Back::new(&self.picture, side),
        );
        let mut empty = Empty::default();
        empty.count(&newest.map);
        let predicted = newest.predicted.map(|p| back.smooth(&p));
        let cells = row(
            &self.picture,
            &back.smooth(&newest.map),
            &back.blocks(&newest.mask),
            predicted.as_deref(),
            None,
        )?;
        let grid = PanelGrid {
            columns: columns(method, &trained.config, predicted.is_some(), false),
            rows: vec![String::new()],
            cells,
            caption: empty.caption(self.caption(trained.agent.choices(), explanation)),
            legends: vec![map_legend(method.title())],
        };
        Ok(grid.render()?)
    }

    fn caption(&self, choices: Option<&Choices>, explanation: &Explanation) -> String {
        let action = shown_action(choices, &explanation.action);
        let (name, q) = (&self.name, explanation.q);
        format!("{name}: action {action} · Q {}", tenths(q))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An action's components, or its number where it has one.
fn shown_action(choices: Option<&Choices>, action: &[f32]) -> String {
    let digits = match choices.is_some_and(Choices::are_numbers) {
        true => 0,
        false => 2,
    };
    let shown: Vec<String> = action.iter().map(|a| format!("{a:.digits$}")).collect();
    shown.join(", ")
}

/// The picture, its longer side at most [`LARGEST_SIDE`].
fn shrunk(picture: Rgb8) -> Result<Rgb8, MediaError> {
    let longer = picture.width().max(picture.height());
    if longer <= LARGEST_SIDE {
        return Ok(picture);
    }
    image_file::resize_within(&picture, LARGEST_SIDE)
}

/// The way back from a letterboxed square to the picture in it.
struct Back {
    /// Of the picture.
    width: usize,
    height: usize,
    side: usize,
    /// Where in the square the picture lies, in pixels.
    left: usize,
    top: usize,
    inner: (usize, usize),
}

impl Back {
    fn new(picture: &Rgb8, side: usize) -> Back {
        let (width, height) = (picture.width(), picture.height());
        let inner = image_file::size_within(width, height, side);
        Back {
            width,
            height,
            side,
            left: (side - inner.0) / 2,
            top: (side - inner.1) / 2,
            inner,
        }
    }

    /// The place in the square of the middle of a picture's pixel, in pixels of the
    /// square, whose first pixel's middle is at 0.
    fn place(&self, x: usize, y: usize) -> (f32, f32) {
        let along = |i: usize, extent: usize, inner: usize, first: usize| {
            let within = (i as f32 + 0.5) / extent as f32 * inner as f32 - 0.5;
            within.clamp(0.0, (inner - 1) as f32) + first as f32
        };
        (
            along(x, self.width, self.inner.0, self.left),
            along(y, self.height, self.inner.1, self.top),
        )
    }

    fn map(&self, value: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        (0..self.height)
            .flat_map(|y| (0..self.width).map(move |x| self.place(x, y)))
            .map(|(x, y)| value(x, y))
            .collect()
    }

    /// A map [side, side] at the picture's size, interpolated bilinearly.
    fn smooth(&self, map: &[f32]) -> Vec<f32> {
        let last = self.side - 1;
        self.map(|x, y| {
            let (x0, y0) = (x as usize, y as usize);
            let (x1, y1) = ((x0 + 1).min(last), (y0 + 1).min(last));
            let (fx, fy) = (x - x0 as f32, y - y0 as f32);
            let at = |x: usize, y: usize| map[y * self.side + x];
            let upper = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
            let lower = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
            upper * (1.0 - fy) + lower * fy
        })
    }

    /// A mask [side, side] at the picture's size: each of its pixels a block.
    fn blocks(&self, mask: &[f32]) -> Vec<f32> {
        self.map(|x, y| mask[y.round() as usize * self.side + x.round() as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::ActionSpace;

    #[test]
    fn an_action_that_has_a_number_is_shown_by_it() {
        let (numbered, grid) = (ActionSpace::Discrete(6), ActionSpace::Continuous(2));
        let [numbered, grid] = [numbered, grid].map(Choices::of);
        assert_eq!(shown_action(numbered.as_ref(), &[3.0]), "3");
        assert_eq!(shown_action(grid.as_ref(), &[-1.0, 0.0]), "-1.00, 0.00");
        assert_eq!(shown_action(None, &[0.125, -0.5]), "0.12, -0.50");
    }

    #[test]
    fn maps_return_to_the_picture_and_leave_the_bars_behind() {
        // 8 wide, 4 high, in a square of 4: rows 1 and 2 hold the picture.
        let picture = Rgb8::filled(8, 4, [9; 3]).unwrap();
        let back = Back::new(&picture, 4);
        let bars = [7.0; 4];
        let mask = [bars, [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], bars].concat();
        let blocks = back.blocks(&mask);
        let upper = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
        assert_eq!(blocks, [upper, upper, [0.0; 8], [0.0; 8]].concat());
        let smooth = back.smooth(&mask);
        assert_eq!((smooth[0], smooth[8 * 3]), (1.0, 0.0));
        // Three quarters of the way down from a row of 1 to a row of 0.
        assert_eq!(smooth[8 * 2], 0.25);
        assert!(smooth.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn a_picture_of_one_row_survives() {
        let picture = Rgb8::filled(3_000, 1, [50, 60, 70]).unwrap();
        let small = shrunk(picture).unwrap();
        assert_eq!((small.width(), small.height()), (LARGEST_SIDE, 1));
        assert_eq!(small.get(500, 0), Some([50, 60, 70]));
        let back = Back::new(&small, 36);
        assert_eq!(back.smooth(&vec![2.0; 36 * 36]), vec![2.0; LARGEST_SIDE]);
    }
}
