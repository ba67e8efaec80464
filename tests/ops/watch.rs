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

/// Watched scalars belong to the first program of a tape: its rows are those of its own
/// runs, whatever else is compiled of the same tape and runs.
#[test]
fn another_program_of_the_same_tape_adds_no_rows() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    let y = x.mul(&x).unwrap();
    tape.output("y", &y);
    tape.watch("y", &y).unwrap();
    let mut first = tape.compile(&gpu()).unwrap();
    tape.output("z", &y.scale(2.0).unwrap());
    let mut second = tape.compile(&gpu()).unwrap();
    for (x, program) in [(1.0f32, &first), (2.0, &second), (3.0, &first)] {
        program.write("x", &[x]).unwrap();
        program.run().unwrap();
    }
    let rows = first.watched_blocking().unwrap();
    let rows: Vec<_> = rows.iter().map(|r| (r.run, r.values[0])).collect();
    assert_eq!(rows, [(0, 1.0), (1, 9.0)]);
    assert!(second.watched().is_empty());
    assert_eq!(second.watched_blocking().unwrap(), []);
    assert_eq!(second.read_blocking::<f32>("z").unwrap(), [8.0]);
}

/// What could not be planned has taken nothing: the scalars belong to the next that can.
#[test]
fn a_program_that_could_not_be_planned_takes_no_scalars() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    tape.watch("x", &x).unwrap();
    let lost = own_gpu();
    lost.device().destroy();
    assert!(tape.compile(&lost).is_err());
    let program = tape.compile(&gpu()).unwrap();
    assert_eq!(program.watched(), ["x"]);
}

/// The two results of one operation that reads one to compute the other.
#[test]
fn a_clipped_gradient_and_its_norm() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    let (clipped, norm) = x.clip_norm(0.5).unwrap();
    tape.watch("clipped", &clipped).unwrap();
    tape.watch("norm", &norm).unwrap();
    let mut program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.write("x", &[-4.0f32]).unwrap();
    program.run().unwrap();
    let rows = program.watched_blocking().unwrap();
    assert_close("row", &rows[0].values, &[-0.5, 4.0], 2e-6);
}
