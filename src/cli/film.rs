//! What one agent makes of an episode by one method, as an animation or as pictures.

use super::attention::{Newest, columns, row};
use super::episode::Moment;
use super::error::CliError;
use super::session::Trained;
use crate::envs::native::Mode;
use crate::media::Rgb8;
use crate::media::panel::PanelGrid;
use crate::saliency::Method;

/// Milliseconds that each moment is shown.
pub(super) const DELAY_MS: u32 = 140;

/// A moment of an episode of one run by one method: a row for each look. All moments of
/// an episode have one size.
pub(super) fn panel(
    trained: &Trained,
    method: &Method,
    modes: &[Mode],
    moment: &Moment,
) -> Result<Rgb8, CliError> {
    let config = &trained.config;
    let sight = &moment.sights[0];
    let explained = &sight.explained[0];
    let segmentation = sight.segmentation.as_deref();
    let mut cells = vec![];
    for explanation in explained {
        let newest = Newest::of(explanation, config.image_size)?;
        cells.extend(row(
            &newest.observation,
            &newest.map,
            &newest.mask,
            newest.predicted.as_deref(),
            segmentation,
        )?);
    }
    let predicts = explained.iter().any(|e| e.predicted.is_some());
    let q = explained.first().map_or(0.0, |e| e.q);
    let grid = PanelGrid {
        columns: columns(method, config, predicts, segmentation.is_some()),
        rows: modes.iter().map(Mode::to_string).collect(),
        cells,
        caption: format!(
            "{} on {}: step {} · return so far {:.1} · Q {q:.1}",
            config.agent, config.env, moment.step, moment.total
        ),
    };
    Ok(grid.render()?)
}
