//! Sheets of reconstructions like figure 5 of the ViSaRL paper.

use super::reconstructor::Reconstructor;
use crate::Error;
use crate::media::Rgb8;
use crate::media::panel::PanelGrid;
use crate::nn::MultiMae;

/// Hidden patches are drawn in this grey.
const HIDDEN: u8 = 128;

/// Rows: the images of `slots`, one for each of the model's batch. Columns: RGB, saliency
/// where there is, and for each of `masks` what is visible and what was restored of each.
///
/// # Errors
/// Those of the device.
pub fn sheet(
    model: &Reconstructor,
    slots: &[u32],
    masks: std::ops::Range<u32>,
    side: usize,
    patch: usize,
) -> Result<Rgb8, Error> {
    let restorations = masks
        .map(|mask| model.run(slots, mask))
        .collect::<Result<Vec<_>, _>>()?;
    let Some(first) = restorations.first() else {
        return Ok(PanelGrid::default().render()?);
    };
    let modalities = first.images.len();
    let kinds = ["RGB", "saliency"];
    let mut columns: Vec<String> = kinds[..modalities].iter().map(|k| k.to_string()).collect();
    for mask in 1..=restorations.len() {
        for kind in &kinds[..modalities] {
            columns.push(format!("{kind} visible, mask {mask}"));
            columns.push(format!("{kind} restored"));
        }
    }
    let plane = side * side;
    let picture = |values: &[f32], sample: usize, modality: usize| -> Result<Rgb8, Error> {
        let channels = if modality == 0 { 3 } else { 1 };
        let values = &values[sample * channels * plane..][..channels * plane];
        let bytes = match modality {
            0 => MultiMae::rgb_bytes(values),
            _ => (values.iter().map(|v| (255.0 * v).round() as u8))
                .collect::<Vec<_>>()
                .repeat(3),
        };
        Ok(Rgb8::from_chw(&bytes, side, side)?)
    };
    let across = side / patch;
    let mut cells = vec![];
    for sample in 0..slots.len() {
        for (modality, image) in first.images.iter().enumerate() {
            cells.push(Some(picture(image, sample, modality)?));
        }
        for one in &restorations {
            let masked = &one.masked[sample * modalities * across * across..];
            for (modality, image) in one.images.iter().enumerate() {
                let mut visible = picture(image, sample, modality)?;
                for y in 0..side {
                    for x in 0..side {
                        let at = (modality * across + y / patch) * across + x / patch;
                        if masked[at] != 0.0 {
                            visible.set(x, y, [HIDDEN; 3]);
                        }
                    }
                }
                cells.push(Some(visible));
                // Decoders restore modalities in their order first.
                cells.push(Some(picture(&one.restored[modality].1, sample, modality)?));
            }
        }
    }
    let grid = PanelGrid {
        columns,
        rows: vec![String::new(); slots.len()],
        cells,
        caption: String::new(),
    };
    Ok(grid.render()?)
}
