//! `foveate bench`: how fast this device does foveate's work, beside how fast it could be.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::error::CliError;
use super::output::{duration, note, print, table};
use super::session::{Session, adapter_name};
use crate::bench::{
    CEILING_STEPS, Ceilings, Effort, Pass, Rate, Row, Scale, Stopwatch, Work, works,
};
use crate::config::nearest;
use crate::gpu::Gpu;
use crate::media::bars::{Bar, Bars};
use crate::media::check_writable;

const EXAMPLES: &str = "\
Examples:
  foveate bench --quick
  foveate bench --filter conv2d
  foveate bench --filter step --plot bench.png
  foveate bench --json > bench.jsonl

The first rows are the device's own ceilings, measured now: f32 multiply-adds, a copy
through memory, what a dispatch costs the device, and what recording one costs the host.
The others are medians over several samples, warm-up apart, with the rate at the median
and its share of the ceiling of that kind. A rate counts the mathematics (a multiply-add
is two operations; each operand is read or written once), whatever a kernel does; that
of `raycast` is frames drawn (forward), or stepped and drawn (step).
What fits into a cache may pass 100 %, and so may, on a CPU, what writes where it has
read: a copy has to fetch what it writes over.

Kernels are chosen as `foveate train` chooses them: measured once for each shape, 30 s at
most, unless --no-tune leaves that to estimates.";

/// Every pass, for the message about an unknown filter.
const PASSES: [Pass; 4] = [Pass::Forward, Pass::Backward, Pass::Step, Pass::Ceiling];

/// Measure the operations that take most of an update's time, and whole updates, as per cent
/// of what this device can do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Print one JSON object per line instead of a table
    #[arg(long)]
    json: bool,
    /// Only rows with this in their name (conv2d) or pass (forward, backward, step);
    /// `ceiling`: nothing but the ceilings
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Shorter samples, and no updates at the papers' sizes
    #[arg(long)]
    quick: bool,
    /// Also draw per cent of the ceiling as a bar chart
    #[arg(long, value_name = "FILE.png")]
    plot: Option<PathBuf>,
    /// Choose kernels by estimate: neither measure them nor use what was
    #[arg(long)]
    no_tune: bool,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    // A mistake is told before anything is measured.
    check_filter(arguments.filter.as_deref())?;
    if let Some(path) = &arguments.plot {
        // The picture comes last, after minutes: find out now whether it can be written.
        check_png(path)?;
        check_writable(path)?;
    }
    let gpu = match arguments.no_tune {
        true => session.gpu()?,
        false => session.tuned_gpu()?,
    };
    let effort = match arguments.quick {
        true => Effort::QUICK,
        false => Effort::FULL,
    };
    let chosen = chosen(
        Scale::of(&gpu, arguments.quick),
        arguments.filter.as_deref(),
    );
    let started = Instant::now();
    let mut progress = Progress::new(CEILING_STEPS + chosen.len());
    let rows = measure(&gpu, chosen, effort, arguments.json, &mut progress);
    progress.finish();
    let rows = rows?;
    if !arguments.json {
        print(&describe(&rows))?;
    }
    if let Some(path) = &arguments.plot {
        chart(&rows, &adapter_name(&gpu)).render()?.save_png(path)?;
    }
    note(&format!(
        "{} rows on {} in {}",
        rows.len(),
        adapter_name(&gpu),
        duration(started.elapsed().as_secs_f64())
    ));
    if let Some(path) = &arguments.plot {
        note(&format!("bar chart  {}", path.display()));
    }
    Ok(())
}

