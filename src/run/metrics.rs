//! `metrics.jsonl`: one JSON object per line.
//!
//! ```json
//! {"step":1000,"kind":"train","critic_loss":0.25,"seconds":61.5}
//! ```
//!
//! `step` counts agent steps, `kind` says what was measured (`train`, `eval`,
//! …), `seconds` is wall-clock time since training began, without the time in which no
//! process trained. Everything but `seconds` is the same in two
//! runs of the same seed, and in a run that was killed and resumed; therefore a
//! checkpoint records its place here as a number of lines, not of bytes.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::{RunError, atomic};

/// Appends to `metrics.jsonl`.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    file: File,
    lines: u64,
    /// Bytes of all whole lines.
    end: u64,
    /// Seconds of the line before the first one of this process.
    earlier: f64,
}

impl MetricsWriter {
    /// Opens the file at `path`, new or to be continued after its first `lines`
    /// lines; what follows them is cut off.
    ///
    /// # Errors
    /// [`RunError::LogTooShort`] if it has fewer whole lines; [`RunError::Io`].
    pub fn open(path: impl Into<PathBuf>, lines: u64) -> Result<MetricsWriter, RunError> {
        let path = path.into();
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|e| RunError::io("open", &path, e))?;
        let (end, last) = end_of_lines(&file, &path, lines)?;
        file.set_len(end)
            .map_err(|e| RunError::io("truncate", &path, e))?;
        // A new file's name must outlive a power cut, as its content will.
        atomic::sync_parent(&path)?;
        Ok(MetricsWriter {
            path,
            file,
            lines,
            end,
            earlier: seconds_of(&last),
        })
    }

    /// Seconds that the lines told of when the file was opened, from which a process that
    /// goes on counts; 0 of none.
    pub fn earlier_seconds(&self) -> f64 {
        self.earlier
    }

    /// Appends one line. A value that is not finite has no place in JSON and is
    /// written as `null`.
    ///
    /// # Errors
    /// [`RunError::DiskFull`], [`RunError::Io`].
    pub fn write(
        &mut self,
        kind: &str,
        step: u64,
        seconds: f64,
        values: &[(&str, f64)],
    ) -> Result<(), RunError> {
        let mut line = format!("{{\"step\":{step},\"kind\":{}", text(kind));
        for &(name, value) in values {
            // Writing to a String cannot fail.
            let _ = write!(line, ",{}:{}", text(name), number(value));
        }
        let _ = writeln!(line, ",\"seconds\":{}}}", number(seconds));
        // One call per line: a reader, or a kill, rarely meets half of one.
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // No half line may stay in front of the next one.
            let _ = self.file.set_len(self.end);
            return Err(RunError::io("write", &self.path, error));
        }
        self.lines += 1;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Makes everything written durable and returns the number of lines, for a
    /// checkpoint to record.
    pub fn sync(&mut self) -> Result<u64, RunError> {
        self.file
            .sync_data()
            .map_err(|e| RunError::io("sync", &self.path, e))?;
        Ok(self.lines)
    }
}

/// One line of `metrics.jsonl`.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// Every line of the file at `path`. A last line that a kill cut short is left
/// out.
///
/// # Errors
/// [`RunError::Damaged`] with the number of a line that is no JSON object;
/// [`RunError::Io`].
pub fn read(path: &Path) -> Result<Vec<Row>, RunError> {
    let text = std::fs::read_to_string(path).map_err(|e| RunError::io("read", path, e))?;
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| RunError::damaged(path, format!("line {}: {error}", index + 1)))
        })
        .collect()
}

/// The (step, value) of every row of a kind that has a value under `key`.
pub fn points(rows: &[Row], kind: &str, key: &str) -> Vec<(f64, f64)> {
    rows.iter()
        .filter(|row| row.get("kind").and_then(|k| k.as_str()) == Some(kind))
        .filter_map(|row| Some((row.get("step")?.as_f64()?, row.get(key)?.as_f64()?)))
        .collect()
}

/// What a line says of the time; 0 if it says nothing.
fn seconds_of(line: &[u8]) -> f64 {
    let row: Option<Row> = serde_json::from_slice(line).ok();
    row.and_then(|row| row.get("seconds")?.as_f64())
        .unwrap_or_default()
}

/// The byte at which the first `lines` lines end, and the last of them.
fn end_of_lines(file: &File, path: &Path, lines: u64) -> Result<(u64, Vec<u8>), RunError> {
    let mut reader = BufReader::new(file);
    let (mut end, mut found, mut line) = (0, 0, Vec::new());
    while found < lines {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .map_err(|e| RunError::io("read", path, e))?;
        if line.last() != Some(&b'\n') {
            return Err(RunError::LogTooShort {
                path: path.to_owned(),
                found,
                expected: lines,
            });
        }
        end += length as u64;
        found += 1;
    }
    Ok((end, line))
}

fn text(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

fn number(value: f64) -> serde_json::Value {
    serde_json::Value::from(value) // null where it is not finite
}
