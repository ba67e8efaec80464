use crate::common::*;
use foveate::ops::Var;
use foveate::tape::{Gradient, Tape, Tensor};
use rand::RngExt;

/// Values and gradients for repeated, missing and too large indices; the sums in
/// the gradient are in order, so that the bits are known.
#[test]
fn values_and_gradients() {
    let cases: [(&[usize], usize); 9] = [
        (&[1], 1),
        (&[5], 9),
        (&[4, 3], 1),
        (&[7, 13], 200),
        (&[100, 2, 3], 70),
        (&[3, 5], 3),
        // Whole fours of elements, of indices, and of both.
        (&[9, 12], 33),
        (&[30, 3], 64),
        (&[300, 2, 4], 260),
    ];
    for (i, (shape, count)) in cases.into_iter().enumerate() {
        let mut rng = rng(i as u64);
        let x = random(&mut rng, shape).f32();
        let mut rows: Vec<u32> = (0..count)
            .map(|_| rng.random_range(0..shape[0] as u32))
            .collect();
        if i == 5 {
            rows = vec![2, u32::MAX, 3];
        }
        let tape = Tape::new();
        let input = tape.input("x", Tensor::f32(shape));
        let index = tape.input("rows", Tensor::u32(&[count]));
        let y = input.gather(&index).unwrap();
        let mut shape_out = shape.to_vec();
        shape_out[0] = count;
        assert_eq!(y.shape(), shape_out);
        let seed = random(&mut rng, &shape_out).f32();
        let seed_var = tape.constant(&shape_out, &seed).unwrap();
        let g = tape.gradients_seeded(&[(y.clone(), seed_var)], &[input], Gradient::True);
        let g = g.unwrap().remove(0).unwrap();
        tape.output("y", &y);
        tape.output("g", &g);
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.write("x", &x).unwrap();
        program.write("rows", &rows).unwrap();
        program.run().unwrap();

        let width = x.len() / shape[0];
        let (mut expected, mut gradient) = (vec![], vec![0.0f32; x.len()]);
        for (n, &row) in rows.iter().enumerate() {
            let row = (row as usize).min(shape[0] - 1);
            for j in 0..width {
                expected.push(x[row * width + j]);
                gradient[row * width + j] += seed[n * width + j];
            }
        }
        assert_eq!(program.read_blocking::<f32>("y").unwrap(), expected);
        assert_eq!(program.read_blocking::<f32>("g").unwrap(), gradient);
    }
}

/// Rows of a table in several parts are those of the whole, wherever its ends lie.
#[test]
fn parts_are_one_table() {
    for (parts, width) in [
        (vec![1], 3),
        (vec![1, 1], 1),
        (vec![5, 5, 2], 7),
        (vec![4, 4, 4, 1], 8),
        (vec![2, 64, 1], 12),
    ] {
        let total: usize = parts.iter().sum();
        let mut rng = rng(total as u64);
        let table = random(&mut rng, &[total, width]).f32();
        // Every row, then any of them, and one that is not there.
        let mut rows: Vec<u32> = (0..total as u32).collect();
        rows.extend((0..131).map(|_| rng.random_range(0..total as u32)));
        rows.push(u32::MAX);
        let tape = Tape::new();
        let mut first = 0;
        let pages: Vec<_> = (parts.iter())
            .map(|&part| {
                let here = &table[first * width..(first + part) * width];
                first += part;
                tape.constant(&[part, width], here).unwrap()
            })
            .collect();
        let index = tape.input("rows", Tensor::u32(&[rows.len()]));
        tape.output("y", &Var::gather_pages(&pages, &index).unwrap());
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.write("rows", &rows).unwrap();
        program.run().unwrap();
        let expected: Vec<f32> = (rows.iter())
            .flat_map(|&row| {
                let row = (row as usize).min(total - 1);
                table[row * width..(row + 1) * width].to_vec()
            })
            .collect();
        assert_eq!(
            program.read_blocking::<f32>("y").unwrap(),
            expected,
            "{parts:?}"
        );
    }
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let x = tape.full(&[4, 2], 0.0);
    let message = x.gather(&tape.full(&[3], 0.0)).unwrap_err().to_string();
    assert!(
        message.contains("gather") && message.contains("f32[3]"),
        "{message}"
    );
    let rows = fixed_u32(&tape, &[3], &[0; 3]);
    for pages in [vec![], vec![x.clone(), tape.full(&[4, 3], 0.0)]] {
        let message = Var::gather_pages(&pages, &rows).unwrap_err().to_string();
        assert!(message.contains("gather_pages"), "{message}");
    }
}
