//! Learning curves: return over steps.
//!
//! The lines are drawn by `plotters` at three times the size and averaged down
//! (its bitmap backend does not antialias thick lines); the text is [`text`]'s,
//! set at the final size.
//!
//! [`text`]: super::text

mod band;

use std::iter::repeat;
use std::ops::Range;

use plotters::coord::ranged1d::{BoldPoints, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::rgb8::{Rgb, WHITE};
use super::text::{INK, Label, Weight, cut};
use super::{MediaError, Rgb8};

const WIDTH: usize = 1000;
const HEIGHT: usize = 600;
const SUPERSAMPLING: usize = 3;
const TITLE_SIZE: f32 = 19.0;
const TEXT_SIZE: f32 = 15.0;
/// Around the plot: top, right (the legend), bottom, left.
const MARGINS: [usize; 4] = [56, 226, 64, 86];
/// Beyond this, values are left out like NaN: no return is that large, and the
/// arithmetic of ticks stays exact enough.
const LARGEST: f64 = 1e15;

const TRAINING: Rgb = [120, 120, 120];
const GRID: Rgb = [232, 232, 232];
/// Okabe and Ito's colours, which colour-blind readers tell apart.
const MODES: [Rgb; 6] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
];
const REFERENCE: Rgb = [90, 90, 90];

/// A line through points (step, value).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    /// (step, value), in order of the steps.
    pub points: Vec<(f64, f64)>,
    /// How far values scatter around each point, e.g. their standard deviation: half the
    /// height of a pale band, ≥ 0. A point has none where this is shorter or NaN.
    pub spread: Vec<f64>,
}

/// What a learning curve shows. Any part may be empty; points that are NaN or
/// beyond ±10¹⁵ are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Over the plot.
    pub title: String,
    /// Under the x axis, e.g. `agent steps`.
    pub x_label: String,
    /// Left of the y axis, e.g. `return`.
    pub y_label: String,
    /// (step, return) of each training episode: thin, with its smoothed line.
    pub episodes: Vec<(f64, f64)>,
    /// The smoothed line is the mean of this many latest episodes (0 and 1: no
    /// smoothed line).
    pub smooth: usize,
    /// Evaluations, one series per mode: lines with a marker at each point.
    pub evaluations: Vec<Series>,
    /// Horizontal dashed lines, e.g. `("random", 20.0)`, `("expert", 95.0)`.
    pub references: Vec<(String, f64)>,
}

impl Series {
    /// The series without the points that cannot be drawn.
    fn finite(&self) -> Series {
        let spread = self.spread.iter().copied().chain(repeat(f64::NAN));
        let kept = self.points.iter().copied().zip(spread);
        let (points, spread) = kept.filter(|(point, _)| can_be_drawn(point)).unzip();
        Series {
            label: self.label.clone(),
            points,
            spread,
        }
    }
}

fn can_be_drawn((x, y): &(f64, f64)) -> bool {
    x.abs() <= LARGEST && y.abs() <= LARGEST
}

impl Curve {
    /// Draws the curve, 1000×600 pixels.
    ///
    /// # Errors
    /// [`MediaError::Encode`] if the plotting library fails.
    pub fn render(&self) -> Result<Rgb8, MediaError> {
        let drawn = self.finite();
        let (mut picture, ticks) = drawn.draw_lines()?;
        drawn.draw_text(&mut picture, &ticks)?;
        Ok(picture)
    }

    /// The curve without the points that cannot be drawn.
    fn finite(&self) -> Curve {
        Curve {
            episodes: (self.episodes.iter().copied())
                .filter(can_be_drawn)
                .collect(),
            evaluations: self.evaluations.iter().map(Series::finite).collect(),
            references: self
                .references
                .iter()
                .filter(|(_, y)| y.abs() <= LARGEST)
                .cloned()
                .collect(),
            ..self.clone()
        }
    }

    /// What the axes must span.
    fn ranges(&self) -> (Range<f64>, Range<f64>) {
        let points = || {
            let evaluated = self.evaluations.iter().flat_map(|s| &s.points);
            self.episodes.iter().chain(evaluated).copied()
        };
        let references = self.references.iter().map(|(_, y)| *y);
        let bands = self.evaluations.iter().flat_map(Series::band);
        (
            // Training starts at step 0, whenever its first episode ends.
            padded(points().map(|(x, _)| x).chain([0.0]), 0.0),
            padded(
                points().map(|(_, y)| y).chain(references).chain(bands),
                0.06,
            ),
        )
    }

