//! The same work with meganeura.

use std::sync::Arc;

use meganeura::runtime::auto_tune;
use meganeura::{CoopPolicy, Graph, Mode, Session, SessionConfig, SessionOptions};
use peers_harness::works::{self, Attention as Inputs, BATCH, FILTERS};
use peers_harness::{Failure, Peer, Work};

fn main() -> Result<(), Failure> {
    peers_harness::main(
        || {
            let gpu = meganeura::init_gpu_context().map_err(|e| format!("{e:?}"))?;
            let info = gpu.device_information();
            let kind = if info.is_software_emulated {
                "cpu"
            } else {
                "other"
            };
            let peer = Peer {
                name: "meganeura",
                version: "0.3.0".to_string(),
                device: format!("{}, {}", info.device_name, info.driver_info),
                kind: kind.to_string(),
            };
            // Matrix hardware only where it computes in f32.
            let coop = match auto_tune(&gpu, 0).coop_caps.f32_tile {
                0 => CoopPolicy::Disabled,
                _ => CoopPolicy::Auto,
            };
            let gpu = Arc::new(gpu);
            // Its search for the fastest tiles, which is not on by itself.
            let config = move |mode| SessionConfig {
                mode,
                gpu: Some(gpu.clone()),
                tune: true,
                runtime: SessionOptions {
                    coop,
                    ..Default::default()
                },
                ..Default::default()
            };
            Ok((peer, config))
        },
        prepare,
    )
}

fn prepare(
    config: &impl Fn(Mode) -> SessionConfig<'static>,
    work: &str,
) -> Result<Box<dyn Work>, Failure> {
    if let Some(side) = works::gemm_side(work) {
        return Ok(Box::new(Gemm::new(config(Mode::Inference), side)));
    }
    match work {
        "attention" => Ok(Box::new(Attention::new(config(Mode::Training)))),
        "encoder" => Ok(Box::new(Encoder::new(config(Mode::Training)))),
        _ => works::unknown(work),
    }
}

struct Gemm {
    session: Session,
    side: usize,
}

impl Gemm {
    fn new(config: SessionConfig, side: usize) -> Gemm {
        let mut graph = Graph::new();
        let a = graph.input("a", &[side, side]);
        let b = graph.parameter("b", &[side, side]);
        let c = graph.matmul(a, b);
        graph.set_outputs(vec![c]);
        let mut session = meganeura::build(&graph, config).0;
        let [a, b] = works::gemm(side);
        session.set_input("a", &a);
        session.set_parameter("b", &b);
        Gemm { session, side }
    }
}

impl Work for Gemm {
    fn run(&mut self) -> Result<(), Failure> {
        self.session.step();
        self.session.wait();
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let c = self.session.read_output(self.side * self.side);
        Ok(vec![("c".to_string(), c)])
    }
}

struct Encoder {
    session: Session,
    /// Name and length; the input picture is one of them, for its gradient.
    parameters: Vec<(String, usize)>,
}

impl Encoder {
    fn new(config: SessionConfig) -> Encoder {
        let work = works::Encoder::new();
        let mut graph = Graph::new();
        let mut parameters = vec![("x".to_string(), work.x)];
        let mut out = graph.parameter("x", &[parameters[0].1.len()]);
        for (i, layer) in work.layers.into_iter().enumerate() {
            let (w, b) = (format!("w{i}"), format!("b{i}"));
            let weight = graph.parameter(&w, &[layer.weight.len()]);
            let bias = graph.parameter(&b, &[FILTERS]);
            if i > 0 {
                out = graph.relu(out);
            }
            let [batch, channels, side, filters, stride, out_side] = [
                BATCH,
                layer.channels,
                layer.side,
                FILTERS,
                layer.stride,
                layer.out_side,
            ]
            .map(|n| n as u32);
            out = graph.conv2d(
                out, weight, batch, channels, side, side, filters, 3, 3, stride, 0,
            );
            out = graph.add_per_channel(out, bias, filters, out_side * out_side);
            parameters.push((w, layer.weight));
            parameters.push((b, layer.bias));
        }
        let seed = graph.input("seed", &[work.seed.len()]);
        let weighted = graph.mul(out, seed);
        let loss = graph.sum_all(weighted);
        graph.set_outputs(vec![loss]);
        let mut session = meganeura::build(&graph, config).0;
        session.set_input("seed", &work.seed);
        for (name, data) in &parameters {
            session.set_parameter(name, data);
        }
        let parameters = parameters.into_iter().map(|(n, d)| (n, d.len()));
        Encoder {
            session,
            parameters: parameters.collect(),
        }
    }
}

impl Work for Encoder {
    fn run(&mut self) -> Result<(), Failure> {
        self.session.step();
        self.session.wait();
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let mut results = vec![("loss".to_string(), self.session.read_output(1))];
        for (name, len) in &self.parameters {
            if !self.session.has_param_grad(name) {
                return Err(format!("no gradient of {name}").into());
            }
            let mut gradient = vec![0.0; *len];
            self.session.read_param_grad(name, &mut gradient);
            results.push((format!("{name}.grad"), gradient));
        }
        Ok(results)
    }
}

/// Its attention is of one sequence: the heads of all images lie side by side in it.
struct Attention {
    session: Session,
}

const ROW: usize = Inputs::HEADS * Inputs::HEAD;
const ALL_ROWS: usize = Inputs::IMAGES * ROW;

/// [IMAGES, TOKENS, ROW] to [TOKENS, IMAGES, ROW] or back, `from` and `to` being how many
/// of the first two there are.
fn swapped(x: &[f32], from: usize, to: usize) -> Vec<f32> {
    (0..to * from)
        .flat_map(|i| {
            let row = (i % from) * to + i / from;
            x[row * ROW..(row + 1) * ROW].iter().copied()
        })
        .collect()
}

impl Attention {
    fn new(config: SessionConfig) -> Attention {
        let inputs = Inputs::new();
        let shape = [Inputs::TOKENS, ALL_ROWS];
        let mut graph = Graph::new();
        let [q, k, v] = ["q", "k", "v"].map(|name| graph.parameter(name, &shape));
        let heads = (Inputs::IMAGES * Inputs::HEADS) as u32;
        let out = graph.multi_head_attn(q, k, v, heads, heads, Inputs::HEAD as u32, false);
        let seed = graph.input("seed", &shape);
        let weighted = graph.mul(out, seed);
        let loss = graph.sum_all(weighted);
        graph.set_outputs(vec![loss]);
        let mut session = meganeura::build(&graph, config).0;
        let ordered = |x: &[f32]| swapped(x, Inputs::IMAGES, Inputs::TOKENS);
        session.set_input("seed", &ordered(&inputs.seed));
        for (name, x) in ["q", "k", "v"].into_iter().zip(&inputs.qkv) {
            session.set_parameter(name, &ordered(x));
        }
        Attention { session }
    }
}

impl Work for Attention {
    fn run(&mut self) -> Result<(), Failure> {
        self.session.step();
        self.session.wait();
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let mut results = vec![("loss".to_string(), self.session.read_output(1))];
        for name in ["q", "k", "v"] {
            if !self.session.has_param_grad(name) {
                return Err(format!("no gradient of {name}").into());
            }
            let mut gradient = vec![0.0; Inputs::TOKENS * ALL_ROWS];
            self.session.read_param_grad(name, &mut gradient);
            let gradient = swapped(&gradient, Inputs::TOKENS, Inputs::IMAGES);
            results.push((format!("{name}.grad"), gradient));
        }
        Ok(results)
    }
}
