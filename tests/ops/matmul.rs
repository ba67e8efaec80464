use crate::common::*;

fn reference(a: &Array, b: &Array, ta: bool, tb: bool) -> Array {
    let (m, k) = if ta {
        (a.shape[1], a.shape[0])
    } else {
        (a.shape[0], a.shape[1])
    };
    let n = if tb { b.shape[0] } else { b.shape[1] };
    let mut c = Array::zeros(&[m, n]);
    for i in 0..m {
        for j in 0..n {
            c.data[i * n + j] = (0..k)
                .map(|k| {
                    let u = if ta { a.at(&[k, i]) } else { a.at(&[i, k]) };
                    let v = if tb { b.at(&[j, k]) } else { b.at(&[k, j]) };
                    u * v
                })
                .sum();
        }
    }
    c
}

#[test]
fn every_layout_and_odd_sizes() {
    for (seed, [m, n, k]) in [
        [1, 1, 1],
        [3, 5, 7],
        [65, 33, 17],
        [7, 130, 40],
        [5, 9, 1030],
    ]
    .into_iter()
    .enumerate()
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut rng = rng(seed as u64);
            let a = random(&mut rng, &if ta { [k, m] } else { [m, k] });
            let b = random(&mut rng, &if tb { [n, k] } else { [k, n] });
            Check::new(&format!("matmul {m} {n} {k} {ta} {tb}"), vec![a, b])
                .tolerances(1e-5, 3e-5)
                .run(
                    |_, v| v[0].matmul_transposed(&v[1], ta, tb),
                    |a| reference(&a[0], &a[1], ta, tb),
                );
        }
    }
}

#[test]
fn linear_with_fused_relu_and_its_gradient() {
    for (seed, [m, n, k]) in [[2, 3, 4], [17, 70, 33], [4, 6, 2000]]
        .into_iter()
        .enumerate()
    {
        let mut rng = rng(10 + seed as u64);
        let inputs = vec![
            random(&mut rng, &[m, k]),
            random(&mut rng, &[n, k]),
            random(&mut rng, &[n]),
        ];
        Check::new("linear + relu", inputs)
            .tolerances(1e-5, 3e-4)
            .run(
                |_, v| v[0].linear(&v[1], &v[2])?.relu(),
                |a| {
                    let mut y = reference(&a[0], &a[1], false, true);
                    for (i, v) in y.data.iter_mut().enumerate() {
                        *v = (*v + a[2].data[i % n]).max(0.0);
                    }
                    y
                },
            );
    }
}

/// The ReLU runs inside the product: one dispatch, not two.
#[test]
fn relu_is_fused() {
    let tape = foveate::tape::Tape::new();
    let (x, w, b) = (
        tape.full(&[64, 64], 1.0),
        tape.full(&[64, 64], 1.0),
        tape.full(&[64], 1.0),
    );
    tape.output("y", &x.linear(&w, &b).unwrap().relu().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    assert_eq!(
        program.dispatches().map(|d| d.0).collect::<Vec<_>>(),
        ["matmul"]
    );
}
