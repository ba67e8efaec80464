//! The replay on disk: whatever is killed, truncated or flipped, what is read is
//! what was written, or an error.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use foveate::run::{
    ReplayChunk, ReplayLayout, ReplayLog, ReplayPosition, ReplayReader, RunError, replay_log,
};
use proptest::prelude::*;

const LAYOUT: ReplayLayout = ReplayLayout {
    frame_bytes: 12,
    transition_bytes: 5,
};

/// Record `number`: bytes that no other record has.
fn record(kind: u8, number: u64, size: u64) -> Vec<u8> {
    (0..size)
        .map(|i| {
            kind ^ (number.wrapping_mul(31).wrapping_add(i * 7) % 251) as u8 ^ (number >> 8) as u8
        })
        .collect()
}

fn records(kind: u8, range: Range<u64>, size: u64) -> Vec<u8> {
    range
        .flat_map(|number| record(kind, number, size))
        .collect()
}

/// Appends a segment in pieces of `piece` bytes.
fn append(
    log: &mut ReplayLog,
    layout: ReplayLayout,
    frames: Range<u64>,
    transitions: Range<u64>,
    held: (u64, u64),
    piece: usize,
) -> Result<ReplayPosition, RunError> {
    let mut segment = log.begin(frames.clone(), transitions.clone())?;
    for bytes in records(1, frames, layout.frame_bytes).chunks(piece) {
        segment.frames(bytes)?;
    }
    for bytes in records(2, transitions, layout.transition_bytes).chunks(piece) {
        segment.transitions(bytes)?;
    }
    segment.finish(held.0, held.1)
}

/// Reads everything and checks each record and the order.
fn check(folder: &Path, layout: ReplayLayout, at: &ReplayPosition) -> Result<(), RunError> {
    let mut reader = ReplayReader::open(folder, layout, at)?;
    let (mut next_frame, mut next_transition) = (at.first_frame, at.first_transition);
    while let Some(chunk) = reader.next_chunk()? {
        let (kind, next, first, bytes, size) = match chunk {
            ReplayChunk::Frames { first, bytes } => {
                (1, &mut next_frame, first, bytes, layout.frame_bytes)
            }
            ReplayChunk::Transitions { first, bytes } => (
                2,
                &mut next_transition,
                first,
                bytes,
                layout.transition_bytes,
            ),
        };
        assert_eq!(first, *next);
        assert!(!bytes.is_empty() && (bytes.len() as u64).is_multiple_of(size));
        *next += bytes.len() as u64 / size;
        assert!(
            bytes == records(kind, first..*next, size),
            "kind {kind} from {first}"
        );
    }
    assert_eq!((next_frame, next_transition), (at.frames, at.transitions));
    Ok(())
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A log of `count` segments, each of 10 frames and 8 transitions; the ring
/// holds the last 25 frames and 20 transitions. Its position after each.
fn written(folder: &Path, count: u64) -> (ReplayLog, Vec<ReplayPosition>) {
    let mut log = ReplayLog::open(folder, LAYOUT, ReplayPosition::default()).unwrap();
    let positions = (0..count).map(|index| extend(&mut log, index)).collect();
    (log, positions)
}

fn extend(log: &mut ReplayLog, index: u64) -> ReplayPosition {
    let (frames, transitions) = (10 * index..10 * (index + 1), 8 * index..8 * (index + 1));
    let held = (
        frames.end.saturating_sub(25),
        transitions.end.saturating_sub(20),
    );
    append(log, LAYOUT, frames, transitions, held, 7).unwrap()
}

fn segment(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("segment-{index:06}.bin"))
}

#[test]
fn what_is_appended_is_read_back_at_every_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (log, positions) = written(folder.path(), 6);
    for at in &positions {
        check(folder.path(), LAYOUT, at).unwrap();
    }
    assert_eq!(log.position(), positions[5]);
    let mut reader = log.read().unwrap();
    assert_eq!(reader.position(), positions[5]);
    assert_eq!(
        reader.next_chunk().unwrap().map(|chunk| match chunk {
            ReplayChunk::Frames { first, .. } | ReplayChunk::Transitions { first, .. } => first,
        }),
        Some(35)
    );
    // A new run has nothing to read.
    check(folder.path(), LAYOUT, &ReplayPosition::default()).unwrap();
}

#[test]
fn segments_that_no_kept_checkpoint_needs_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (log, positions) = written(folder.path(), 6);
    // Checkpoint 4 (after 5 segments) holds frames from 25, checkpoint 5 from 35.
    log.prune(&positions[4..]).unwrap();
    assert_eq!(
        files(folder.path()),
        (2..6)
            .map(|i| format!("segment-{i:06}.bin"))
            .collect::<Vec<_>>()
    );
    check(folder.path(), LAYOUT, &positions[4]).unwrap();
    check(folder.path(), LAYOUT, &positions[5]).unwrap();
    // A segment written after the newest checkpoint stays.
    log.prune(&positions[3..4]).unwrap();
    assert!(segment(folder.path(), 5).exists());
    log.prune(&positions[5..]).unwrap();
    assert_eq!(files(folder.path()).len(), 3);
    check(folder.path(), LAYOUT, &positions[5]).unwrap();
    let error = replay_log::verify(folder.path(), LAYOUT, &positions[4]).unwrap_err();
    assert!(matches!(error, RunError::MissingSegment { .. }), "{error}");
}

