//! What all tests share: a device, random numbers, arrays in float64, and the check
//! of an operation against its float64 reference and finite differences.
#![allow(dead_code)]

pub mod golden;
pub mod skip;

use foveate::gpu::{BufferRange, Gpu, GpuOptions};
use foveate::tape::{Gradient, Tape, TapeError, Tensor, Var};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The device that `FOVEATE_ADAPTER` and `FOVEATE_BACKEND` select. `FOVEATE_BASE_PATH=1`
/// limits it to WebGPU's core limits without features.
pub fn gpu() -> Gpu {
    thread_local!(static GPU: OnceCell<Gpu> = const { OnceCell::new() });
    GPU.with(|cell| cell.get_or_init(own_gpu).clone())
}

/// [`gpu`], opened for the caller alone.
pub fn own_gpu() -> Gpu {
    let options = GpuOptions {
        base_path: std::env::var("FOVEATE_BASE_PATH").is_ok_and(|v| v == "1"),
        ..Default::default()
    };
    Gpu::new_blocking(options).expect("tests need an adapter")
}

/// The permutation of `kernel` for rows of so many elements that takes a workgroup for
/// each, or an invocation for each.
pub fn kernel_for_rows(kernel: &str, width: usize, by_lane: bool) -> String {
    match (by_lane, width.is_multiple_of(4)) {
        (false, _) => kernel.to_string(),
        (true, false) => format!("{kernel}.rows"),
        (true, true) => format!("{kernel}.rows_quads"),
    }
}

/// A dense float64 array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    pub fn new(shape: &[usize], data: Vec<f64>) -> Array {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Array {
            shape: shape.to_vec(),
            data,
        }
    }

    pub fn zeros(shape: &[usize]) -> Array {
        Array::new(shape, vec![0.0; shape.iter().product()])
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        Array::new(&self.shape, self.data.iter().map(|&v| f(v)).collect())
    }

    pub fn f32(&self) -> Vec<f32> {
        self.data.iter().map(|&v| v as f32).collect()
    }

    /// The element at these indices.
    pub fn at(&self, index: &[usize]) -> f64 {
        let mut flat = 0;
        for (i, d) in index.iter().zip(&self.shape) {
            assert!(i < d);
            flat = flat * d + i;
        }
        self.data[flat]
    }
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Values that f32 holds exactly, in ±1, at least 0.02 from 0 (away from kinks).
pub fn random(rng: &mut StdRng, shape: &[usize]) -> Array {
    let n = shape.iter().product();
    let data = (0..n)
        .map(|_| {
            let v: f32 = rng.random_range(0.02..1.0);
            if rng.random_bool(0.5) {
                v as f64
            } else {
                -v as f64
            }
        })
        .collect();
    Array::new(shape, data)
}

/// Values in a range, exact in f32.
pub fn random_in(rng: &mut StdRng, shape: &[usize], from: f32, to: f32) -> Array {
    let n = shape.iter().product();
    Array::new(
        shape,
        (0..n).map(|_| rng.random_range(from..to) as f64).collect(),
    )
}

/// Fixed u32 on the tape.
pub fn fixed_u32(tape: &Tape, shape: &[usize], data: &[u32]) -> Var {
    fixed(tape, Tensor::u32(shape), bytemuck::cast_slice(data))
}

/// Fixed bytes on the tape.
pub fn fixed_u8(tape: &Tape, shape: &[usize], data: &[u8]) -> Var {
    fixed(tape, Tensor::u8(shape), data)
}

fn fixed(tape: &Tape, tensor: Tensor, data: &[u8]) -> Var {
    assert_eq!(tensor.len() * tensor.dtype.size(), data.len());
    let buffer = gpu().storage("fixed", tensor.bytes()).unwrap();
    let range = BufferRange::whole(&buffer);
    let mut words = data.to_vec();
    words.resize(words.len().next_multiple_of(4), 0);
    gpu().write(&range, &words).unwrap();
    tape.external(range, tensor).unwrap()
}

/// What a tape's output `y` holds after one run with poisoned scratch memory.
pub fn computed(tape: &Tape, y: &Var) -> Vec<f32> {
    // A tape may be asked for several values, one after the other.
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let name = format!("computed {}", ASKED.fetch_add(1, Ordering::Relaxed));
    tape.output(&name, y);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    program.read_blocking(&name).unwrap()
}

/// max |x − reference| / max |reference|; fails on NaN.
pub fn max_error(x: &[f32], reference: &[f64]) -> f64 {
    assert_eq!(x.len(), reference.len(), "lengths differ");
    let scale = reference.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
    x.iter().zip(reference).fold(0.0f64, |m, (a, b)| {
        assert!(a.is_finite(), "a result is {a}");
        m.max((*a as f64 - b).abs())
    }) / scale
}

