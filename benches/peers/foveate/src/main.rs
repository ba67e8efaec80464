//! The work that the peers are compared on, with foveate.

mod update;
mod visarl;

use std::sync::Arc;
use std::time::Duration;

use foveate::gpu::{Gpu, Tuning};
use foveate::ops::{AttentionOptions, Conv2dOptions};
use foveate::tape::{Gradient, Program, Tape, Tensor, Var};
use peers_harness::works::{self, Attention, BATCH, FILTERS};
use peers_harness::{Failure, Peer, Work};

fn main() -> Result<(), Failure> {
    peers_harness::main(open, prepare)
}

fn open() -> Result<(Peer, Gpu), Failure> {
    let gpu = Gpu::new_blocking(Default::default())?;
    // At its best, as the others: kernels are measured while programs are compiled.
    gpu.set_tuning(Some(Tuning {
        budget: Duration::from_secs(30),
        notice: Arc::new(|_| ()),
        turn: None,
        keep: Arc::new(|_, _| ()),
    }));
    let info = gpu.info();
    let kind = format!("{:?}", info.device_type).to_lowercase();
    let peer = Peer {
        name: "foveate",
        version: foveate_version(),
        device: format!("{}, {:?}, {}", info.name, info.backend, info.driver_info),
        kind: kind.trim_end_matches("gpu").to_string(),
    };
    Ok((peer, gpu))
}

/// The version in this checkout's manifest.
fn foveate_version() -> String {
    let manifest = include_str!("../../../../Cargo.toml");
    let line = manifest.lines().find(|l| l.starts_with("version"));
    let version = line.and_then(|l| l.split('"').nth(1));
    version.unwrap_or("unknown").to_string()
}

fn prepare(gpu: &Gpu, work: &str) -> Result<Box<dyn Work>, Failure> {
    if let Some(side) = works::gemm_side(work) {
        return Ok(Box::new(gemm(gpu, side)?));
    }
    match work {
        "attention" => Ok(Box::new(attention(gpu)?)),
        "encoder" => Ok(Box::new(encoder(gpu)?)),
        "update_even" => Ok(Box::new(update::Update::new(gpu, 0)?)),
        "update_odd" => Ok(Box::new(update::Update::new(gpu, 1)?)),
        "visarl_step" => Ok(Box::new(visarl::Training::new(gpu)?)),
        _ => works::unknown(work),
    }
}

/// A compiled tape and the values that it keeps.
struct Replay {
    program: Program,
    outputs: Vec<String>,
}

/// Records values, then compiles them: inputs with their numbers, outputs by name.
#[derive(Default)]
struct Recorder {
    tape: Tape,
    inputs: Vec<(String, Vec<f32>)>,
    outputs: Vec<String>,
}

impl Recorder {
    fn input(&mut self, name: &str, shape: &[usize], data: Vec<f32>) -> Var {
        self.inputs.push((name.to_string(), data));
        self.tape.input(name, Tensor::f32(shape))
    }

    fn output(&mut self, name: String, var: &Var) {
        self.tape.output(&name, var);
        self.outputs.push(name);
    }

    /// A scalar, and its gradients by the leaves, each under its name.
    fn loss(&mut self, loss: &Var, leaves: Vec<(String, Var)>) -> Result<(), Failure> {
        self.output("loss".to_string(), loss);
        let (names, leaves): (Vec<_>, Vec<_>) = leaves.into_iter().unzip();
        let gradients = self.tape.gradients(loss, &leaves, Gradient::True)?;
        for (name, gradient) in names.into_iter().zip(gradients) {
            let gradient = gradient.ok_or(format!("{name} does not exist"))?;
            self.output(name, &gradient);
        }
        Ok(())
    }

    fn compile(self, gpu: &Gpu) -> Result<Replay, Failure> {
        let program = self.tape.compile(gpu)?;
        for (name, data) in &self.inputs {
            program.write(name, data)?;
        }
        Ok(Replay {
            program,
            outputs: self.outputs,
        })
    }
}

impl Work for Replay {
    fn run(&mut self) -> Result<(), Failure> {
        self.program.run()?;
        Ok(self.program.gpu().wait()?)
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let mut results = vec![];
        for name in &self.outputs {
            results.push((name.clone(), self.program.read_blocking(name)?));
        }
        Ok(results)
    }
}

fn gemm(gpu: &Gpu, side: usize) -> Result<Replay, Failure> {
    let mut recorder = Recorder::default();
    let [a, b] = works::gemm(side);
    let a = recorder.input("a", &[side, side], a);
    let b = recorder.input("b", &[side, side], b);
    recorder.output("c".to_string(), &a.matmul(&b)?);
    recorder.compile(gpu)
}

fn encoder(gpu: &Gpu) -> Result<Replay, Failure> {
    let work = works::Encoder::new();
    let mut recorder = Recorder::default();
    let x = recorder.input("x", &[BATCH, 9, 84, 84], work.x);
    let side = work.layers.last().map_or(0, |l| l.out_side);
    let seed = recorder.input("seed", &[BATCH, FILTERS, side, side], work.seed);

    let mut leaves = vec![("x.grad".to_string(), x.clone())];
    let mut out = x;
    for (i, layer) in work.layers.into_iter().enumerate() {
        let (w, b) = (format!("w{i}"), format!("b{i}"));
        let weight = recorder.input(&w, &[FILTERS, layer.channels, 3, 3], layer.weight);
        let bias = recorder.input(&b, &[FILTERS], layer.bias);
        if i > 0 {
            out = out.relu()?;
        }
        let options = Conv2dOptions {
            stride: layer.stride,
            ..Default::default()
        };
        out = out.conv2d(&weight, Some(&bias), options)?;
        leaves.push((format!("{w}.grad"), weight));
        leaves.push((format!("{b}.grad"), bias));
    }
    recorder.loss(&out.mul(&seed)?.sum_all()?, leaves)?;
    recorder.compile(gpu)
}

fn attention(gpu: &Gpu) -> Result<Replay, Failure> {
    let work = Attention::new();
    let shape = [
        Attention::IMAGES,
        Attention::TOKENS,
        Attention::HEADS * Attention::HEAD,
    ];
    let mut recorder = Recorder::default();
    let seed = recorder.input("seed", &shape, work.seed);
    let mut leaves = vec![];
    for (name, data) in ["q", "k", "v"].into_iter().zip(work.qkv) {
        leaves.push((format!("{name}.grad"), recorder.input(name, &shape, data)));
    }
    let [q, k, v] = [&leaves[0].1, &leaves[1].1, &leaves[2].1];
    let out = q.attention(k, v, AttentionOptions::heads(Attention::HEADS))?;
    recorder.loss(&out.mul(&seed)?.sum_all()?, leaves)?;
    recorder.compile(gpu)
}
