use crate::common::*;
use foveate::tape::{DType, Gradient, Tape, Tensor};

#[test]
fn values_and_gradients() {
    for (from, to) in [
        (vec![1], vec![1, 1, 1]),
        (vec![2, 3, 5], vec![6, 5]),
        (vec![7, 4], vec![2, 2, 7]),
    ] {
        let x = random(&mut rng(1), &from);
        Check::new("reshape", vec![x]).tolerances(0.0, 2e-5).run(
            |_, v| v[0].reshape(&to),
            |a| Array::new(&to, a[0].data.clone()),
        );
    }
}

/// It is the same memory: nothing is dispatched, and any element type will do.
#[test]
fn it_costs_nothing() {
    let tape = Tape::new();
    let slots = tape.input("slots", Tensor::u32(&[6, 2]));
    let y = slots.reshape(&[3, 4]).unwrap().flatten().unwrap();
    assert_eq!((y.shape(), y.dtype()), (vec![3, 4], DType::U32));
    tape.output("y", &y);
    let program = tape.compile(&gpu()).unwrap();
    assert_eq!(program.dispatches().len(), 0);
    let data: Vec<u32> = (0..12).collect();
    program.write("slots", &data).unwrap();
    program.run().unwrap();
    assert_eq!(program.read_blocking::<u32>("y").unwrap(), data);
}

#[test]
fn flatten_keeps_the_first_dimension() {
    let tape = Tape::new();
    for (shape, flat) in [(vec![2, 3, 4], vec![2, 12]), (vec![5], vec![5, 1])] {
        let x = tape.full(&shape, 0.0);
        assert_eq!(x.flatten().unwrap().shape(), flat);
    }
}

/// d/dx of x · detach(x) is x, not 2x; and what is wholly detached has no gradient.
#[test]
fn no_gradient_flows_through_detach() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[3]));
    let scalar = x.mul(&x.detach().unwrap()).unwrap().sum_all().unwrap();
    let gradient = |of| {
        let wrt = std::slice::from_ref(&x);
        tape.gradients(of, wrt, Gradient::True).unwrap().remove(0)
    };
    tape.output("g", &gradient(&scalar).unwrap());
    let apart = x.detach().unwrap().sum_all().unwrap();
    assert!(gradient(&apart).is_none());
    let program = tape.compile(&gpu()).unwrap();
    program.write("x", &[2.0f32, -3.0, 0.5]).unwrap();
    program.run().unwrap();
    let g: Vec<f32> = program.read_blocking("g").unwrap();
    assert_eq!(g, [2.0, -3.0, 0.5]);
}

#[test]
fn another_number_of_elements_is_refused() {
    let tape = Tape::new();
    let message = tape
        .full(&[2, 3], 0.0)
        .reshape(&[4, 2])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("reshape") && message.contains("f32[2, 3]") && message.contains("[4, 2]"),
        "{message}"
    );
}