/// An error for a name that promises another kind of picture.
fn check_png(path: &Path) -> Result<(), CliError> {
    match path.extension() {
        Some(kind) if !kind.eq_ignore_ascii_case("png") => Err(CliError::Chart {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// An error unless some row passes the filter on some device.
fn check_filter(filter: Option<&str>) -> Result<(), CliError> {
    let Some(filter) = filter else { return Ok(()) };
    let all = works::all(Scale {
        software: false,
        quick: false,
    });
    if Pass::Ceiling.name().contains(filter) || all.iter().any(|work| work.matches(filter)) {
        return Ok(());
    }
    let names = works::names(&all);
    let passes = PASSES.map(Pass::name);
    let hint = nearest(filter, names.iter().chain(&passes).copied());
    Err(CliError::Filter {
        given: filter.to_string(),
        hint: hint.map_or(String::new(), |name| format!(" (did you mean '{name}'?)")),
        names: names.join(", "),
        passes: passes.join(", "),
    })
}

fn chosen(scale: Scale, filter: Option<&str>) -> Vec<Work> {
    let mut all = works::all(scale);
    if let Some(filter) = filter {
        all.retain(|work| work.matches(filter));
    }
    all
}

/// The ceilings, then each work; with `json` each row is printed as soon as it is known.
fn measure(
    gpu: &Gpu,
    chosen: Vec<Work>,
    effort: Effort,
    json: bool,
    progress: &mut Progress,
) -> Result<Vec<Row>, CliError> {
    let stopwatch = Stopwatch::new(gpu)?;
    let ceilings = Ceilings::measure(&stopwatch, effort, &mut |what| progress.next(what))?;
    let mut rows: Vec<Row> = vec![];
    let mut add = |row: Row| -> Result<(), CliError> {
        if json {
            // Times and rates are finite, names are text: this cannot fail.
            print(&serde_json::to_string(&row).unwrap_or_default())?;
        }
        rows.push(row);
        Ok(())
    };
    for row in ceilings.rows.clone() {
        add(row)?;
    }
    // By value: what a work holds is freed when it has been measured.
    for work in chosen {
        progress.next(&work.id());
        add(Row::measure(&work, &stopwatch, &ceilings, effort)?)?;
    }
    Ok(rows)
}

const HEAD: [&str; 9] = [
    "name",
    "pass",
    "shape",
    "median",
    "min … max",
    "rate",
    "ceiling",
    "variant",
    "timer",
];
const RIGHT: [bool; 9] = [false, false, false, true, true, true, true, false, false];

fn describe(rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_string).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let (least, most) = (row.samples.min(), row.samples.max());
        let rate = match row.rate {
            Some(Rate::Gflops(rate)) => format!("{} GFLOP/s", significant(rate)),
            Some(Rate::Gbps(rate)) => format!("{} GB/s", significant(rate)),
            Some(Rate::Frames(rate)) => format!("{} frames/s", significant(rate)),
            None => "-".to_string(),
        };
        let percent = row.percent_of_ceiling;
        let more = match row.dispatches {
            0 | 1 => String::new(),
            n => format!(" +{}", n - 1),
        };
        vec![
            row.name.clone(),
            row.pass.to_string(),
            row.shape.clone(),
            time(row.samples.median()),
            format!("{} … {}", time(least), time(most)),
            rate,
            percent.map_or("-".to_string(), |p| format!("{} %", significant(p))),
            row.variant.clone() + &more,
            row.timer.to_string(),
        ]
    }));
    table(&cells, &RIGHT)
}

/// Three significant digits, and never an exponent.
fn significant(value: f64) -> String {
    // As it will be rounded.
    let digits = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// A time in the unit in which it reads well.
fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{} s", significant(s)),
        s if s >= 1e-3 => format!("{} ms", significant(s * 1e3)),
        s => format!("{} µs", significant(s * 1e6)),
    }
}

/// The bars: rows that have a rate; one colour for each kind of it.
fn chart(rows: &[Row], adapter: &str) -> Bars {
    let bars = rows.iter().filter_map(|row| {
        let (kind, rate) = match row.rate? {
            Rate::Gflops(rate) => (0, format!("{} GFLOP/s", significant(rate))),
            Rate::Gbps(rate) => (1, format!("{} GB/s", significant(rate))),
            // They have no ceiling to be drawn beside.
            Rate::Frames(_) => return None,
        };
        Some(Bar {
            label: format!("{} {}", row.name, row.pass),
            detail: row.shape.clone(),
            value: row.percent_of_ceiling?,
            note: rate,
            kind,
        })
    });
    let ceiling = |wanted: fn(&Rate) -> bool| {
        (rows.iter())
            .filter(|row| row.pass == Pass::Ceiling)
            .filter_map(|row| row.rate)
            .find(wanted)
    };
    let mut kinds = vec![];
    if let Some(Rate::Gflops(rate)) = ceiling(|r| matches!(r, Rate::Gflops(_))) {
        kinds.push(format!("of {} GFLOP/s multiply-adds", significant(rate)));
    }
    if let Some(Rate::Gbps(rate)) = ceiling(|r| matches!(r, Rate::Gbps(_))) {
        kinds.push(format!("of {} GB/s copied", significant(rate)));
    }
    Bars {
        title: format!("Per cent of the ceiling: {adapter}"),
        bars: bars.collect(),
        kinds,
        full: 100.0,
        unit: " %".to_string(),
    }
}

/// How far the bench is, on standard error: a bar, or where there is no terminal a line
/// for each row.
struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
}

impl Progress {
    fn new(total: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            // The template is ours: were it wrong, the default style would do.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            bar,
            total,
            done: 0,
        }
    }

    /// What is measured next.
    fn next(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.done as u64);
                bar.set_message(what.to_string());
            }
            None => note(&format!("{}/{} {what}", self.done + 1, self.total)),
        }
        self.done += 1;
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_times_a_unit() {
        for (value, text) in [
            (0.0, "0.000"),
            (0.0123, "0.012"),
            (0.9996, "1.00"),
            (9.996, "10.0"),
            (1.005, "1.00"),
            (23.456, "23.5"),
            (768.4, "768"),
            (51234.5, "51234"),
        ] {
            assert_eq!(significant(value), text);
        }
        assert_eq!(time(Duration::from_nanos(1_500)), "1.50 µs");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_millis(2_500)), "2.50 s");
    }
}
