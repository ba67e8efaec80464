use crate::common::*;
use foveate::ops::Stream;
use foveate::tape::{Tape, Tensor};

const STREAM: Stream = Stream {
    seed: 0x1_2345_6789,
    stream: 6,
};

/// Word `k` of row `row`: a number that no other word has, and a normal float.
fn word(row: usize, k: usize) -> u32 {
    0x3f80_0000 + (row * 64 + k) as u32
}

/// Rows that a draw of `batch` takes, by the first slot of each; every other field
/// of a drawn transition is checked to be of the same row, in its place.
fn drawn(
    step: u32,
    [oldest, held]: [u32; 2],
    capacity: usize,
    batch: usize,
    (frames, actions): (usize, usize),
) -> Vec<usize> {
    let width = frames + 3 + actions;
    let tape = Tape::new();
    let rows: Vec<u32> = (0..capacity)
        .flat_map(|r| (0..width).map(move |k| word(r, k)))
        .collect();
    let rows = fixed_u32(&tape, &[capacity, width], &rows);
    let ring = fixed_u32(&tape, &[2], &[oldest, held]);
    let t = fixed_u32(&tape, &[1], &[step])
        .sample_transitions(STREAM, &ring, &rows, batch, frames)
        .unwrap();
    let outputs = [
        &t.obs_slots,
        &t.next_slots,
        &t.action,
        &t.reward,
        &t.not_done,
    ];
    for (i, var) in outputs.iter().enumerate() {
        tape.output(&i.to_string(), var);
    }
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    let read = |i: usize| program.read_blocking::<u32>(&i.to_string()).unwrap();
    let [obs, next, action, reward, not_done] = [0, 1, 2, 3, 4].map(read);
    (0..batch)
        .map(|b| {
            let row = (obs[b * frames] - word(0, 0)) as usize / 64;
            let fields = |k: usize, n: usize| (k..k + n).map(|k| word(row, k)).collect::<Vec<_>>();
            assert_eq!(obs[b * frames..][..frames], fields(0, frames));
            assert_eq!(next[b * frames..][..frames], fields(1, frames));
            assert_eq!(reward[b], word(row, frames + 1));
            assert_eq!(not_done[b], word(row, frames + 2));
            assert_eq!(
                action[b * actions..][..actions],
                fields(frames + 3, actions)
            );
            row
        })
        .collect()
}

/// The same rows as the CPU's generator names, in rings that are empty but for one
/// row, partly filled, full, and wrapped around.
#[test]
fn the_rows_that_the_twin_draws() {
    for (ring, capacity, batch, sizes) in [
        ([0, 1], 1, 1, (1, 1)),
        ([0, 1], 9, 5, (3, 2)),
        ([0, 7], 9, 65, (3, 6)),
        ([5, 9], 9, 130, (3, 2)),
        ([7, 4], 9, 70, (2, 1)),
        ([999, 1000], 1000, 300, (4, 3)),
    ] {
        for step in [0, 1, u32::MAX] {
            let oldest = ring[0] as usize;
            let twin = STREAM.integers(step, batch, ring[1]).unwrap();
            let expected: Vec<usize> = (twin.iter())
                .map(|&d| (oldest + d as usize) % capacity)
                .collect();
            let got = drawn(step, ring, capacity, batch, sizes);
            assert_eq!(got, expected, "{ring:?} of {capacity}, step {step}");
        }
    }
}

/// Every row that is held, and no other, is drawn equally often: χ² with 36 degrees of
/// freedom is above 80 once in 30,000 times, and these numbers are fixed.
#[test]
fn every_held_row_is_equally_likely() {
    let (capacity, held, batch) = (50, 37, 50_000);
    let mut counts = vec![0usize; capacity];
    for row in drawn(3, [40, held as u32], capacity, batch, (1, 1)) {
        counts[row] += 1;
    }
    let is_held = |row: usize| (row + capacity - 40) % capacity < held;
    let expected = batch as f64 / held as f64;
    let mut chi_square = 0.0;
    for (row, &count) in counts.iter().enumerate() {
        if is_held(row) {
            chi_square += (count as f64 - expected).powi(2) / expected;
        } else {
            assert_eq!(count, 0, "row {row} is not held");
        }
    }
    assert!(chi_square < 80.0, "χ² = {chi_square}");
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let step = tape.input("step", Tensor::u32(&[1]));
    let ring = tape.input("ring", Tensor::u32(&[2]));
    let rows = tape.input("rows", Tensor::u32(&[10, 6]));
    // Three frames and two actions need eight words.
    let message = step
        .sample_transitions(STREAM, &ring, &rows, 4, 3)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("sample_transitions") && message.contains("u32[10, 6]"),
        "{message}"
    );
    let floats = tape.input("floats", Tensor::f32(&[10, 8]));
    assert!(
        step.sample_transitions(STREAM, &ring, &floats, 4, 3)
            .is_err()
    );
    assert!(ring.sample_transitions(STREAM, &ring, &rows, 4, 1).is_err());
}
