//! The replay on disk, written incrementally.
//!
//! At each checkpoint what was added since the one before goes into a new file,
//! `segment-NNNNNN.bin`; older ones are never rewritten, and are removed when no
//! kept checkpoint needs them. Frames and transitions are records of fixed size
//! whose content is the caller's; both are numbered from the run's start. They
//! are written and read in pieces, so that a replay larger than main memory
//! passes through.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::segment::{SegmentReader, SegmentWriter, Span};
use super::{RunError, atomic};

const PREFIX: &str = "segment-";
const SUFFIX: &str = ".bin";

/// Sizes of the records, in bytes, ≥ 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayLayout {
    /// Of a frame, e.g. 84·84·3.
    pub frame_bytes: u64,
    /// Of a transition.
    pub transition_bytes: u64,
}

/// What a checkpoint covers of a replay log; recorded in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayPosition {
    /// Number of segments written since the run's start.
    pub segments: u64,
    /// The oldest frame that the ring still held.
    pub first_frame: u64,
    /// One past the newest frame.
    pub frames: u64,
    /// The oldest transition that the ring still held.
    pub first_transition: u64,
    /// One past the newest transition.
    pub transitions: u64,
}

/// The replay log of a run in training.
#[derive(Debug)]
pub struct ReplayLog {
    folder: PathBuf,
    layout: ReplayLayout,
    position: ReplayPosition,
}

impl ReplayLog {
    /// Opens the log in `folder`, which must exist, to be continued at
    /// `position`: that of the checkpoint being resumed, or the default for a
    /// new run. Later segments, which a killed process left, are removed.
    ///
    /// # Errors
    /// [`RunError::ReplayMisuse`] for a record size of 0; [`RunError::Io`].
    pub fn open(
        folder: impl Into<PathBuf>,
        layout: ReplayLayout,
        position: ReplayPosition,
    ) -> Result<ReplayLog, RunError> {
        let folder = folder.into();
        require_sizes(layout)?;
        atomic::remove_leftovers(&folder)?;
        // From the last: a kill in between leaves no gap.
        for (index, path) in list(&folder)?.into_iter().rev() {
            if index >= position.segments {
                atomic::remove(&path)?;
            }
        }
        Ok(ReplayLog {
            folder,
            layout,
            position,
        })
    }

    /// What has been written.
    pub fn position(&self) -> ReplayPosition {
        self.position
    }

    /// Starts a segment of `frames` and `transitions`, numbered from the run's
    /// start: those added since the last segment. Where the ring has overrun
    /// itself since then, the range starts later.
    ///
    /// # Errors
    /// [`RunError::ReplayMisuse`] if a range overlaps what is written;
    /// [`RunError::DiskFull`], [`RunError::Io`].
    pub fn begin(
        &mut self,
        frames: Range<u64>,
        transitions: Range<u64>,
    ) -> Result<SegmentAppender<'_>, RunError> {
        let at = self.position;
        for (what, range, written) in [
            ("frames", &frames, at.frames),
            ("transitions", &transitions, at.transitions),
        ] {
            if range.start < written || range.end < range.start {
                return Err(RunError::ReplayMisuse(format!(
                    "{what} {range:?} do not continue the {written} written"
                )));
            }
        }
        let path = segment_path(&self.folder, at.segments);
        let span = Span {
            frames,
            transitions,
        };
        let writer = SegmentWriter::create(&path, self.layout, &span)?;
        Ok(SegmentAppender {
            log: self,
            writer,
            span,
        })
    }

    /// Removes the segments that none of `kept`, the positions of the kept
    /// checkpoints, needs. To be called after a checkpoint has been written.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn prune(&self, kept: &[ReplayPosition]) -> Result<(), RunError> {
        for (index, path) in list(&self.folder)? {
            // A segment that cannot be read is for the one who resumes to report.
            let Ok(segment) = SegmentReader::open(&path, self.layout) else {
                continue;
            };
            let Span {
                frames,
                transitions,
            } = segment.span;
            let needed = |at: &ReplayPosition| {
                index >= at.segments
                    || frames.end > at.first_frame
                    || transitions.end > at.first_transition
            };
            if !kept.iter().any(needed) {
                atomic::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Reads back what the log's position covers.
    pub fn read(&self) -> Result<ReplayReader, RunError> {
        ReplayReader::open(&self.folder, self.layout, &self.position)
    }
}

/// A segment being written: first all frames, then all transitions, each in
/// pieces of any size. Dropped before [`SegmentAppender::finish`], it leaves
/// nothing.
#[derive(Debug)]
pub struct SegmentAppender<'a> {
    log: &'a mut ReplayLog,
    writer: SegmentWriter,
    span: Span,
}