/// Fails unless x is within `tolerance` of the reference, relative to its largest element.
pub fn assert_close(what: &str, x: &[f32], reference: &[f64], tolerance: f64) {
    let error = max_error(x, reference);
    assert!(
        error <= tolerance,
        "{what}: error {error:.2e} > {tolerance:.0e}"
    );
}

/// What to check of an operation.
pub struct Check<'a> {
    pub name: &'a str,
    pub inputs: Vec<Array>,
    /// Inputs whose gradient is checked.
    pub differentiable: Vec<bool>,
    pub forward_tolerance: f64,
    pub gradient_tolerance: f64,
    /// The device, if it is not everybody's.
    pub device: Option<Gpu>,
}

impl<'a> Check<'a> {
    pub fn new(name: &'a str, inputs: Vec<Array>) -> Check<'a> {
        Check {
            name,
            differentiable: vec![true; inputs.len()],
            inputs,
            forward_tolerance: 2e-6,
            gradient_tolerance: 2e-5,
            device: None,
        }
    }

    pub fn on(mut self, gpu: &Gpu) -> Self {
        self.device = Some(gpu.clone());
        self
    }

    pub fn tolerances(mut self, forward: f64, gradient: f64) -> Self {
        self.forward_tolerance = forward;
        self.gradient_tolerance = gradient;
        self
    }

    pub fn without_gradient(mut self, input: usize) -> Self {
        self.differentiable[input] = false;
        self
    }

    /// Runs `build` on the device with all scratch memory poisoned, compares with
    /// `reference`, then compares the recorded gradients of Σ cotangent · result with
    /// central differences of the reference at up to 60 elements of each input. Returns
    /// the permutations that ran.
    pub fn run(
        &self,
        build: impl Fn(&Tape, &[Var]) -> Result<Var, TapeError>,
        reference: impl Fn(&[Array]) -> Array,
    ) -> BTreeSet<&'static str> {
        let (gpu, tape) = (self.device.clone().unwrap_or_else(gpu), Tape::new());
        let vars: Vec<Var> = (self.inputs.iter().enumerate())
            .map(|(i, a)| tape.input(&format!("in{i}"), Tensor::f32(&a.shape)))
            .collect();
        let y = build(&tape, &vars).unwrap();
        tape.output("y", &y);
        let expected = reference(&self.inputs);
        assert_eq!(y.shape(), expected.shape, "{}: shape", self.name);
        let mut rng = rng(99);
        let cotangent = random(&mut rng, &y.shape());
        let wrt: Vec<Var> = (vars.iter().zip(&self.differentiable))
            .filter(|(_, d)| **d)
            .map(|(v, _)| v.clone())
            .collect();
        if !wrt.is_empty() {
            let seed = tape.constant(&y.shape(), &cotangent.f32()).unwrap();
            let grads = tape
                .gradients_seeded(&[(y.clone(), seed)], &wrt, Gradient::True)
                .unwrap();
            for (i, g) in grads.iter().enumerate() {
                tape.output(&format!("g{i}"), g.as_ref().expect("a gradient"));
            }
        }
        let program = tape.compile(&gpu).unwrap();
        program.poison().unwrap();
        for (i, a) in self.inputs.iter().enumerate() {
            program.write(&format!("in{i}"), &a.f32()).unwrap();
        }
        program.run().unwrap();
        let got: Vec<f32> = program.read_blocking("y").unwrap();
        assert_close(self.name, &got, &expected.data, self.forward_tolerance);

        let loss = |inputs: &[Array]| -> f64 {
            let y = reference(inputs);
            y.data.iter().zip(&cotangent.data).map(|(a, b)| a * b).sum()
        };
        let indices = (0..self.inputs.len()).filter(|&i| self.differentiable[i]);
        for (g, i) in indices.enumerate() {
            let got: Vec<f32> = program.read_blocking(&format!("g{g}")).unwrap();
            let n = self.inputs[i].data.len();
            let picked: Vec<usize> = if n <= 60 {
                (0..n).collect()
            } else {
                (0..60).map(|_| rng.random_range(0..n)).collect()
            };
            let mut moved = self.inputs.clone();
            let h = 1e-6;
            let (mut a, mut b) = (vec![], vec![]);
            for j in picked {
                let v = self.inputs[i].data[j];
                moved[i].data[j] = v + h;
                let up = loss(&moved);
                moved[i].data[j] = v - h;
                let down = loss(&moved);
                moved[i].data[j] = v;
                a.push(got[j]);
                b.push((up - down) / (2.0 * h));
            }
            let what = format!("{}: gradient of input {i}", self.name);
            // In float64 the differences themselves are good to about 1e-8.
            assert_close(&what, &a, &b, self.gradient_tolerance);
        }
        program.dispatches().map(|d| d.1).collect()
    }
}