#[test]
fn what_a_killed_process_left_is_removed_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (log, positions) = written(folder.path(), 5);
    drop(log);
    let whole: Vec<_> = (0..5)
        .map(|i| fs::read(segment(folder.path(), i)).unwrap())
        .collect();
    // Resumed at checkpoint 2: killed while writing, or before the checkpoint.
    for length in [0, 10, 68, 100, whole[3].len()] {
        let temporary = folder
            .path()
            .join(format!(".segment-000003.bin.{}.tmp", std::process::id()));
        fs::write(&temporary, &whole[3][..length]).unwrap();
        fs::write(segment(folder.path(), 4), &whole[4][..length]).unwrap();
        replay_log::verify(folder.path(), LAYOUT, &positions[2]).unwrap();
        let mut log = ReplayLog::open(folder.path(), LAYOUT, positions[2]).unwrap();
        assert_eq!(files(folder.path()).len(), 3);
        for index in 3..5 {
            assert_eq!(extend(&mut log, index), positions[index as usize]);
        }
        for (index, bytes) in whole.iter().enumerate() {
            assert_eq!(
                &fs::read(segment(folder.path(), index as u64)).unwrap(),
                bytes
            );
        }
    }
}

#[test]
fn a_segment_not_finished_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, positions) = written(folder.path(), 1);
    let mut segment = log.begin(10..12, 8..9).unwrap();
    segment.frames(&record(1, 10, 12)).unwrap();
    assert_eq!(files(folder.path()).len(), 2);
    drop(segment);
    assert_eq!(files(folder.path()), ["segment-000000.bin"]);
    assert_eq!(log.position(), positions[0]);
    extend(&mut log, 1);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, positions) = written(folder.path(), 2);
    let path = segment(folder.path(), 0);
    let good = fs::read(&path).unwrap();
    let must_fail = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let error = replay_log::verify(folder.path(), LAYOUT, &positions[1]).expect_err(&what);
        assert!(matches!(error, RunError::Damaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains("segment-000000"), "{error}");
    };
    for length in 0..good.len() {
        must_fail(&good[..length], format!("truncated to {length}"));
    }
    must_fail(&[&good[..], &[0]].concat(), "one byte more".into());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        must_fail(&bad, format!("bit {bit}"));
    }
    // A whole segment in another's place.
    must_fail(
        &fs::read(segment(folder.path(), 1)).unwrap(),
        "the other one".into(),
    );
    fs::write(&path, &good).unwrap();
    let other = ReplayLayout {
        frame_bytes: 13,
        ..LAYOUT
    };
    let error = replay_log::verify(folder.path(), other, &positions[1]).unwrap_err();
    assert!(error.to_string().contains("frame_bytes: 13"), "{error}");
    check(folder.path(), LAYOUT, &positions[1]).unwrap();
}

#[test]
fn what_does_not_continue_the_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, positions) = written(folder.path(), 1);
    let misuse = |outcome: Result<ReplayPosition, RunError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, RunError::ReplayMisuse(_)), "{error}");
    };
    misuse(append(&mut log, LAYOUT, 9..12, 8..9, (0, 0), 12));
    misuse(append(&mut log, LAYOUT, 10..12, 7..9, (0, 0), 12));
    // The ring cannot hold what is not written, nor what lies in a gap.
    misuse(append(&mut log, LAYOUT, 10..12, 8..9, (13, 0), 12));
    misuse(append(&mut log, LAYOUT, 11..12, 8..9, (10, 0), 12));
    // Records missing, too many, or of the wrong kind.
    misuse(log.begin(10..12, 8..8).unwrap().finish(0, 0));
    let mut segment = log.begin(10..11, 8..9).unwrap();
    assert!(segment.transitions(&[0; 5]).is_err());
    drop(segment);
    let mut segment = log.begin(10..11, 8..9).unwrap();
    assert!(segment.frames(&[0; 13]).is_err());
    drop(segment);
    let mut segment = log.begin(10..11, 8..9).unwrap();
    segment.frames(&[0; 12]).unwrap();
    segment.transitions(&[0; 2]).unwrap();
    assert!(segment.frames(&[0; 1]).is_err());
    drop(segment);
    assert_eq!(
        (log.position(), files(folder.path()).len()),
        (positions[0], 1)
    );
    for size in [(0, 5), (12, 0)] {
        let layout = ReplayLayout {
            frame_bytes: size.0,
            transition_bytes: size.1,
        };
        assert!(ReplayLog::open(folder.path(), layout, positions[0]).is_err());
    }
}

