//! Sheets of reconstructions like figure 5 of the ViSaRL paper.

use std::ops::Range;

use super::reconstructor::{Reconstructor, Restoration};
use crate::Error;
use crate::media::Rgb8;
use crate::media::panel::PanelGrid;
use crate::nn::MultiMae;

/// Hidden patches are drawn in this grey.
const HIDDEN: u8 = 128;
/// Kinds of images, in the order of the modalities.
const KINDS: [&str; 2] = ["RGB", "saliency"];

/// Sizes of a sheet's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetSize {
    /// Of an image in pixels.
    pub side: usize,
    /// Of a patch.
    pub patch: usize,
}

/// Rows: the images of `slots`, one for each of the model's batch. Columns: RGB, saliency
/// where there is, and for each of `masks` what is visible and what was restored of each.
///
/// # Errors
/// Those of the device.
pub fn sheet(
    model: &Reconstructor,
    slots: &[u32],
    masks: Range<u32>,
    size: SheetSize,
) -> Result<Rgb8, Error> {
    let restorations = masks
        .map(|mask| model.run(slots, mask))
        .collect::<Result<Vec<_>, _>>()?;
    let Some(first) = restorations.first() else {
        return Ok(PanelGrid::default().render()?);
    };
    let kinds = &KINDS[..first.images.len()];
    let mut columns: Vec<String> = kinds.iter().map(|k| k.to_string()).collect();
    for mask in 1..=restorations.len() {
        for kind in kinds {
            columns.push(format!("{kind} visible, mask {mask}"));
            columns.push(format!("{kind} restored"));
        }
    }
    let mut cells = vec![];
    for sample in 0..slots.len() {
        for modality in 0..kinds.len() {
            cells.push(size.picture(&first.images[modality], sample, modality)?);
        }
        for one in &restorations {
            for modality in 0..kinds.len() {
                cells.push(size.visible(one, sample, modality)?);
                cells.push(size.restored(one, sample, modality)?);
            }
        }
    }
    grid(columns, slots.len(), cells)
}

/// Rows: the images of `slots`. Columns: RGB, saliency, the visible patches of RGB, and RGB
/// restored from these alone and with all of the saliency: by two models that differ in
/// nothing else.
///
/// # Errors
/// Those of the device.
pub fn cross_modal_sheet(
    [alone, helped]: [&Reconstructor; 2],
    slots: &[u32],
    mask: u32,
    size: SheetSize,
) -> Result<Rgb8, Error> {
    let (alone, helped) = (alone.run(slots, mask)?, helped.run(slots, mask)?);
    let columns = [
        KINDS[0],
        KINDS[1],
        "RGB visible",
        "restored from RGB alone",
        "restored with saliency",
    ];
    let mut cells = vec![];
    for sample in 0..slots.len() {
        for modality in 0..KINDS.len() {
            cells.push(size.picture(&alone.images[modality], sample, modality)?);
        }
        cells.push(size.visible(&alone, sample, 0)?);
        cells.push(size.restored(&alone, sample, 0)?);
        cells.push(size.restored(&helped, sample, 0)?);
    }
    grid(columns.map(str::to_string).to_vec(), slots.len(), cells)
}

fn grid(columns: Vec<String>, rows: usize, cells: Vec<Rgb8>) -> Result<Rgb8, Error> {
    let grid = PanelGrid {
        columns,
        rows: vec![String::new(); rows],
        cells: cells.into_iter().map(Some).collect(),
        caption: String::new(),
        legends: vec![],
    };
    Ok(grid.render()?)
}

impl SheetSize {
    /// Image number `sample` of a batch of a modality.
    fn picture(self, values: &[f32], sample: usize, modality: usize) -> Result<Rgb8, Error> {
        let plane = self.side * self.side;
        let channels = if modality == 0 { 3 } else { 1 };
        let values = &values[sample * channels * plane..][..channels * plane];
        let bytes = match modality {
            0 => MultiMae::rgb_bytes(values),
            _ => (values.iter().map(|v| (255.0 * v).round() as u8))
                .collect::<Vec<_>>()
                .repeat(3),
        };
        Ok(Rgb8::from_chw(&bytes, self.side, self.side)?)
    }

    /// The image with its hidden patches in grey.
    fn visible(self, one: &Restoration, sample: usize, modality: usize) -> Result<Rgb8, Error> {
        let mut picture = self.picture(&one.images[modality], sample, modality)?;
        self.each_hidden(one, sample, modality, |x, y| {
            picture.set(x, y, [HIDDEN; 3]);
        });
        Ok(picture)
    }

    /// The image with its hidden patches as they were restored: what a decoder says of
    /// patches that it was given is never compared with them, and means nothing.
    fn restored(self, one: &Restoration, sample: usize, modality: usize) -> Result<Rgb8, Error> {
        let mut picture = self.picture(&one.images[modality], sample, modality)?;
        // Decoders restore modalities in their order first.
        let restored = self.picture(&one.restored[modality].1, sample, modality)?;
        self.each_hidden(one, sample, modality, |x, y| {
            picture.set(x, y, restored.get(x, y).unwrap_or_default());
        });
        Ok(picture)
    }

    fn each_hidden(
        self,
        one: &Restoration,
        sample: usize,
        modality: usize,
        mut what: impl FnMut(usize, usize),
    ) {
        let across = self.side / self.patch;
        let masked = &one.masked[(sample * one.images.len() + modality) * across * across..];
        for y in 0..self.side {
            for x in 0..self.side {
                if masked[y / self.patch * across + x / self.patch] != 0.0 {
                    what(x, y);
                }
            }
        }
    }
}
