//! Attention on image files of any size: what a trained agent would look at in them.

use std::path::Path;

use super::attention::{Method, Newest, columns, row};
use super::error::CliError;
use super::session::Trained;
use crate::agents::explain::Explainer;
use crate::media::image_file::{self, Fit};
use crate::media::panel::PanelGrid;
use crate::media::{MediaError, Rgb8};

/// Pictures are shown at their own size up to this many pixels a side, shrunk beyond.
const LARGEST_SIDE: usize = 1024;
/// Bars around pictures that are not square: neither bright nor dark.
const GREY: [u8; 3] = [128; 3];

/// Explains one image file: it is fitted into the network's square input whole (with
/// grey bars where it is not square) and repeated over the frame stack; the maps are
/// cut and scaled back to the picture. Gives a panel of one row.
pub(super) fn explain(
    trained: &Trained,
    explainer: &Explainer,
    method: Method,
    file: &Path,
) -> Result<Rgb8, CliError> {
    let config = &trained.config;
    let side = config.image_size;
    let picture = shrunk(image_file::read(file)?)?;
    let input = image_file::resize_square(&picture, side, Fit::Letterbox(GREY))?;
    let pixels: Vec<f32> = input.to_chw().into_iter().map(f32::from).collect();
    let explained = explainer.explain_pixels(&pixels.repeat(config.frame_stack))?;
    let mut cells = vec![];
    let mut caption = String::new();
    for explanation in &explained {
        let newest = Newest::of(explanation, side)?;
        let back = Back::new(&picture, side);
        cells.extend(row(
            &picture,
            &back.smooth(&newest.map),
            &back.blocks(&newest.mask),
            newest.predicted.map(|p| back.smooth(&p)).as_deref(),
            None,
        )?);
        let action: Vec<String> = explanation
            .action
            .iter()
            .map(|a| format!("{a:.2}"))
            .collect();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        caption = format!(
            "{name}: action {} · Q {:.1}",
            action.join(", "),
            explanation.q
        );
    }
    let predicts = explained.iter().any(|e| e.predicted.is_some());
    let grid = PanelGrid {
        columns: columns(method, config, predicts, false),
        rows: vec![String::new()],
        cells,
        caption,
    };
    Ok(grid.render()?)
}

/// The picture, its longer side at most [`LARGEST_SIDE`].
fn shrunk(picture: Rgb8) -> Result<Rgb8, MediaError> {
    let longer = picture.width().max(picture.height());
    if longer <= LARGEST_SIDE {
        return Ok(picture);
    }
    let (width, height) = fitted(picture.width(), picture.height(), LARGEST_SIDE);
    // All is kept, in a square whose bars are cut off again.
    let square = image_file::resize_square(&picture, LARGEST_SIDE, Fit::Letterbox(GREY))?;
    let (x0, y0) = ((LARGEST_SIDE - width) / 2, (LARGEST_SIDE - height) / 2);
    let bytes = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| square.get(x0 + x, y0 + y).unwrap_or(GREY))
        .collect();
    Rgb8::new(width, height, bytes)
}

/// The extent of a picture whose longer side becomes `side`: rounded, at least 1, as
/// [`image_file::resize_square`] letterboxes it.
fn fitted(width: usize, height: usize, side: usize) -> (usize, usize) {
    let longer = width.max(height).max(1);
    let scaled = |extent: usize| ((extent * side + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
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
        let inner = fitted(width, height, side);
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

    #[test]
    fn the_extent_is_the_one_that_letterboxing_uses() {
        for (width, height) in [(8, 4), (5, 7), (100, 3), (31, 31), (1, 500)] {
            let picture = Rgb8::filled(width, height, [255, 0, 0]).unwrap();
            let square = image_file::resize_square(&picture, 36, Fit::Letterbox([0; 3])).unwrap();
            let (w, h) = fitted(width, height, 36);
            let red = square.colours().filter(|c| c[0] > 0).count();
            assert_eq!(red, w * h, "{width}×{height}");
            let corner = ((36 - w) / 2, (36 - h) / 2);
            assert_eq!(square.get(corner.0, corner.1), Some([255, 0, 0]));
        }
    }
}
