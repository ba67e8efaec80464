//! Agents × methods on the same picture: a table as in the figures of the paper of SGQN
//! (5 and 12: what masks keep; 16 and 17: by several methods).

use super::attention::{FULL_COLOUR, Newest};
use super::episode::Moment;
use super::error::CliError;
use crate::media::colormap;
use crate::media::panel::PanelGrid;
use crate::media::{MediaError, Rgb8};
use crate::saliency::Method;

/// What a cell of a grid shows of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Cells {
    /// How much pixels matter, as heat over the picture in grey
    #[default]
    Overlay,
    /// The map itself: red raises the value, blue lowers it
    Map,
    /// What the mask at quantile rho keeps of the picture
    Mask,
}

/// A map over its picture, all of one size.
pub(super) struct View {
    pub picture: Rgb8,
    /// Signed, row by row.
    pub map: Vec<f32>,
    /// 0 or 1.
    pub mask: Vec<f32>,
}

impl View {
    fn cell(&self, cells: Cells) -> Result<Rgb8, MediaError> {
        let (height, width) = (self.picture.height(), self.picture.width());
        match cells {
            Cells::Overlay => colormap::heat_overlay(&self.picture, &self.map, FULL_COLOUR),
            Cells::Map => colormap::diverging(&self.map, height, width, FULL_COLOUR),
            Cells::Mask => colormap::mask_overlay(&self.picture, &self.mask),
        }
    }
}

/// One row of a grid: what an agent, or a look, is called, what is seen, and the view by
/// each method.
pub(super) struct Row {
    pub label: String,
    pub views: Vec<View>,
    pub segmentation: Option<Rgb8>,
}

/// Draws rows under the titles of the methods.
pub(super) fn draw(
    methods: &[Method],
    rows: &[Row],
    cells: Cells,
    caption: String,
) -> Result<Rgb8, MediaError> {
    let truth = rows.iter().any(|row| row.segmentation.is_some());
    let mut columns = vec!["observation".to_string()];
    columns.extend(methods.iter().map(|method| method.title().to_string()));
    if truth {
        columns.push("true segmentation".to_string());
    }
    let mut pictures = vec![];
    for row in rows {
        pictures.push(row.views.first().map(|view| view.picture.clone()));
        for view in &row.views {
            pictures.push(Some(view.cell(cells)?));
        }
        if truth {
            pictures.push(row.segmentation.clone());
        }
    }
    PanelGrid {
        columns,
        rows: rows.iter().map(|row| row.label.clone()).collect(),
        cells: pictures,
        caption,
    }
    .render()
}

/// The row of run `run` and look `mode` of a moment, in pictures of `side`×`side`.
pub(super) fn row_of(
    moment: &Moment,
    [run, mode]: [usize; 2],
    side: usize,
    label: String,
) -> Result<Row, CliError> {
    let sight = &moment.sights[run];
    let mut views = vec![];
    for looks in &sight.explained {
        let explanation = &looks[mode];
        let newest = Newest::of(explanation, side)?;
        views.push(View {
            picture: newest.observation,
            map: newest.map,
            mask: newest.mask,
        });
    }
    let segmentation = sight.segmentation.as_deref();
    Ok(Row {
        label,
        views,
        segmentation: (segmentation.map(|ids| colormap::segmentation(ids, side, side)))
            .transpose()?,
    })
}