    fn draw_lines(&self) -> Result<(Rgb8, Ticks), MediaError> {
        let (x_range, y_range) = self.ranges();
        let (wide, high) = (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING);
        let mut buffer = vec![255u8; wide * high * 3];
        let ticks = {
            let paper = BitMapBackend::with_buffer(&mut buffer, (wide as u32, high as u32))
                .into_drawing_area();
            let [top, right, bottom, left] = MARGINS.map(|m| (m * SUPERSAMPLING) as i32);
            let mut chart = ChartBuilder::on(&paper)
                .margin_top(top)
                .margin_right(right)
                .margin_bottom(bottom)
                .margin_left(left)
                .build_cartesian_2d(x_range.clone(), y_range.clone())
                .map_err(failed)?;

            let x_axis: RangedCoordf64 = x_range.clone().into();
            let y_axis: RangedCoordf64 = y_range.clone().into();
            let x_ticks = x_axis.key_points(BoldPoints(8));
            let y_ticks = y_axis.key_points(BoldPoints(7));
            for &y in &y_ticks {
                let line = [(x_range.start, y), (x_range.end, y)];
                chart
                    .draw_series(LineSeries::new(line, stroke(GRID, 1.0)))
                    .map_err(failed)?;
            }

            for (i, series) in self.evaluations.iter().enumerate() {
                band::draw_band(&mut chart, series, MODES[i % MODES.len()])?;
            }
            let smoothed = trailing_mean(&self.episodes, self.smooth);
            let raw = if smoothed.is_empty() {
                TRAINING
            } else {
                paler(TRAINING)
            };
            draw_line(&mut chart, &self.episodes, raw, 1.0)?;
            draw_line(&mut chart, &smoothed, TRAINING, 2.0)?;
            for (i, (_, y)) in self.references.iter().enumerate() {
                let line = [(x_range.start, *y), (x_range.end, *y)];
                let (dash, gap) = dashes(i);
                let style = stroke(REFERENCE, 1.4);
                chart
                    .draw_series(DashedLineSeries::new(line, dash, gap, style))
                    .map_err(failed)?;
            }
            for (i, series) in self.evaluations.iter().enumerate() {
                let colour = MODES[i % MODES.len()];
                draw_line(&mut chart, &series.points, colour, 2.2)?;
                for point in &series.points {
                    // Markers are in pixels of the paper, not of the axes.
                    let at = chart.backend_coord(point);
                    let outline = marker(i, at, 4.6 * SUPERSAMPLING as f64);
                    paper
                        .draw(&Polygon::new(outline, stroke(colour, 1.0).filled()))
                        .map_err(failed)?;
                }
            }
            self.draw_legend_keys(&paper)?;

            let (x_pixels, y_pixels) = chart.plotting_area().get_pixel_range();
            let axes = [
                vec![
                    (x_pixels.start, y_pixels.start),
                    (x_pixels.start, y_pixels.end),
                ],
                vec![(x_pixels.start, y_pixels.end), (x_pixels.end, y_pixels.end)],
            ];
            for axis in axes {
                paper
                    .draw(&PathElement::new(axis, stroke(INK, 1.2)))
                    .map_err(failed)?;
            }
            let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
            let reach = 5 * SUPERSAMPLING as i32;
            let mut placed = Ticks::default();
            for (text, x) in labelled(&x_ticks) {
                let at = place(x, y_range.start);
                let tick = vec![at, (at.0, at.1 + reach)];
                paper
                    .draw(&PathElement::new(tick, stroke(INK, 1.2)))
                    .map_err(failed)?;
                placed
                    .x
                    .push((text, i64::from(at.0) / SUPERSAMPLING as i64));
            }
            for (text, y) in labelled(&y_ticks) {
                let at = place(x_range.start, y);
                let tick = vec![at, (at.0 - reach, at.1)];
                paper
                    .draw(&PathElement::new(tick, stroke(INK, 1.2)))
                    .map_err(failed)?;
                placed
                    .y
                    .push((text, i64::from(at.1) / SUPERSAMPLING as i64));
            }
            paper.present().map_err(failed)?;
            placed
        };
        let picture = Rgb8::new(wide, high, buffer)?.downscale_mean(SUPERSAMPLING)?;
        Ok((picture, ticks))
    }