impl SegmentAppender<'_> {
    /// Appends bytes of frames.
    ///
    /// # Errors
    /// [`RunError::ReplayMisuse`] beyond the announced number or after the first
    /// transition; [`RunError::DiskFull`], [`RunError::Io`].
    pub fn frames(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        self.writer.frames(bytes)
    }

    /// Appends bytes of transitions.
    ///
    /// # Errors
    /// [`RunError::ReplayMisuse`] beyond the announced number or before all
    /// frames; [`RunError::DiskFull`], [`RunError::Io`].
    pub fn transitions(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        self.writer.transitions(bytes)
    }

    /// Makes the segment durable. The oldest frame and transition that the ring
    /// holds now bound what a resume reads. Returns the position for the
    /// checkpoint to record.
    ///
    /// # Errors
    /// [`RunError::ReplayMisuse`] if records are missing, or the ring is said to
    /// hold some that are not in the log; [`RunError::DiskFull`],
    /// [`RunError::Io`].
    pub fn finish(
        self,
        first_frame: u64,
        first_transition: u64,
    ) -> Result<ReplayPosition, RunError> {
        let before = self.log.position;
        for (what, first, range, written, oldest) in [
            (
                "frame",
                first_frame,
                &self.span.frames,
                before.frames,
                before.first_frame,
            ),
            (
                "transition",
                first_transition,
                &self.span.transitions,
                before.transitions,
                before.first_transition,
            ),
        ] {
            let skipped = range.start > written;
            let reachable = if skipped { range.start } else { oldest };
            if first < reachable || first > range.end {
                return Err(RunError::ReplayMisuse(format!(
                    "the oldest {what} held cannot be {first}: the log holds {reachable} to {}",
                    range.end
                )));
            }
        }
        let position = ReplayPosition {
            segments: before.segments + 1,
            first_frame,
            frames: self.span.frames.end,
            first_transition,
            transitions: self.span.transitions.end,
        };
        self.writer.finish()?;
        self.log.position = position;
        Ok(position)
    }
}

