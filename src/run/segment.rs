//! The file format of one replay segment.
//!
//! All integers are little endian.
//!
//! ```text
//! header   magic "fovreply", version u32, zero u32,
//!          frame_bytes u64, transition_bytes u64,
//!          first_frame u64, frames u64, first_transition u64, transitions u64,
//!          CRC-32C of all that u32
//! blocks   the frames, then the transitions: as many whole records as fit in
//!          1 MiB (at least one), then their CRC-32C u32
//! ```

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::atomic::AtomicFile;
use super::{ReplayLayout, RunError};

const MAGIC: &[u8; 8] = b"fovreply";
const VERSION: u32 = 1;
const HEADER: u64 = 68;
const BLOCK: u64 = 1 << 20;
const CRC: u64 = 4;

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Numbers of its frames, counted from the run's start.
    pub(super) frames: Range<u64>,
    /// Numbers of its transitions.
    pub(super) transitions: Range<u64>,
}

/// Records of one kind within a segment.
#[derive(Debug, Clone)]
pub(super) struct Section {
    record_bytes: u64,
    records: u64,
    /// Of its first byte in the file.
    start: u64,
}

impl Section {
    fn block_records(&self) -> u64 {
        (BLOCK / self.record_bytes).max(1)
    }

    /// Bytes of the section, checksums included; none if no file could hold it.
    fn length(&self) -> Option<u64> {
        let blocks = self.records.div_ceil(self.block_records());
        self.records
            .checked_mul(self.record_bytes)?
            .checked_add(blocks.checked_mul(CRC)?)
    }
}

/// Where frames and transitions lie, and the length of the file.
fn sections(layout: ReplayLayout, span: &Span) -> Option<(Section, Section, u64)> {
    let count = |range: &Range<u64>| range.end.checked_sub(range.start);
    let frames = Section {
        record_bytes: layout.frame_bytes,
        records: count(&span.frames)?,
        start: HEADER,
    };
    let transitions = Section {
        record_bytes: layout.transition_bytes,
        records: count(&span.transitions)?,
        start: HEADER.checked_add(frames.length()?)?,
    };
    let end = transitions.start.checked_add(transitions.length()?)?;
    Some((frames, transitions, end))
}

fn encode_header(layout: ReplayLayout, span: &Span) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 4]);
    for value in [
        layout.frame_bytes,
        layout.transition_bytes,
        span.frames.start,
        span.frames.end - span.frames.start,
        span.transitions.start,
        span.transitions.end - span.transitions.start,
    ] {
        out.extend(value.to_le_bytes());
    }
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out
}

/// Collects records into blocks and writes them with their checksums.
#[derive(Debug)]
pub(super) struct SectionWriter {
    section: Section,
    what: &'static str,
    block: Vec<u8>,
    /// Bytes taken so far.
    taken: u64,
}

impl SectionWriter {
    fn new(section: Section, what: &'static str) -> SectionWriter {
        SectionWriter {
            section,
            what,
            block: Vec::new(),
            taken: 0,
        }
    }

    fn expected(&self) -> u64 {
        self.section.records * self.section.record_bytes
    }

    fn write(&mut self, file: &mut AtomicFile, mut bytes: &[u8]) -> Result<(), RunError> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.expected() {
            return Err(self.misuse());
        }
        let capacity = (self.section.block_records() * self.section.record_bytes) as usize;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(capacity - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == capacity {
                self.flush(file)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut AtomicFile) -> Result<(), RunError> {
        if !self.block.is_empty() {
            file.write(&self.block)?;
            file.write(&crc32c::crc32c(&self.block).to_le_bytes())?;
            self.block.clear();
        }
        Ok(())
    }

    fn finish(&mut self, file: &mut AtomicFile) -> Result<(), RunError> {
        if self.taken != self.expected() {
            return Err(self.misuse());
        }
        self.flush(file)
    }

    fn misuse(&self) -> RunError {
        RunError::ReplayMisuse(format!(
            "{} {} of {} bytes were announced, which is {} bytes, but {} were given",
            self.section.records,
            self.what,
            self.section.record_bytes,
            self.expected(),
            self.taken,
        ))
    }
}

/// A segment being written.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    file: AtomicFile,
    frames: SectionWriter,
    transitions: SectionWriter,
    frames_done: bool,
}