    /// The names in the legend, in the order of `draw_legend_keys`.
    fn legend(&self) -> Vec<String> {
        let mut names = Vec::new();
        if !self.episodes.is_empty() {
            names.push("training episode".to_owned());
            if self.smooth > 1 {
                names.push(format!("mean of last {}", self.smooth));
            }
        }
        names.extend(self.evaluations.iter().map(|s| s.label.clone()));
        names.extend(self.references.iter().map(|(label, _)| label.clone()));
        names
    }

    fn draw_legend_keys(
        &self,
        paper: &DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), MediaError> {
        let scale = SUPERSAMPLING as i32;
        let (from, to) = (legend_x() as i32 * scale, (legend_x() as i32 + 28) * scale);
        let mut row = 0;
        let mut next = || {
            row += 1;
            legend_y(row - 1) as i32 * scale
        };
        let line = |y, colour, width| {
            let path = vec![(from, y), (to, y)];
            paper
                .draw(&PathElement::new(path, stroke(colour, width)))
                .map_err(failed)
        };
        if !self.episodes.is_empty() {
            if self.smooth > 1 {
                line(next(), paler(TRAINING), 1.0)?;
                line(next(), TRAINING, 2.0)?;
            } else {
                line(next(), TRAINING, 1.0)?;
            }
        }
        for i in 0..self.evaluations.len() {
            let (y, colour) = (next(), MODES[i % MODES.len()]);
            line(y, colour, 2.2)?;
            let outline = marker(i, ((from + to) / 2, y), 4.6 * f64::from(scale));
            paper
                .draw(&Polygon::new(outline, stroke(colour, 1.0).filled()))
                .map_err(failed)?;
        }
        for i in 0..self.references.len() {
            let y = next();
            let (dash, gap) = dashes(i);
            let style = stroke(REFERENCE, 1.4);
            paper
                .draw(&DashedPathElement::new(
                    vec![(from, y), (to, y)],
                    dash,
                    gap,
                    style,
                ))
                .map_err(failed)?;
        }
        Ok(())
    }

    fn draw_text(&self, picture: &mut Rgb8, ticks: &Ticks) -> Result<(), MediaError> {
        let [top, right, bottom, left] = MARGINS.map(|m| m as i64);
        let (width, height) = (WIDTH as i64, HEIGHT as i64);
        let regular = |text: &str| Label::new(text, TEXT_SIZE, Weight::Regular);
        let middle_x = left + (width - left - right) / 2;
        let middle_y = top + (height - top - bottom) / 2;

        let title = cut(
            &self.title,
            TITLE_SIZE,
            Weight::Bold,
            WIDTH - MARGINS[3] - 12,
        )?;
        title.draw(picture, left, top / 2 - title.height() as i64 / 2, INK);
        regular(&self.x_label)?.draw_centred(picture, middle_x, height - 20, INK);
        regular(&self.y_label)?
            .turned_left()
            .draw_centred(picture, 20, middle_y, INK);
        for (text, x) in &ticks.x {
            regular(text)?.draw_centred(picture, *x, height - bottom + 17, INK);
        }
        for (text, y) in &ticks.y {
            let label = regular(text)?;
            let (w, h) = (label.width() as i64, label.height() as i64);
            label.draw(picture, left - 10 - w, y - h / 2, INK);
        }
        for (row, name) in self.legend().iter().enumerate() {
            let label = cut(name, TEXT_SIZE, Weight::Regular, MARGINS[1] - 64)?;
            let y = legend_y(row) - label.height() as i64 / 2;
            label.draw(picture, legend_x() + 38, y, INK);
        }
        Ok(())
    }
}

/// Labels of the ticks and where they stand, in pixels of the final picture.
#[derive(Default)]
struct Ticks {
    x: Vec<(String, i64)>,
    y: Vec<(String, i64)>,
}

type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A line; a single point, which makes no line, shows as a dot.
fn draw_line(
    chart: &mut Chart<'_, '_>,
    points: &[(f64, f64)],
    colour: Rgb,
    width: f64,
) -> Result<(), MediaError> {
    if let [point] = points {
        let radius = ((width + 1.0) * SUPERSAMPLING as f64) as i32;
        let dot = Circle::new(*point, radius, stroke(colour, 1.0).filled());
        chart.draw_series([dot]).map_err(failed)?;
    } else {
        let line = LineSeries::new(points.iter().copied(), stroke(colour, width));
        chart.draw_series(line).map_err(failed)?;
    }
    Ok(())
}

