//! Printing. Nobody need be listening: a closed pipe (`foveate devices | head -1`)
//! ends the printing and is no error.

use std::io::{ErrorKind, Write};

use super::error::CliError;

/// Prints results, with a newline, on standard output.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Prints a message for the user, with a newline, on standard error.
pub(super) fn note(text: &str) {
    // If this cannot be written there is nowhere to say so.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table whose columns are as wide as their widest cell; the first row is the head.
/// Numbers stand right-aligned below each other where `right` says so.
pub(super) fn table(rows: &[Vec<String>], right: &[bool]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, &w))| {
            if right.get(i).copied().unwrap_or(false) {
                format!("{cell:>w$}")
            } else {
                format!("{cell:<w$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Seconds as people read them: `8 s`, `5 min 12 s`, `2 h 03 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_string();
    }
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// A value with one digit after the point; what rounds to nothing has no sign.
pub(super) fn tenths(value: f32) -> String {
    let text = format!("{value:.1}");
    match text.as_str() {
        "-0.0" => "0.0".to_owned(),
        _ => text,
    }
}

/// `1 episode`, `2 episodes`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Bytes in the largest unit that keeps a whole number or one digit.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value.fract() >= 0.05);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_in_the_largest_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (128 << 20, "128 MiB"),
            (3 << 29, "1.5 GiB"),
            (10_584_000_000, "9.9 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn small_numbers_have_no_sign_and_one_no_plural() {
        for (value, text) in [
            (-0.04, "0.0"),
            (-0.06, "-0.1"),
            (0.0, "0.0"),
            (12.34, "12.3"),
        ] {
            assert_eq!(tenths(value), text);
        }
        for (count, text) in [(0, "0 runs"), (1, "1 run"), (2, "2 runs")] {
            assert_eq!(counted(count, "run"), text);
        }
    }

    #[test]
    fn durations_read_like_durations() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (59.6, "1 min 00 s"),
            (312.0, "5 min 12 s"),
            (7_380.0, "2 h 03 min"),
            (f64::NAN, "?"),
            (f64::INFINITY, "?"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn tables_align_and_leave_no_trailing_space() {
        let rows = [["mode", "mean"], ["train", "8.5"], ["x", "100.0"]];
        let rows: Vec<Vec<String>> = rows.map(|r| r.map(str::to_string).to_vec()).to_vec();
        let expected = "mode    mean\ntrain    8.5\nx      100.0";
        assert_eq!(table(&rows, &[false, true]), expected);
        assert_eq!(
            table(&rows, &[true, false]),
            " mode  mean\ntrain  8.5\n    x  100.0"
        );
    }
}