#[test]
fn a_ring_that_overran_itself_between_checkpoints_leaves_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, positions) = written(folder.path(), 2);
    let at = append(&mut log, LAYOUT, 500..520, 16..40, (500, 10), 60).unwrap();
    check(folder.path(), LAYOUT, &at).unwrap();
    log.prune(&[positions[1], at]).unwrap();
    check(folder.path(), LAYOUT, &positions[1]).unwrap();
    log.prune(&[at]).unwrap();
    check(folder.path(), LAYOUT, &at).unwrap();
}

#[test]
fn an_empty_segment_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ReplayLog::open(folder.path(), LAYOUT, ReplayPosition::default()).unwrap();
    append(&mut log, LAYOUT, 0..0, 0..0, (0, 0), 1).unwrap();
    append(&mut log, LAYOUT, 0..3, 0..2, (0, 0), 1).unwrap();
    let at = append(&mut log, LAYOUT, 3..3, 2..2, (0, 0), 1).unwrap();
    check(folder.path(), LAYOUT, &at).unwrap();
    log.prune(&[at]).unwrap();
    check(folder.path(), LAYOUT, &at).unwrap();
}

/// Frames of the paper's size fill several blocks; pieces do not meet their ends.
#[test]
fn many_blocks_pass_through() {
    let layout = ReplayLayout {
        frame_bytes: 84 * 84 * 3,
        transition_bytes: 28,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut log = ReplayLog::open(folder.path(), layout, ReplayPosition::default()).unwrap();
    let at = append(
        &mut log,
        layout,
        0..200,
        0..100_000,
        (77, 60_001),
        1_000_003,
    )
    .unwrap();
    check(folder.path(), layout, &at).unwrap();
    let mut reader = log.read().unwrap();
    let mut largest = 0;
    while let Some(chunk) = reader.next_chunk().unwrap() {
        let (ReplayChunk::Frames { bytes, .. } | ReplayChunk::Transitions { bytes, .. }) = chunk;
        largest = largest.max(bytes.len());
    }
    assert!(largest <= 1 << 20, "{largest}");
    // A record larger than a block is a block of its own.
    let layout = ReplayLayout {
        frame_bytes: (1 << 20) + 1,
        transition_bytes: 1,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut log = ReplayLog::open(folder.path(), layout, ReplayPosition::default()).unwrap();
    let at = append(&mut log, layout, 0..3, 0..3, (1, 0), 777_777).unwrap();
    check(folder.path(), layout, &at).unwrap();
}

/// The device `/dev/full` takes the temporary file's place.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, positions) = written(folder.path(), 2);
    std::os::unix::fs::symlink(
        "/dev/full",
        folder
            .path()
            .join(format!(".segment-000002.bin.{}.tmp", std::process::id())),
    )
    .unwrap();
    let error = append(&mut log, LAYOUT, 20..30, 16..24, (0, 0), 12).unwrap_err();
    assert!(matches!(error, RunError::DiskFull { .. }), "{error}");
    assert_eq!(files(folder.path()).len(), 2);
    assert_eq!(log.position(), positions[1]);
    check(folder.path(), LAYOUT, &positions[1]).unwrap();
    // With room again it goes on.
    extend(&mut log, 2);
    check(folder.path(), LAYOUT, &log.position()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any sequence of segments of a ring, with resumes at either kept
    /// checkpoint, reads back.
    #[test]
    fn any_history_reads_back(
        frame_bytes in 1u64..40,
        transition_bytes in 1u64..40,
        capacity in 1u64..60,
        history in proptest::collection::vec((0u64..50, 0u64..40, 1usize..100, 0u8..4), 1..14),
    ) {
        let layout = ReplayLayout { frame_bytes, transition_bytes };
        let folder = tempfile::tempdir().unwrap();
        let mut log = ReplayLog::open(folder.path(), layout, ReplayPosition::default()).unwrap();
        let mut kept: Vec<ReplayPosition> = Vec::new();
        for (frames, transitions, piece, event) in history {
            let at = log.position();
            let (f, t) = (at.frames + frames, at.transitions + transitions);
            let held = (f.saturating_sub(capacity), t.saturating_sub(capacity));
            let at = append(
                &mut log, layout,
                at.frames.max(held.0)..f, at.transitions.max(held.1)..t,
                held, piece,
            ).unwrap();
            if event == 0 {
                // Killed before the checkpoint.
                let from = kept.last().copied().unwrap_or_default();
                log = ReplayLog::open(folder.path(), layout, from).unwrap();
                continue;
            }
            kept.push(at);
            if kept.len() > 2 {
                kept.remove(0);
            }
            if event != 1 {
                // Not killed between checkpoint and removal.
                log.prune(&kept).unwrap();
            }
            for at in &kept {
                check(folder.path(), layout, at).unwrap();
            }
            if event == 2 && kept.len() == 2 {
                // The newest checkpoint is damaged: back to the one before.
                kept.pop();
                log = ReplayLog::open(folder.path(), layout, kept[0]).unwrap();
            }
        }
    }
}
