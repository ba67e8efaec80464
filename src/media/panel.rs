//! Pictures side by side, in labelled columns and rows, on white paper.

use super::rgb8::{Rgb, WHITE};
use super::text::{INK, Label, Weight, cut, wrap};
use super::{MediaError, Rgb8};

/// The smallest side of a cell on paper: small observations are enlarged by
/// whole factors until they reach it (36 → 144, 84 → 168 pixels).
const CELL_AT_LEAST: usize = 140;
/// Between cells.
const GUTTER: usize = 6;
/// Around everything.
const MARGIN: usize = 12;
const TITLE_SIZE: f32 = 15.0;
const CAPTION_SIZE: f32 = 13.0;
/// Side of a sample of a colour in a legend, what is between it and its word, and between
/// a word and the next sample.
const SAMPLE: usize = 11;
const SAMPLE_GAP: usize = 5;
const WORD_GAP: usize = 16;
/// Around a sample: a pale one is seen on white paper.
const OUTLINE: Rgb = [150; 3];
/// A cell for which there is no picture.
const ABSENT: [u8; 3] = [245, 245, 245];

/// A table of pictures: columns are views (observation, attribution, mask …),
/// rows are looks (train, video-hard …).
#[derive(Debug, Clone, Default)]
pub struct PanelGrid {
    /// Titles over the columns, one per column, wrapped to the column's width.
    pub columns: Vec<String>,
    /// Labels left of the rows, read upwards, one per row; empty strings take no room.
    pub rows: Vec<String>,
    /// The pictures, row by row: `rows.len() · columns.len()`. `None` leaves a
    /// pale cell that says `n/a` (a suite without segmentation, say).
    pub cells: Vec<Option<Rgb8>>,
    /// A line under the table, e.g. `step 12 · return 8.4`; empty for none. What is wider
    /// than the table is cut and ends in '…'.
    pub caption: String,
    /// What colours mean, under the caption.
    pub legends: Vec<Legend>,
}

/// What colours mean: a title, and a sample of each colour with a word for it, in lines as
/// wide as the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legend {
    /// What the colours are of, e.g. the title of a column.
    pub title: String,
    pub colours: Vec<(Rgb, String)>,
}

impl PanelGrid {
    /// Draws the table. Every cell is enlarged by the same whole factor (nearest
    /// pixel, so that pixels stay pixels) and centred in a box of the largest
    /// cell's size. The extent depends only on the labels, the legends and the largest
    /// cell: grids that differ in their pictures alone make frames of one size.
    ///
    /// # Errors
    /// [`MediaError::Shape`] if there is no cell, or not one per row and column.
    pub fn render(&self) -> Result<Rgb8, MediaError> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows * columns == 0 || self.cells.len() != rows * columns {
            return Err(MediaError::Shape {
                what: "cells of a panel",
                expected: format!("{rows} rows × {columns} columns, at least one"),
                got: format!("{} cells", self.cells.len()),
            });
        }
        let present = || self.cells.iter().flatten();
        let side = present().map(|c| c.width().max(c.height())).max();
        let zoom = CELL_AT_LEAST.div_ceil(side.unwrap_or(CELL_AT_LEAST));
        let box_width = zoom * present().map(Rgb8::width).max().unwrap_or(CELL_AT_LEAST);
        let box_height = zoom * present().map(Rgb8::height).max().unwrap_or(CELL_AT_LEAST);

