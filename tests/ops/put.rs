use crate::common::*;
use foveate::gpu::BufferRange;
use foveate::tape::{Tape, Tensor};

/// Parts of 3 into a table of 7: the last part is cut off, and nothing else changes.
#[test]
fn parts_lie_side_by_side_and_end_with_the_table() {
    let buffer = gpu().storage("table", 4 * 8).unwrap();
    let range = BufferRange::whole(&buffer);
    gpu()
        .write(&range, bytemuck::cast_slice(&[9.0f32; 8]))
        .unwrap();
    let tape = Tape::new();
    let table = tape.external(range.clone(), Tensor::f32(&[7])).unwrap();
    let part = tape.input("part", Tensor::f32(&[3]));
    let number = tape.input("number", Tensor::u32(&[1]));
    table.put(&part, &number).unwrap();
    let program = tape.compile(&gpu()).unwrap();
    let held = || -> Vec<f32> {
        let bytes = gpu().read_blocking(&range).unwrap();
        bytemuck::pod_collect_to_vec(&bytes)
    };
    for (number, part, expected) in [
        (
            1u32,
            [1.0f32, 2.0, 3.0],
            [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 9.0, 9.0],
        ),
        (2, [4.0, 5.0, 6.0], [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 9.0]),
        (0, [7.0, 8.0, 0.0], [7.0, 8.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0]),
        (3, [5.0, 5.0, 5.0], [7.0, 8.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0]),
    ] {
        program.poison().unwrap();
        program.write("part", &part).unwrap();
        program.write("number", &[number]).unwrap();
        program.run().unwrap();
        assert_eq!(held(), expected, "part {number}");
    }
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let (values, number) = (tape.full(&[4], 0.0), tape.input("n", Tensor::u32(&[1])));
    let error = values.put(&values, &number).unwrap_err().to_string();
    assert!(error.contains("is not state"), "{error}");
    let buffer = gpu().storage("table", 16).unwrap();
    let table = tape
        .external(BufferRange::whole(&buffer), Tensor::f32(&[4]))
        .unwrap();
    let error = table.put(&values, &values).unwrap_err().to_string();
    assert!(error.contains("its number u32[1]"), "{error}");
}
