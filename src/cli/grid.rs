//! Agents × methods on the same picture: a table as in the figures of the paper of SGQN
//! (5 and 12: what masks keep; 16 and 17: by several methods).

use super::attention::{Empty, FULL_COLOUR, Newest, heat_legend, map_legend, segmentation_legend};
use super::episode::Moment;
use super::error::CliError;
use crate::config::Config;
use crate::media::colormap;
use crate::media::panel::{Legend, PanelGrid};
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

impl Cells {
    /// What the colours of the cells mean; `rho` is the quantile of each agent's masks.
    fn legend(self, rho: &[f64]) -> Legend {
        match self {
            Cells::Overlay => heat_legend("maps"),
            Cells::Map => map_legend("maps"),
            Cells::Mask => {
                let mut rho = rho.to_vec();
                rho.sort_by(f64::total_cmp);
                rho.dedup();
                let quantiles: Vec<String> = rho.iter().map(f64::to_string).collect();
                Legend {
                    title: format!("in colour: the mask at quantile {}", quantiles.join(", ")),
                    colours: vec![],
                }
            }
        }
    }
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
    /// What the segmentation's ids stand for.
    pub parts: &'static [&'static str],
    /// The quantile of the masks.
    pub rho: f64,
}

/// Draws rows under the titles of the methods. The caption says how many maps are empty.
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
    let rho: Vec<f64> = rows.iter().map(|row| row.rho).collect();
    let mut legends = vec![cells.legend(&rho)];
    if let Some(row) = rows.iter().find(|row| row.segmentation.is_some()) {
        legends.push(segmentation_legend(row.parts));
    }
    let (mut pictures, mut empty) = (vec![], Empty::default());
    for row in rows {
        pictures.push(row.views.first().map(|view| view.picture.clone()));
        for view in &row.views {
            empty.count(&view.map);
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
        caption: empty.caption(caption),
        legends,
    }
    .render()
}

/// The row of run `run`, which has this configuration, and look `mode` of a moment.
pub(super) fn row_of(
    moment: &Moment,
    [run, mode]: [usize; 2],
    config: &Config,
    label: String,
) -> Result<Row, CliError> {
    let (sight, side) = (&moment.sights[run], config.image_size);
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
        parts: sight.parts,
        rho: config.rho,
    })
}
