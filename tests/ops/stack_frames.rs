use crate::common::*;
use foveate::gpu::FrameStore;
use foveate::tape::{Tape, Tensor, Var};
use rand::RngExt;

/// A store whose slots hold random bytes, and those bytes.
fn filled(capacity: usize, side: usize, frames_per_page: usize) -> (FrameStore, Vec<u8>) {
    let frame = 3 * side * side;
    let page = (frames_per_page * frame) as u64;
    let store = FrameStore::with_page_limit(&gpu(), capacity, side, page).unwrap();
    let mut rng = rng(capacity as u64);
    let bytes: Vec<u8> = (0..capacity * frame).map(|_| rng.random()).collect();
    for (slot, bytes) in bytes.chunks(frame).enumerate() {
        gpu().write(&store.slot(slot), bytes).unwrap();
    }
    (store, bytes)
}

/// What `build` makes of the slots, by every kernel that the device has for it; they
/// agree to the bit.
fn stacked(slots: &[u32], shape: &[usize], build: impl Fn(&Tape, &Var) -> Var) -> Vec<f32> {
    let [pixels, quads] = [
        "stack_frames/stack_frames",
        "stack_frames/stack_frames.quads",
    ];
    let results = [pixels, quads].map(|key| {
        let tape = Tape::new();
        let index = fixed_u32(&tape, shape, slots);
        let y = build(&tape, &index);
        let side = y.shape()[3];
        let mut choices = gpu().choices();
        choices.insert(
            format!("stack_frames {}x{}x{side}", shape[0], shape[1]),
            key,
        );
        gpu().set_choices(choices);
        tape.output("y", &y);
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.run().unwrap();
        let expected = if gpu().capabilities().software {
            key
        } else {
            pixels
        };
        let mut ran = program.dispatches().map(|d| d.1);
        assert!(ran.any(|ran| ran == expected), "{expected} does not run");
        program.read_blocking::<f32>("y").unwrap()
    });
    let [by_pixel, by_quad] = results;
    assert_eq!(by_pixel, by_quad);
    by_quad
}

fn expected(slots: &[u32], frame: usize, bytes: &[u8]) -> Vec<f32> {
    let of = |&s: &u32| bytes[s as usize * frame..][..frame].iter();
    slots.iter().flat_map(of).map(|&b| f32::from(b)).collect()
}

/// Frames of one stack lie in different pages, the last of which is not full.
#[test]
fn stacks_from_several_pages() {
    for (capacity, side, per_page, b, f) in [
        (1, 4, 1, 1, 1),
        (7, 4, 3, 5, 3),
        (10, 12, 4, 67, 4),
        (5, 8, 100, 3, 2),
    ] {
        let (store, bytes) = filled(capacity, side, per_page);
        assert_eq!(store.pages().len(), capacity.div_ceil(per_page));
        let mut rng = rng(b as u64);
        let mut slots: Vec<u32> = (0..b * f)
            .map(|_| rng.random_range(0..capacity as u32))
            .collect();
        // The first and the last slot are among them.
        slots[0] = 0;
        slots[b * f - 1] = capacity as u32 - 1;
        let got = stacked(&slots, &[b, f], |_, s| {
            let y = s.stack_frames(&store, None).unwrap();
            assert_eq!(y.shape(), [b, 3 * f, side, side]);
            y
        });
        assert_eq!(got, expected(&slots, 3 * side * side, &bytes));
    }
}

/// More frames than a dispatch has workgroups in one dimension.
#[test]
fn more_frames_than_workgroups_in_a_row() {
    let (store, bytes) = filled(9, 4, 5);
    let slots: Vec<u32> = (0..66_001u32).map(|i| (i * i) % 9).collect();
    let got = stacked(&slots, &[66_001, 1], |_, s| {
        s.stack_frames(&store, None).unwrap()
    });
    assert_eq!(got, expected(&slots, 48, &bytes));
}

/// Shifted on the way is the same, to the bit, as stacked and then shifted.
#[test]
fn the_shift_is_that_of_the_operation_shift() {
    for (pad, offsets) in [
        (4, vec![0, 0, 8, 8, 0, 8, 4, 4, 3, 7, 8, 1]),
        (1, vec![2, 2, 0, 0, 1, 2, 2, 1, 1, 1, 0, 2]),
        // More padding than picture.
        (11, vec![22, 22, 0, 0, 11, 11, 1, 20, 22, 0, 12, 10]),
        (0, vec![0; 12]),
    ] {
        let (store, _) = filled(8, 8, 3);
        let slots: Vec<u32> = (0..18).map(|i| (5 * i) % 8).collect();
        let on_the_way = stacked(&slots, &[6, 3], |tape, s| {
            let offsets = fixed_u32(tape, &[6, 2], &offsets);
            s.stack_frames(&store, Some((&offsets, pad))).unwrap()
        });
        let after = stacked(&slots, &[6, 3], |tape, s| {
            let offsets = fixed_u32(tape, &[6, 2], &offsets);
            let y = s.stack_frames(&store, None).unwrap();
            y.shift(&offsets, pad).unwrap()
        });
        assert_eq!(on_the_way, after, "pad {pad}");
    }
}

#[test]
fn mistakes_are_named() {
    let (store, _) = filled(4, 4, 4);
    let tape = Tape::new();
    let slots = tape.input("slots", Tensor::u32(&[2, 3]));
    let three = tape.input("offsets", Tensor::u32(&[3, 2]));
    let message = slots
        .stack_frames(&store, Some((&three, 4)))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("stack_frames") && message.contains("u32[3, 2]"),
        "{message}"
    );
    let floats = tape.input("floats", Tensor::f32(&[2, 3]));
    let message = floats.stack_frames(&store, None).unwrap_err().to_string();
    assert!(
        message.contains("f32[2, 3]") && message.contains("u32[B, F]"),
        "{message}"
    );
    let flat = tape.input("flat", Tensor::u32(&[6]));
    assert!(flat.stack_frames(&store, None).is_err());
}