impl SegmentWriter {
    pub(super) fn create(
        path: &Path,
        layout: ReplayLayout,
        span: &Span,
    ) -> Result<SegmentWriter, RunError> {
        let (frames, transitions, _) = sections(layout, span)
            .ok_or_else(|| RunError::ReplayMisuse(format!("{span:?} of {layout:?} fit no file")))?;
        let mut file = AtomicFile::create(path)?;
        file.write(&encode_header(layout, span))?;
        Ok(SegmentWriter {
            file,
            frames: SectionWriter::new(frames, "frames"),
            transitions: SectionWriter::new(transitions, "transitions"),
            frames_done: false,
        })
    }

    pub(super) fn frames(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        if self.frames_done && !bytes.is_empty() {
            return Err(RunError::ReplayMisuse(
                "frames come before transitions".to_owned(),
            ));
        }
        self.frames.write(&mut self.file, bytes)
    }

    pub(super) fn transitions(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        self.end_frames()?;
        self.transitions.write(&mut self.file, bytes)
    }

    pub(super) fn finish(mut self) -> Result<(), RunError> {
        self.end_frames()?;
        self.transitions.finish(&mut self.file)?;
        self.file.commit()
    }

    fn end_frames(&mut self) -> Result<(), RunError> {
        if !self.frames_done {
            self.frames.finish(&mut self.file)?;
            self.frames_done = true;
        }
        Ok(())
    }
}

/// A segment open for reading.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: File,
    pub(super) span: Span,
    pub(super) frames: Section,
    pub(super) transitions: Section,
}

impl SegmentReader {
    /// Opens a segment and verifies its header and its length.
    pub(super) fn open(path: &Path, layout: ReplayLayout) -> Result<SegmentReader, RunError> {
        let damaged = |why: String| RunError::damaged(path, why);
        let io = |e| RunError::io("read", path, e);
        let mut file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => RunError::MissingSegment {
                path: path.to_owned(),
            },
            _ => io(error),
        })?;
        let length = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER as usize];
        if length < HEADER {
            return Err(damaged(format!("truncated to {length} bytes")));
        }
        file.read_exact(&mut header).map_err(io)?;
        let (fields, crc) = header.split_at(HEADER as usize - CRC as usize);
        if !fields.starts_with(MAGIC) {
            return Err(damaged("no replay segment of foveate".to_owned()));
        }
        if crc != crc32c::crc32c(fields).to_le_bytes() {
            return Err(damaged("the header's checksum does not match".to_owned()));
        }
        let version = u32::from_le_bytes([fields[8], fields[9], fields[10], fields[11]]);
        if version != VERSION {
            return Err(RunError::Version {
                path: path.to_owned(),
                found: version,
                known: VERSION,
            });
        }
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fields[16 + 8 * index..][..8]);
            u64::from_le_bytes(bytes)
        };
        let found = ReplayLayout {
            frame_bytes: word(0),
            transition_bytes: word(1),
        };
        if found != layout {
            return Err(damaged(format!("it holds {found:?}, expected {layout:?}")));
        }
        let range = |first: u64, count: u64| first.checked_add(count).map(|end| first..end);
        let located = range(word(2), word(3)).zip(range(word(4), word(5)));
        let located = located.and_then(|(frames, transitions)| {
            let span = Span {
                frames,
                transitions,
            };
            sections(layout, &span).map(|sections| (span, sections))
        });
        let Some((span, (frames, transitions, end))) = located else {
            return Err(damaged("its header counts more than fits".to_owned()));
        };
        if length != end {
            return Err(damaged(format!("it has {length} bytes of {end}")));
        }
        Ok(SegmentReader {
            path: path.to_owned(),
            file,
            span,
            frames,
            transitions,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the block that holds record `index` of `section` into `block`,
    /// verifies it and cuts off the records before `index`. Returns the index of
    /// the first record after the block.
    pub(super) fn read_block(
        &mut self,
        section: &Section,
        index: u64,
        block: &mut Vec<u8>,
    ) -> Result<u64, RunError> {
        let per_block = section.block_records();
        let number = index / per_block;
        let first = number * per_block;
        let end = (first + per_block).min(section.records);
        let offset = section.start + first * section.record_bytes + number * CRC;
        let length = ((end - first) * section.record_bytes) as usize;
        block.resize(length + CRC as usize, 0);
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(block))
            .map_err(|e| RunError::io("read", &self.path, e))?;
        if crc32c::crc32c(&block[..length]).to_le_bytes() != block[length..] {
            return Err(RunError::damaged(
                &self.path,
                format!("the checksum of the block at byte {offset} does not match"),
            ));
        }
        block.truncate(length);
        block.drain(..((index - first) * section.record_bytes) as usize);
        Ok(end)
    }
}