/// A piece of the replay: whole records, numbered from `first`, verified.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplayChunk<'a> {
    Frames { first: u64, bytes: &'a [u8] },
    Transitions { first: u64, bytes: &'a [u8] },
}

/// Reads the replay that a checkpoint covers, piece by piece, in ascending order
/// of frames and of transitions.
#[derive(Debug)]
pub struct ReplayReader {
    layout: ReplayLayout,
    position: ReplayPosition,
    /// Those needed, newest first.
    segments: Vec<PathBuf>,
    current: Option<SegmentReader>,
    /// The next record to read, of each kind.
    next_frame: u64,
    next_transition: u64,
    block: Vec<u8>,
}

impl ReplayReader {
    /// Finds the segments that `position` needs and verifies their headers and
    /// lengths. Older ones are not looked at.
    ///
    /// # Errors
    /// [`RunError::MissingSegment`], [`RunError::Damaged`], [`RunError::Version`],
    /// [`RunError::Io`].
    pub fn open(
        folder: &Path,
        layout: ReplayLayout,
        position: &ReplayPosition,
    ) -> Result<ReplayReader, RunError> {
        require_sizes(layout)?;
        let at = *position;
        let mut segments = Vec::new();
        let (mut frames, mut transitions) = (at.frames, at.transitions);
        let mut index = at.segments;
        while frames > at.first_frame || transitions > at.first_transition {
            let Some(below) = index.checked_sub(1) else {
                return Err(RunError::damaged(
                    folder,
                    format!("its segments do not hold what the checkpoint counts ({at:?})"),
                ));
            };
            index = below;
            let path = segment_path(folder, index);
            let span = SegmentReader::open(&path, layout)?.span;
            // It must reach up to the next one, unless nothing of it is needed.
            let meets =
                |end: u64, next: u64, first: u64| end == next || next <= first && end < next;
            if !meets(span.frames.end, frames, at.first_frame)
                || !meets(span.transitions.end, transitions, at.first_transition)
            {
                return Err(RunError::damaged(
                    &path,
                    format!(
                        "it ends with frame {} and transition {}, but the next one starts with {frames} and {transitions}",
                        span.frames.end, span.transitions.end
                    ),
                ));
            }
            (frames, transitions) = (span.frames.start, span.transitions.start);
            segments.push(path);
        }
        Ok(ReplayReader {
            layout,
            position: at,
            segments,
            current: None,
            next_frame: at.first_frame,
            next_transition: at.first_transition,
            block: Vec::new(),
        })
    }

    /// The next piece, of about 1 MiB or one record; none at the end.
    ///
    /// # Errors
    /// [`RunError::Damaged`], [`RunError::Io`].
    pub fn next_chunk(&mut self) -> Result<Option<ReplayChunk<'_>>, RunError> {
        loop {
            if let Some(segment) = &mut self.current {
                let span = segment.span.clone();
                if self.next_frame < span.frames.end {
                    let first = self.next_frame;
                    let section = segment.frames.clone();
                    let index = index_within(segment, first, &span.frames)?;
                    let end = segment.read_block(&section, index, &mut self.block)?;
                    self.next_frame = span.frames.start + end;
                    let bytes = &self.block;
                    return Ok(Some(ReplayChunk::Frames { first, bytes }));
                }
                if self.next_transition < span.transitions.end {
                    let first = self.next_transition;
                    let section = segment.transitions.clone();
                    let index = index_within(segment, first, &span.transitions)?;
                    let end = segment.read_block(&section, index, &mut self.block)?;
                    self.next_transition = span.transitions.start + end;
                    let bytes = &self.block;
                    return Ok(Some(ReplayChunk::Transitions { first, bytes }));
                }
            }
            match self.segments.pop() {
                Some(path) => self.current = Some(SegmentReader::open(&path, self.layout)?),
                None => return Ok(None),
            }
        }
    }

    /// What is being read.
    pub fn position(&self) -> ReplayPosition {
        self.position
    }
}

/// Reads all that `position` covers and checks it: for the one who decides
/// whether a checkpoint can be resumed from.
///
/// # Errors
/// As [`ReplayReader::open`] and [`ReplayReader::next_chunk`].
pub fn verify(
    folder: &Path,
    layout: ReplayLayout,
    position: &ReplayPosition,
) -> Result<(), RunError> {
    let mut reader = ReplayReader::open(folder, layout, position)?;
    while reader.next_chunk()?.is_some() {}
    Ok(())
}

fn index_within(segment: &SegmentReader, record: u64, range: &Range<u64>) -> Result<u64, RunError> {
    record
        .checked_sub(range.start)
        .ok_or_else(|| RunError::damaged(segment.path(), "it was replaced while being read"))
}

fn require_sizes(layout: ReplayLayout) -> Result<(), RunError> {
    if layout.frame_bytes == 0 || layout.transition_bytes == 0 {
        return Err(RunError::ReplayMisuse(format!(
            "records of no size: {layout:?}"
        )));
    }
    Ok(())
}

fn segment_path(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{index:06}{SUFFIX}"))
}

/// Every segment by its index, oldest first.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RunError> {
    let index = |name: &str| -> Option<u64> {
        name.strip_prefix(PREFIX)?
            .strip_suffix(SUFFIX)?
            .parse()
            .ok()
    };
    let mut found: Vec<_> = atomic::file_names(folder)?
        .into_iter()
        .filter_map(|name| Some((index(&name)?, folder.join(name))))
        .collect();
    found.sort();
    Ok(found)
}