/// A range that holds all values, has an extent, and `padding` of it to spare
/// on both sides; 0..1 if there is no value.
fn padded(values: impl Iterator<Item = f64>, padding: f64) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low > high {
        return 0.0..1.0;
    }
    // A constant series lies in the middle of a range that it can be read off.
    let least = (low.abs().max(high.abs()) * 1e-3).max(1e-6);
    if high - low < least {
        let half = if low == 0.0 && high == 0.0 {
            1.0
        } else {
            (low.abs().max(high.abs()) * 0.1).max(least)
        };
        let low = if padding == 0.0 { low } else { low - half };
        return low..high + half;
    }
    let spare = padding * (high - low);
    low - spare..high + spare
}

/// The mean of the latest `window` values at each point; empty if there is
/// nothing to smooth.
fn trailing_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    if window < 2 {
        return Vec::new();
    }
    (0..points.len())
        .map(|i| {
            let latest = &points[(i + 1).saturating_sub(window)..=i];
            let sum: f64 = latest.iter().map(|(_, y)| y).sum();
            (points[i].0, sum / latest.len() as f64)
        })
        .collect()
}

/// Ticks with their texts: as many decimals as the step between them needs,
/// thousands as `k`, millions as `M`.
fn labelled(ticks: &[f64]) -> Vec<(String, f64)> {
    let step = match ticks {
        [a, b, ..] => (b - a).abs(),
        _ => 1.0,
    };
    let largest = ticks.iter().fold(0.0f64, |m, t| m.max(t.abs()));
    let (unit, suffix) = if largest >= 1e6 {
        (1e6, "M")
    } else if largest >= 1e4 {
        (1e3, "k")
    } else {
        (1.0, "")
    };
    let decimals = (0..9)
        .find(|&d| {
            let shifted = step / unit * 10f64.powi(d);
            (shifted - shifted.round()).abs() < 1e-6 * shifted.max(1e-3)
        })
        .unwrap_or(9) as usize;
    ticks
        .iter()
        .map(|&t| {
            // A rounding error around zero must not read "-0".
            let shown = if t.abs() < step * 1e-6 { 0.0 } else { t };
            let sign = if shown < 0.0 { "−" } else { "" };
            let suffix = if shown == 0.0 { "" } else { suffix };
            let decimals = if shown == 0.0 && !suffix.is_empty() {
                0
            } else {
                decimals
            };
            let value = shown.abs() / unit;
            (format!("{sign}{value:.decimals$}{suffix}"), t)
        })
        .collect()
}

/// Line style: `width` in pixels of the final picture.
fn stroke(colour: Rgb, width: f64) -> ShapeStyle {
    let [r, g, b] = colour;
    ShapeStyle::from(RGBColor(r, g, b))
        .stroke_width((width * SUPERSAMPLING as f64).round().max(1.0) as u32)
}

fn paler(colour: Rgb) -> Rgb {
    std::array::from_fn(|c| WHITE[c] - (WHITE[c] - colour[c]) / 2)
}

/// Dash and gap of the i-th reference line, so that they differ without colour.
fn dashes(i: usize) -> (i32, i32) {
    let (dash, gap) = [(3, 4), (9, 5), (14, 4)][i % 3];
    let scale = SUPERSAMPLING as i32;
    (dash * scale, gap * scale)
}

/// The outline of the i-th mode's marker: circle, square, triangle, diamond.
fn marker(i: usize, (x, y): (i32, i32), radius: f64) -> Vec<(i32, i32)> {
    let (corners, turn, grow) = [
        (24, 0.0, 1.0),
        (4, 0.125, 1.25),
        (3, -0.25, 1.35),
        (4, 0.0, 1.3),
    ][i % 4];
    (0..corners)
        .map(|corner| {
            let angle = std::f64::consts::TAU * (f64::from(corner) / f64::from(corners) + turn);
            let r = radius * grow;
            (
                x + (r * angle.cos()).round() as i32,
                y + (r * angle.sin()).round() as i32,
            )
        })
        .collect()
}

fn legend_x() -> i64 {
    (WIDTH - MARGINS[1] + 18) as i64
}

fn legend_y(row: usize) -> i64 {
    (MARGINS[0] + 14 + 25 * row) as i64
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> MediaError {
    MediaError::Encode {
        what: "a learning curve",
        reason: error.to_string(),
    }
}
