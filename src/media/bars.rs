//! Bar charts: one bar per row of a table, with its name on the left and its value
//! behind it. Everything lies on whole pixels, so nothing needs antialiasing but text.

use super::rgb8::{Rgb, WHITE};
use super::text::{INK, Label, Weight, cut};
use super::{MediaError, Rgb8};

const WIDTH: usize = 1280;
/// Of a bar with the space around it, and of the bar alone.
const ROW: usize = 24;
const THICKNESS: usize = 14;
/// Around the bars: top (title, legend, numbers), right (values), bottom, left (names).
const MARGINS: [usize; 4] = [104, 180, 24, 600];
/// Where the second column of names begins.
const DETAIL: usize = 220;
const EDGE: usize = 16;
const TITLE_SIZE: f32 = 19.0;
const TEXT_SIZE: f32 = 14.0;
/// Grid lines are a quarter of the full value apart.
const QUARTERS: f64 = 4.0;
/// Bars are cut at this multiple of the full value.
const MOST: f64 = 1.5;

const GRID: Rgb = [232, 232, 232];
const FULL: Rgb = [90, 90, 90];
const FAINT: Rgb = [110, 110, 110];
/// Okabe and Ito's colours, which colour-blind readers tell apart.
const KINDS: [Rgb; 4] = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167]];

/// One bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bar {
    /// Its name.
    pub label: String,
    /// What tells it from others of that name.
    pub detail: String,
    /// Its length, 0 or more; what is not finite has no bar.
    pub value: f64,
    /// Stands behind the value.
    pub note: String,
    /// Which of [`Bars::kinds`] it is of.
    pub kind: usize,
}

/// A bar chart. Any part may be empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// Over the chart.
    pub title: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
    /// What the colours mean.
    pub kinds: Vec<String>,
    /// The value that counts as all: a line marks it. Longer bars go on to half as
    /// much again, and are cut there.
    pub full: f64,
    /// Behind every value, e.g. ` %`.
    pub unit: String,
}

impl Bars {
    /// Draws the chart, 1,280 pixels wide and as high as the bars need.
    ///
    /// # Errors
    /// [`MediaError::Shape`] or [`MediaError::Encode`] if text cannot be drawn.
    pub fn render(&self) -> Result<Rgb8, MediaError> {
        let [top, _, bottom, left] = MARGINS;
        let height = top + ROW * self.bars.len().max(1) + bottom;
        let mut picture = Rgb8::filled(WIDTH, height, WHITE)?;
        let regular = |text: &str| Label::new(text, TEXT_SIZE, Weight::Regular);
        let title = cut(&self.title, TITLE_SIZE, Weight::Bold, WIDTH - 2 * EDGE)?;
        title.draw(&mut picture, EDGE as i64, 12, INK);
        self.draw_kinds(&mut picture)?;

        let scale = self.scale();
        for quarter in 0..=(scale.most / self.full() * QUARTERS).round() as usize {
            let value = self.full() * quarter as f64 / QUARTERS;
            let (x, full) = (scale.x(value), quarter as f64 == QUARTERS);
            let colour = if full { FULL } else { GRID };
            rectangle(
                &mut picture,
                [x, top - 6],
                [1, height - bottom - top + 6],
                colour,
            );
            let number = regular(&format!("{}{}", short(value), self.unit))?;
            number.draw_centred(&mut picture, x as i64, top as i64 - 18, INK);
        }
        for (i, bar) in self.bars.iter().enumerate() {
            let middle = top + ROW * i + ROW / 2;
            let text = |picture: &mut Rgb8, text: &str, [from, to]: [usize; 2], colour| {
                let label = cut(text, TEXT_SIZE, Weight::Regular, to - from)?;
                let y = middle as i64 - label.height() as i64 / 2;
                // No grid line runs through text.
                let clear = [label.width() + 6, THICKNESS + 2];
                rectangle(picture, [from - 3, middle - clear[1] / 2], clear, WHITE);
                label.draw(picture, from as i64, y, colour);
                Ok::<(), MediaError>(())
            };
            text(&mut picture, &bar.label, [EDGE, DETAIL - 8], INK)?;
            text(&mut picture, &bar.detail, [DETAIL, left - 12], FAINT)?;
            if !bar.value.is_finite() {
                continue;
            }
            let end = scale.x(bar.value.clamp(0.0, scale.most));
            let colour = KINDS[bar.kind % KINDS.len()];
            let y = middle - THICKNESS / 2;
            rectangle(
                &mut picture,
                [left, y],
                [(end - left).max(1), THICKNESS],
                colour,
            );
            if bar.value > scale.most {
                // Two gaps: it goes on.
                for gap in [14, 8] {
                    rectangle(&mut picture, [end - gap, y], [3, THICKNESS], WHITE);
                }
            }
            let value = format!("{}{}  {}", short(bar.value), self.unit, bar.note);
            text(&mut picture, value.trim_end(), [end + 8, WIDTH - 4], INK)?;
        }
        // The axis lies over the bars' beginnings.
        rectangle(
            &mut picture,
            [left, top - 6],
            [1, height - bottom - top + 6],
            INK,
        );
        Ok(picture)
    }

    fn full(&self) -> f64 {
        if self.full.is_finite() && self.full > 0.0 {
            self.full
        } else {
            1.0
        }
    }

    fn scale(&self) -> Scale {
        let longest = (self.bars.iter().map(|b| b.value))
            .filter(|v| v.is_finite())
            .fold(0.0, f64::max);
        let quarter = self.full() / QUARTERS;
        let most = (longest / quarter).ceil() * quarter;
        Scale {
            most: most.clamp(self.full(), MOST * self.full()),
        }
    }

    /// A square of its colour before each name, side by side below the title.
    fn draw_kinds(&self, picture: &mut Rgb8) -> Result<(), MediaError> {
        let mut x = EDGE;
        for (i, name) in self.kinds.iter().enumerate() {
            rectangle(picture, [x, 50], [12, 12], KINDS[i % KINDS.len()]);
            let room = WIDTH.saturating_sub(x + 20 + EDGE);
            let label = cut(name, TEXT_SIZE, Weight::Regular, room)?;
            label.draw(picture, x as i64 + 20, 56 - label.height() as i64 / 2, INK);
            x += 20 + label.width() + 28;
        }
        Ok(())
    }
}

/// From values to pixels.
struct Scale {
    /// The value at the right end.
    most: f64,
}

impl Scale {
    fn x(&self, value: f64) -> usize {
        let [_, right, _, left] = MARGINS;
        left + (value / self.most * (WIDTH - left - right) as f64).round() as usize
    }
}

/// At most three digits.
fn short(value: f64) -> String {
    let digits = usize::from(value > 0.0 && value < 9.95 && value.fract() != 0.0);
    format!("{value:.digits$}")
}

fn rectangle(picture: &mut Rgb8, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: Rgb) {
    for row in y..y + height {
        for column in x..x + width {
            picture.set(column, row, colour);
        }
    }
}
