//! Bands: how far values scatter around a line.

use super::*;

/// How much of the line's colour a band has.
const OPACITY: f64 = 0.17;

/// Steps with the lower and the upper end of the band there.
type Stretch = Vec<(f64, f64, f64)>;

impl Series {
    /// The steps that have a band, in stretches without a gap.
    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = vec![];
        let mut joined = false;
        for (i, &(x, y)) in self.points.iter().enumerate() {
            let spread = self.spread.get(i).copied().unwrap_or(f64::NAN);
            if !(0.0..=LARGEST).contains(&spread) {
                joined = false;
                continue;
            }
            let end = (x, y - spread, y + spread);
            match stretches.last_mut() {
                Some(stretch) if joined => stretch.push(end),
                _ => stretches.push(vec![end]),
            }
            joined = true;
        }
        stretches
    }

    /// The ends of the band, for the axes.
    pub(super) fn band(&self) -> impl Iterator<Item = f64> {
        let ends = self.stretches().into_iter().flatten();
        ends.flat_map(|(_, low, high)| [low, high])
    }
}

/// The band of a series, pale, to be drawn before any line; a step on its own has a bar.
pub(super) fn draw_band(
    chart: &mut Chart<'_, '_>,
    series: &Series,
    colour: Rgb,
) -> Result<(), MediaError> {
    let [r, g, b] = colour;
    for stretch in series.stretches() {
        if let [(x, low, high)] = stretch[..] {
            let bar = LineSeries::new([(x, low), (x, high)], stroke(paler(colour), 2.0));
            chart.draw_series(bar).map_err(failed)?;
            continue;
        }
        let upper = stretch.iter().map(|&(x, _, high)| (x, high));
        let lower = stretch.iter().rev().map(|&(x, low, _)| (x, low));
        let outline: Vec<_> = upper.chain(lower).collect();
        let fill = RGBColor(r, g, b).mix(OPACITY).filled();
        chart
            .draw_series([Polygon::new(outline, fill)])
            .map_err(failed)?;
    }
    Ok(())
}
