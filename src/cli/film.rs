//! What one agent makes of an episode by one method, as an animation or as pictures.

use super::attention::{Empty, Newest, columns, map_legend, row, segmentation_legend};
use super::episode::Moment;
use super::error::CliError;
use super::output::tenths;
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
    let (mut cells, mut empty) = (vec![], Empty::default());
    for explanation in explained {
        let newest = Newest::of(explanation, config.image_size)?;
        empty.count(&newest.map);
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
    let mut legends = vec![map_legend(method.title())];
    legends.extend(segmentation.map(|_| segmentation_legend(sight.parts)));
    let grid = PanelGrid {
        columns: columns(method, config, predicts, segmentation.is_some()),
        rows: modes.iter().map(Mode::to_string).collect(),
        cells,
        caption: empty.caption(format!(
            "{} on {}: step {} · return so far {} · Q {}",
            config.agent,
            config.env,
            moment.step,
            tenths(moment.total),
            tenths(q)
        )),
        legends,
    };
    Ok(grid.render()?)
}
