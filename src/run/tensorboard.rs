//! Event files that TensorBoard opens: scalars only.
//!
//! The file is a sequence of TFRecords: length (u64, little endian), its masked
//! CRC-32C, the data, its masked CRC-32C. Each holds one protocol-buffer
//! message `tensorflow.Event` (`tensorflow/core/util/event.proto`), of which
//! these fields are written: `wall_time` = 1 (double), `step` = 2 (int64),
//! `file_version` = 3 (string), `summary` = 5; in the summary `value` = 1 with
//! `tag` = 1 (string) and `simple_value` = 2 (float). The crates that do this
//! bring a protobuf runtime and cannot continue a file; it takes 40 lines.
//!
//! There is one file per run, which a resumed run cuts back to the records that
//! its checkpoint counted and continues.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::{RunError, atomic};

/// TensorBoard takes any file with `tfevents` in its name.
const FILE: &str = "events.out.tfevents.foveate";

/// An event is a few hundred bytes; a length beyond this is damage.
const LONGEST_RECORD: u64 = 1 << 24;

/// Appends scalars to a run's event file.
#[derive(Debug)]
pub struct TensorboardWriter {
    path: PathBuf,
    file: File,
    records: u64,
    /// Bytes of all whole records.
    end: u64,
}

impl TensorboardWriter {
    /// Opens the event file in `folder`, new or to be continued after its first
    /// `records` records; what follows them is cut off.
    ///
    /// # Errors
    /// [`RunError::LogTooShort`], [`RunError::Damaged`] if a record among them
    /// is, [`RunError::Io`], [`RunError::DiskFull`].
    pub fn open(folder: &Path, records: u64) -> Result<TensorboardWriter, RunError> {
        atomic::create_folder(folder)?;
        let path = folder.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|e| RunError::io("open", &path, e))?;
        let end = end_of_records(&file, &path, records)?;
        file.set_len(end)
            .map_err(|e| RunError::io("truncate", &path, e))?;
        atomic::sync_parent(&path)?;
        let mut writer = TensorboardWriter {
            path,
            file,
            records,
            end,
        };
        if records == 0 {
            writer.append(&version_event())?;
        }
        Ok(writer)
    }

    /// Appends one event with all `values` (tag, value) at `step`. `wall_time`
    /// is in seconds since 1970.
    ///
    /// # Errors
    /// [`RunError::DiskFull`], [`RunError::Io`].
    pub fn scalars(
        &mut self,
        wall_time: f64,
        step: u64,
        values: &[(&str, f32)],
    ) -> Result<(), RunError> {
        self.append(&scalar_event(wall_time, step, values))
    }

    /// Makes everything written durable and returns the number of records, for a
    /// checkpoint to record.
    pub fn sync(&mut self) -> Result<u64, RunError> {
        self.file
            .sync_data()
            .map_err(|e| RunError::io("sync", &self.path, e))?;
        Ok(self.records)
    }

    fn append(&mut self, event: &[u8]) -> Result<(), RunError> {
        let record = record(event);
        if let Err(error) = self.file.write_all(&record) {
            // No half record may stay in front of the next one.
            let _ = self.file.set_len(self.end);
            return Err(RunError::io("write", &self.path, error));
        }
        self.records += 1;
        self.end += record.len() as u64;
        Ok(())
    }
}

/// TFRecord's checksum: CRC-32C, rotated and offset so that a checksum of data
/// that itself holds checksums stays sound.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
    out
}

fn version_event() -> Vec<u8> {
    let mut event = Vec::new();
    bytes_field(&mut event, 3, b"brain.Event:2");
    event
}

fn scalar_event(wall_time: f64, step: u64, values: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut entry = Vec::new();
        bytes_field(&mut entry, 1, tag.as_bytes());
        entry.push(2 << 3 | 5); // 32 bits
        entry.extend(value.to_le_bytes());
        bytes_field(&mut summary, 1, &entry);
    }
    let mut event = vec![1 << 3 | 1]; // 64 bits
    event.extend(wall_time.to_le_bytes());
    event.push(2 << 3); // variable length
    varint(&mut event, step);
    bytes_field(&mut event, 5, &summary);
    event
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2); // length, then bytes
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The byte at which the first `records` records end; all are verified.
fn end_of_records(file: &File, path: &Path, records: u64) -> Result<u64, RunError> {
    let mut reader = BufReader::new(file);
    let mut end = 0;
    for found in 0..records {
        let short = || RunError::LogTooShort {
            path: path.to_owned(),
            found,
            expected: records,
        };
        let mut take = |length: u64| -> Result<Vec<u8>, RunError> {
            let mut bytes = Vec::new();
            (&mut reader)
                .take(length)
                .read_to_end(&mut bytes)
                .map_err(|e| RunError::io("read", path, e))?;
            if bytes.len() as u64 == length {
                Ok(bytes)
            } else {
                Err(short())
            }
        };
        let bad = || RunError::damaged(path, format!("checksum of record {found} does not match"));
        let length_bytes: [u8; 8] = take(8)?.try_into().map_err(|_| bad())?;
        let length = u64::from_le_bytes(length_bytes);
        if take(4)? != masked_crc(&length_bytes).to_le_bytes() || length > LONGEST_RECORD {
            return Err(bad());
        }
        let data = take(length)?;
        if take(4)? != masked_crc(&data).to_le_bytes() {
            return Err(bad());
        }
        end += length + 16;
    }
    Ok(end)
}