        let titles = self
            .columns
            .iter()
            .map(|title| wrap(title, TITLE_SIZE, Weight::Regular, box_width))
            .collect::<Result<Vec<_>, _>>()?;
        let labels = self
            .rows
            .iter()
            .map(|label| {
                let lines = wrap(label, TITLE_SIZE, Weight::Regular, box_height)?;
                Ok(lines.iter().map(Label::turned_left).collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>, MediaError>>()?;
        let title_height = deepest(&titles, Label::height);
        let label_width = deepest(&labels, Label::width);
        let left = MARGIN + label_width + if label_width > 0 { GUTTER } else { 0 };
        let top = MARGIN + title_height + if title_height > 0 { GUTTER } else { 0 };
        let table_width = columns * (box_width + GUTTER) - GUTTER;
        let table_height = rows * (box_height + GUTTER) - GUTTER;
        let caption = cut(&self.caption, CAPTION_SIZE, Weight::Regular, table_width)?;
        let caption_height = if self.caption.is_empty() {
            0
        } else {
            GUTTER + caption.height()
        };
        let (lines, line_height) = (legend_lines(&self.legends, table_width)?, caption.height());
        let legend_height = match lines.is_empty() {
            true => 0,
            false => GUTTER + lines.len() * line_height,
        };
        let mut paper = Rgb8::filled(
            left + table_width + MARGIN,
            top + table_height + caption_height + legend_height + MARGIN,
            WHITE,
        )?;

        for (column, lines) in titles.iter().enumerate() {
            let middle = left + column * (box_width + GUTTER) + box_width / 2;
            // Titles of fewer lines stand on the table, not under the ceiling.
            let mut y = MARGIN + title_height - lines.iter().map(Label::height).sum::<usize>();
            for line in lines {
                let x = middle as i64 - line.width() as i64 / 2;
                line.draw(&mut paper, x, y as i64, INK);
                y += line.height();
            }
        }
        for (row, lines) in labels.iter().enumerate() {
            let middle = top + row * (box_height + GUTTER) + box_height / 2;
            let mut x = MARGIN + label_width - lines.iter().map(Label::width).sum::<usize>();
            for line in lines {
                let y = middle as i64 - line.height() as i64 / 2;
                line.draw(&mut paper, x as i64, y, INK);
                x += line.width();
            }
        }
        for (i, cell) in self.cells.iter().enumerate() {
            let x = left + (i % columns) * (box_width + GUTTER);
            let y = top + (i / columns) * (box_height + GUTTER);
            match cell {
                Some(cell) => {
                    let cell = cell.upscale_nearest(zoom);
                    let x = x + (box_width - cell.width()) / 2;
                    let y = y + (box_height - cell.height()) / 2;
                    paper.paste(&cell, x, y);
                }
                None => {
                    paper.paste(&Rgb8::filled(box_width, box_height, ABSENT)?, x, y);
                    let (x, y) = (x + box_width / 2, y + box_height / 2);
                    Label::new("n/a", TITLE_SIZE, Weight::Regular)?
                        .draw_centred(&mut paper, x as i64, y as i64, [150; 3]);
                }
            }
        }
        let (x, y) = (left as i64, (top + table_height + GUTTER) as i64);
        caption.draw(&mut paper, x, y, INK);
        let mut y = top + table_height + caption_height + GUTTER;
        for line in lines {
            let mut x = left;
            for entry in line {
                if let Some(colour) = entry.colour {
                    let below = (line_height - SAMPLE) / 2;
                    let outline = Rgb8::filled(SAMPLE, SAMPLE, OUTLINE)?;
                    let sample = Rgb8::filled(SAMPLE - 2, SAMPLE - 2, colour)?;
                    paper.paste(&outline, x, y + below);
                    paper.paste(&sample, x + 1, y + below + 1);
                }
                let word = x + entry.indent();
                entry.word.draw(&mut paper, word as i64, y as i64, INK);
                x += entry.width() + WORD_GAP;
            }
            y += line_height;
        }
        Ok(paper)
    }
}

/// A word of a legend, behind a sample of the colour that it is about, or a title.
struct Entry {
    colour: Option<Rgb>,
    word: Label,
}

impl Entry {
    /// At most `width` pixels wide, where a sample fits into that.
    fn new(text: &str, colour: Option<Rgb>, width: usize) -> Result<Entry, MediaError> {
        let mut entry = Entry {
            colour,
            word: Label::new("", CAPTION_SIZE, Weight::Regular)?,
        };
        let room = width.saturating_sub(entry.indent());
        entry.word = cut(text, CAPTION_SIZE, Weight::Regular, room)?;
        Ok(entry)
    }

    fn indent(&self) -> usize {
        self.colour.map_or(0, |_| SAMPLE + SAMPLE_GAP)
    }

    fn width(&self) -> usize {
        self.indent() + self.word.width()
    }
}

/// Legends as lines of at most `width` pixels; each begins a line.
fn legend_lines(legends: &[Legend], width: usize) -> Result<Vec<Vec<Entry>>, MediaError> {
    let mut lines: Vec<Vec<Entry>> = vec![];
    for legend in legends {
        lines.push(vec![Entry::new(&legend.title, None, width)?]);
        let mut right = lines.iter().flatten().last().map_or(0, Entry::width);
        for (colour, word) in &legend.colours {
            let entry = Entry::new(word, Some(*colour), width)?;
            right += WORD_GAP + entry.width();
            match lines.last_mut() {
                Some(line) if right <= width => line.push(entry),
                _ => {
                    right = entry.width();
                    lines.push(vec![entry]);
                }
            }
        }
    }
    Ok(lines)
}

/// The largest sum of `extent` over the lines of one label.
fn deepest(labels: &[Vec<Label>], extent: impl Fn(&Label) -> usize) -> usize {
    labels
        .iter()
        .map(|lines| lines.iter().map(&extent).sum())
        .max()
        .unwrap_or(0)
}
