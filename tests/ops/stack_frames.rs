use crate::common::*;
use foveate::gpu::{FrameShape, FrameStore};
use foveate::ops::Framing;
use foveate::tape::{Tape, Tensor, Var};
use rand::RngExt;

/// A store whose slots hold random bytes, and those bytes.
fn filled(capacity: usize, side: usize, frames_per_page: usize) -> (FrameStore, Vec<u8>) {
    filled_with(FrameShape::rgb(side), capacity, frames_per_page)
}

fn filled_with(
    shape: FrameShape,
    capacity: usize,
    frames_per_page: usize,
) -> (FrameStore, Vec<u8>) {
    let frame = shape.bytes();
    let page = (frames_per_page * frame) as u64;
    let store = FrameStore::with_page_limit(&gpu(), capacity, shape, page).unwrap();
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
        let (planes, side) = (y.shape()[1] / shape[1], y.shape()[3]);
        let mut choices = gpu().choices();
        let class = format!("stack_frames {}x{}x{planes}x{side}", shape[0], shape[1]);
        choices.insert(class, key);
        gpu().set_choices(choices);
        tape.output("y", &y);
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.run().unwrap();
        let expected = if gpu().capabilities().software && side % 4 == 0 {
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

/// Frames of one plane, and of RGB with saliency; the shift moves all planes alike.
#[test]
fn frames_of_any_number_of_planes() {
    for (planes, pad) in [(1, None), (4, None), (4, Some(2)), (5, Some(1))] {
        let shape = FrameShape { planes, side: 8 };
        let (store, bytes) = filled_with(shape, 6, 4);
        assert_eq!(store.frame_bytes(), planes * 64);
        let slots = [5, 0, 3, 4, 2, 2];
        let offsets = [0, 2, 1, 1, 2, 0];
        let got = stacked(&slots, &[3, 2], |tape, s| {
            let offsets = fixed_u32(tape, &[3, 2], &offsets);
            let y = s
                .stack_frames(&store, pad.map(|pad| (&offsets, pad)))
                .unwrap();
            assert_eq!(y.shape(), [3, 2 * planes, 8, 8]);
            y
        });
        let plain = expected(&slots, shape.bytes(), &bytes);
        let at = |i: usize| {
            let Some(pad) = pad else {
                return plain[i];
            };
            let (stack, row, column) = (i / (128 * planes), i / 8 % 8, i % 8);
            let moved = |place: usize, offset: u32| {
                (place as i32 + offset as i32 - pad as i32).clamp(0, 7) as usize
            };
            let column = moved(column, offsets[2 * stack]);
            let row = moved(row, offsets[2 * stack + 1]);
            plain[i / 64 * 64 + 8 * row + column]
        };
        let right: Vec<f32> = (0..plain.len()).map(at).collect();
        assert_eq!(got, right, "{planes} planes, {pad:?}");
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

/// Windows of larger frames at places of their own, in the middle, and in the middle after
/// a shift, against the bytes: odd ones, of one pixel, as large as the frame. Places beyond
/// the last count as that.
#[test]
fn windows_of_larger_frames() {
    const PAD: usize = 3;
    let offsets = [0, 0, 3, 1, 6, 30, u32::MAX, 2];
    for (side, size) in [
        (12, 5),
        (12, 8),
        (8, 1),
        (16, 7),
        (12, 12),
        (20, 13),
        (20, 16),
    ] {
        let (store, bytes) = filled(7, side, 3);
        let slots = [6, 0, 3, 4, 2, 2, 5, 1];
        for way in ["crop", "centre", "shift"] {
            let got = stacked(&slots, &[4, 2], |tape, s| {
                let offsets = fixed_u32(tape, &[4, 2], &offsets);
                let framing = match way {
                    "crop" => Framing::Crop(&offsets),
                    "centre" => Framing::Centre,
                    _ => Framing::Shift(&offsets, PAD),
                };
                let y = s.stack_windows(&store, size, framing).unwrap();
                assert_eq!(y.shape(), [4, 6, size, size]);
                y
            });
            let middle = ((side - size) / 2) as i64;
            let right = |i: usize| -> f64 {
                let (frame, within) = (i / (3 * size * size), i % (3 * size * size));
                let (channel, pixel) = (within / (size * size), within % (size * size));
                let own = |axis: usize, most: usize| {
                    i64::from(offsets[2 * (frame / 2) + axis]).min(most as i64)
                };
                let (top, left) = match way {
                    "crop" => (own(0, side - size), own(1, side - size)),
                    "centre" => (middle, middle),
                    // A shift is x, then y.
                    _ => {
                        let before = middle - PAD as i64;
                        (before + own(1, 2 * PAD), before + own(0, 2 * PAD))
                    }
                };
                let inside = |place: i64| place.clamp(0, side as i64 - 1) as usize;
                let row = inside(top + (pixel / size) as i64);
                let column = inside(left + (pixel % size) as i64);
                let place = slots[frame] as usize * 3 + channel;
                f64::from(bytes[(place * side + row) * side + column])
            };
            for (i, &value) in got.iter().enumerate() {
                assert_eq!(f64::from(value), right(i), "{way} {size} of {side}, {i}");
            }
        }
    }
}

/// A crop on the way is the same, to the bit, as stacked and then cropped.
#[test]
fn the_crop_is_that_of_the_operation_crop() {
    let (store, _) = filled(8, 12, 3);
    let slots: Vec<u32> = (0..18).map(|i| (5 * i) % 8).collect();
    let offsets = [0, 0, 3, 4, 1, 2, 9, 9, 4, 0, 0, 4];
    for size in [9, 8] {
        let on_the_way = stacked(&slots, &[6, 3], |tape, s| {
            let offsets = fixed_u32(tape, &[6, 2], &offsets);
            let framing = Framing::Crop(&offsets);
            s.stack_windows(&store, size, framing).unwrap()
        });
        let tape = Tape::new();
        let whole = fixed_u32(&tape, &[6, 3], &slots).stack_frames(&store, None);
        let offsets = fixed_u32(&tape, &[6, 2], &offsets);
        let after = computed(&tape, &whole.unwrap().crop(&offsets, size).unwrap());
        assert_eq!(on_the_way, after, "{size}");
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
    let window = |size, framing| slots.stack_windows(&store, size, framing).unwrap_err();
    for size in [0, 5] {
        let message = window(size, Framing::Centre).to_string();
        assert!(
            message.contains(&format!("{size} pixels")) && message.contains("the frame's, 4"),
            "{message}"
        );
    }
    let two = tape.input("two", Tensor::u32(&[2, 2]));
    let message = window(4, Framing::Shift(&two, 70_000)).to_string();
    assert!(message.contains("70000"), "{message}");
    let message = window(2, Framing::Crop(&three)).to_string();
    assert!(message.contains("u32[3, 2]"), "{message}");
}
