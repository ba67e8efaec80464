//! The smallest complete use of the tape: fits sin 3x with a network of one hidden
//! layer. Record, differentiate, compile, replay, read.
//!
//! ```text
//! cargo run --release --example tape
//! ```

use std::process::ExitCode;

use foveate::gpu::{Arena, ArenaLayout, Gpu, GpuOptions};
use foveate::nn::{Init, ParameterLayout, Scope};
use foveate::ops::AdamOptions;
use foveate::tape::{DType, Tape, Tensor};

const POINTS: usize = 64;
const HIDDEN: usize = 16;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", foveate::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> foveate::Result<()> {
    let gpu = Gpu::new_blocking(GpuOptions::default())?;
    println!("on {}", gpu.info().name);

    // State outlives every program: all parameters in one buffer, and Adam's moments in
    // buffers laid out like it.
    let mut layout = ParameterLayout::default();
    let zero = Init::Constant(0.0);
    layout.linear("net.hidden", HIDDEN, 1, Init::Uniform(2.0), zero);
    layout.linear("net.out", 1, HIDDEN, Init::Uniform(0.25), zero);
    let parameters = layout.allocate(&gpu, "parameters", 1)?;
    let first_moment = Arena::new(&gpu, "first moment", layout.layout().clone())?;
    let second_moment = Arena::new(&gpu, "second moment", layout.layout().clone())?;
    let mut clock = ArenaLayout::default();
    clock.push("time", &[4]);
    let clock = Arena::new(&gpu, "time", clock)?;

    // Record: shapes are checked here, nothing runs yet.
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[POINTS, 1]));
    let target = tape.input("target", Tensor::f32(&[POINTS, 1]));
    let net = Scope::new(&tape, &parameters, "net");
    let y = net.linear("out", &net.linear("hidden", &x)?.tanh()?)?;
    let loss = y.mse(&target)?;
    tape.watch("loss", &loss)?;
    tape.output("y", &y);

    // Differentiate: the gradients, and one step of Adam over all parameters, are more
    // nodes of the same tape.
    let all = 0..layout.layout().len();
    let gradients = tape.arena_gradients(&loss, &parameters, all.clone())?;
    let flat = |arena: &Arena| tape.state_range(arena, all.clone(), DType::F32);
    let options = AdamOptions {
        lr: 0.02,
        ..Default::default()
    };
    flat(&parameters).adam(
        &gradients.packed,
        &flat(&first_moment),
        &flat(&second_moment),
        &tape.state_range(&clock, 0..4, DType::U32),
        options,
    )?;

    // Compile: memory, pipelines and bind groups are made here, once.
    let mut program = tape.compile(&gpu)?;
    println!("one step is {} dispatches", program.dispatches().len());

    // Replay.
    let xs: Vec<f32> = (0..POINTS)
        .map(|i| 2.0 * i as f32 / (POINTS - 1) as f32 - 1.0)
        .collect();
    let targets: Vec<f32> = xs.iter().map(|x| (3.0 * x).sin()).collect();
    program.write("x", &xs)?;
    program.write("target", &targets)?;
    for _ in 0..6 {
        for _ in 0..100 {
            program.run()?;
        }
        // Each run has put its loss into a small ring on the device.
        if let Some(row) = program.watched_blocking()?.last() {
            println!("run {:3}  loss {:.6}", row.run + 1, row.values[0]);
        }
    }

    // Read.
    let fitted: Vec<f32> = program.read_blocking("y")?;
    println!("     x  sin 3x     fit");
    for i in (0..POINTS).step_by(9) {
        println!("{:6.2}  {:6.3}  {:6.3}", xs[i], targets[i], fitted[i]);
    }
    Ok(())
}
