//! What a tape refuses, whatever is recorded on it: gradients of what has changed since,
//! names that stand for two things, and values without elements.

mod common;

use common::gpu;
use foveate::gpu::{Arena, ArenaLayout, BufferRange};
use foveate::ops::EmaSegment;
use foveate::tape::{DType, Gradient, Tape, TapeError, Tensor, Var};

/// Elements of every tensor here: as many as lie between two tensors of an arena.
const LEN: usize = 64;

/// Three tensors, side by side.
fn arena() -> Arena {
    let mut layout = ArenaLayout::default();
    for name in ["w", "neighbour", "online"] {
        layout.push(name, &[LEN]);
    }
    Arena::new(&gpu(), "weights", layout).unwrap()
}

fn state(tape: &Tape, arena: &Arena, name: &str) -> Var {
    tape.state(arena, name).unwrap()
}

/// Changes `target` in place.
fn average(tape: &Tape, arena: &Arena, target: &Var) {
    let segment = EmaSegment {
        online: 0..LEN,
        target: 0..LEN,
        tau: 0.5,
    };
    target
        .ema(&state(tape, arena, "online"), &[segment])
        .unwrap();
}

/// The gradient of Σ x · `factor` with respect to x, `change` having happened in between.
fn gradient_after(
    tape: &Tape,
    factor: &Var,
    change: impl FnOnce(),
) -> Result<Vec<Option<Var>>, TapeError> {
    let x = tape.input("x", Tensor::f32(&[LEN]));
    let product = x.mul(&factor.reshape(&[LEN]).unwrap()).unwrap();
    let scalar = product.sum_all().unwrap();
    change();
    tape.gradients(&scalar, &[x], Gradient::True)
}

fn assert_stale(found: Result<Vec<Option<Var>>, TapeError>, state: &str) {
    let message = found.unwrap_err().to_string();
    assert!(
        message.contains("record gradients before the update") && message.contains(state),
        "{message}"
    );
}

#[test]
fn gradients_of_a_state_that_was_read_in_another_shape_and_has_changed() {
    let (tape, arena) = (Tape::new(), arena());
    let w = state(&tape, &arena, "w");
    let seen = w.reshape(&[4, LEN / 4]).unwrap().detach().unwrap();
    let found = gradient_after(&tape, &seen, || average(&tape, &arena, &w));
    assert_stale(found, "'w'");
}

#[test]
fn gradients_of_a_buffer_of_the_callers_that_has_changed() {
    let tape = Tape::new();
    let buffer = gpu().storage("table", 4 * LEN as u64).unwrap();
    let whole = BufferRange::whole(&buffer);
    let table = tape.external(whole, Tensor::f32(&[LEN])).unwrap();
    let part = tape.input("part", Tensor::f32(&[3]));
    let number = tape.input("number", Tensor::u32(&[1]));
    let found = gradient_after(&tape, &table, || table.put(&part, &number).unwrap());
    assert_stale(found, "external f32[64]");
}

/// One memory, read under the one name and changed under the other.
#[test]
fn gradients_of_a_state_that_is_also_a_buffer_of_the_callers() {
    for changed_as_state in [true, false] {
        let (tape, arena) = (Tape::new(), arena());
        let w = state(&tape, &arena, "w");
        let range = arena.tensor("w").unwrap();
        let same = tape.external(range, Tensor::f32(&[LEN])).unwrap();
        let (read, changed) = match changed_as_state {
            true => (same, w),
            false => (w, same),
        };
        let found = gradient_after(&tape, &read, || average(&tape, &arena, &changed));
        assert_stale(found, "w");
    }
}

/// What changed is another part of the arena, another buffer, or changed before it was read.
#[test]
fn gradients_of_what_has_not_changed_since() {
    let (tape, arena) = (Tape::new(), arena());
    let w = state(&tape, &arena, "w");
    let buffer = gpu().storage("table", 4 * LEN as u64).unwrap();
    let table = tape
        .external(BufferRange::whole(&buffer), Tensor::f32(&[LEN]))
        .unwrap();
    average(&tape, &arena, &w);
    let found = gradient_after(&tape, &w.reshape(&[LEN, 1]).unwrap(), || {
        average(&tape, &arena, &state(&tape, &arena, "neighbour"));
        average(&tape, &arena, &table);
    });
    assert!(found.unwrap()[0].is_some());
    let rest = tape.state_range(&arena, LEN..2 * LEN, DType::F32);
    let found = gradient_after(&tape, &table, || average(&tape, &arena, &rest));
    assert!(found.unwrap()[0].is_some());
}

#[test]
fn two_inputs_of_one_name() {
    let tape = Tape::new();
    let (a, b) = (
        tape.input("x", Tensor::f32(&[2])),
        tape.input("x", Tensor::f32(&[2])),
    );
    tape.output("y", &a.add(&b).unwrap());
    let message = tape.compile(&gpu()).unwrap_err().to_string();
    assert!(message.contains("two inputs named 'x'"), "{message}");
}

#[test]
fn two_outputs_of_one_name() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2]));
    tape.output("y", &x);
    // The same value once more is no other.
    tape.output("y", &x);
    tape.compile(&gpu()).unwrap();
    tape.output("y", &x.relu().unwrap());
    let message = tape.compile(&gpu()).unwrap_err().to_string();
    assert!(message.contains("two outputs named 'y'"), "{message}");
}

#[test]
fn two_watched_scalars_of_one_name() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[1]));
    tape.watch("loss", &x).unwrap();
    tape.watch("loss", &x.relu().unwrap()).unwrap();
    let message = tape.compile(&gpu()).unwrap_err().to_string();
    assert!(
        message.contains("two watched scalars named 'loss'"),
        "{message}"
    );
}

#[test]
fn values_without_elements() {
    for shape in [vec![0], vec![3, 0]] {
        for of in [
            |tape: &Tape, shape: &[usize]| tape.input("x", Tensor::f32(shape)),
            |tape: &Tape, shape: &[usize]| tape.full(shape, 1.0),
        ] {
            for reshaped in [false, true] {
                let tape = Tape::new();
                let mut x = of(&tape, &shape);
                if reshaped {
                    x = x.reshape(&[0, 7]).unwrap();
                }
                tape.output("x", &x);
                let message = tape.compile(&gpu()).unwrap_err().to_string();
                assert!(
                    message.contains("f32[") && message.contains("at least one element"),
                    "{message}"
                );
            }
        }
    }
}
