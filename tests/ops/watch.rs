use crate::common::*;
use foveate::tape::{Tape, Tensor};

/// Every run appends a row: what was computed, also from what is watched itself, an
/// input, a constant, and one scalar under several names.
#[test]
fn rows_in_order_whatever_the_scalars_come_from() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    let square = x.mul(&x).unwrap();
    let negative = x.exp().unwrap().sum_all().unwrap().scale(-1.0).unwrap();
    for (name, scalar) in [
        ("square", &square),
        ("input", &x),
        ("constant", &tape.full(&[1], -2.5)),
        ("again", &square),
        ("shaped", &square.reshape(&[1, 1]).unwrap()),
        ("negative", &negative),
        ("positive", &negative.scale(-1.0).unwrap()),
    ] {
        tape.watch(name, scalar).unwrap();
    }
    let mut program = tape.compile(&gpu()).unwrap();
    assert_eq!(
        program.watched(),
        [
            "square", "input", "constant", "again", "shaped", "negative", "positive"
        ]
    );
    program.poison().unwrap();
    let mut run = 0u32;
    for runs in [3, 1, 0, 5] {
        for i in 0..runs {
            program.write("x", &[(run + i) as f32]).unwrap();
            program.run().unwrap();
        }
        let rows = program.watched_blocking().unwrap();
        assert_eq!(rows.len(), runs as usize);
        for row in rows {
            let x = run as f32;
            assert_eq!(row.run, run);
            assert_eq!(row.values[..5], [x * x, x, -2.5, x * x, x * x]);
            let [negative, positive] = row.values[5..] else {
                panic!("{row:?}")
            };
            assert!((positive / x.exp() - 1.0).abs() < 1e-5, "{row:?}");
            assert_eq!(negative, -positive);
            run += 1;
        }
    }
}

/// The ring keeps the newest 256 rows; the oldest of more are gone, and no row is
/// given twice.
#[test]
fn the_ring_keeps_the_newest() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    tape.watch("x", &x).unwrap();
    let mut program = tape.compile(&gpu()).unwrap();
    for i in 0..300 {
        program.write("x", &[i as f32]).unwrap();
        program.run().unwrap();
    }
    let rows = program.watched_blocking().unwrap();
    assert_eq!(rows.len(), 256);
    for (row, expected) in rows.iter().zip(44u32..) {
        assert_eq!((row.run, row.values[0]), (expected, expected as f32));
    }
    assert_eq!(program.watched_blocking().unwrap(), []);
}

#[test]
fn only_scalars_are_watched() {
    let tape = Tape::new();
    let two = tape.full(&[2], 0.0);
    let message = tape.watch("two", &two).unwrap_err().to_string();
    assert!(
        message.contains("watch") && message.contains("f32[2]"),
        "{message}"
    );
    let count = tape.input("count", Tensor::u32(&[1]));
    assert!(tape.watch("count", &count).is_err());
}
