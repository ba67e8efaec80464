//! The same work with burn, on wgpu.

mod visarl;

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use burn_wgpu::{RuntimeOptions, WgpuDevice, graphics::AutoGraphicsApi, init_setup};
use peers_harness::works::{self, Attention as Inputs, BATCH, FILTERS};
use peers_harness::{Failure, Peer, Work};

fn main() -> Result<(), Failure> {
    peers_harness::main(open, prepare)
}

fn open() -> Result<(Peer, Device), Failure> {
    let setup = init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), RuntimeOptions::default());
    let info = setup.adapter.get_info();
    let kind = format!("{:?}", info.device_type).to_lowercase();
    let peer = Peer {
        name: match cfg!(feature = "autotune") {
            true => "burn",
            false => "burn-untuned",
        },
        version: "0.22.1".to_string(),
        device: format!("{}, {:?}, {}", info.name, info.backend, info.driver_info),
        kind: kind.trim_end_matches("gpu").to_string(),
    };
    Ok((peer, Device::wgpu(Default::default())))
}

fn prepare(device: &Device, work: &str) -> Result<Box<dyn Work>, Failure> {
    if let Some(side) = works::gemm_side(work) {
        let [a, b] = works::gemm(side).map(|m| tensor(m, [side, side], device));
        return Ok(Box::new(Gemm {
            device: device.clone(),
            a,
            b,
            c: None,
        }));
    }
    match work {
        "attention" => Ok(Box::new(Attention::new(&device.clone().autodiff()))),
        "encoder" => Ok(Box::new(Encoder::new(&device.clone().autodiff()))),
        "visarl_step" => Ok(Box::new(visarl::Training::new(&device.clone().autodiff()))),
        _ => works::unknown(work),
    }
}

fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

fn floats<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>, Failure> {
    let data = tensor.clone().into_data();
    data.to_vec().map_err(|e| format!("{e:?}").into())
}

struct Gemm {
    device: Device,
    a: Tensor<2>,
    b: Tensor<2>,
    c: Option<Tensor<2>>,
}

impl Work for Gemm {
    fn run(&mut self) -> Result<(), Failure> {
        self.c = Some(self.a.clone().matmul(self.b.clone()));
        self.device.sync().map_err(|e| format!("{e:?}").into())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let c = self.c.as_ref().ok_or("nothing was run")?;
        Ok(vec![("c".to_string(), floats(c)?)])
    }
}

struct Encoder {
    device: Device,
    x: Tensor<4>,
    layers: Vec<(Tensor<4>, Tensor<1>, usize)>,
    seed: Tensor<4>,
    /// The last run's scalar and gradients; kept until the device is done, so that
    /// nothing of them can be left out.
    last: Option<(Tensor<1>, Gradients)>,
}

impl Encoder {
    fn new(device: &Device) -> Encoder {
        let work = works::Encoder::new();
        let side = work.layers.last().map_or(0, |l| l.out_side);
        let layers = work.layers.into_iter().map(|l| {
            let weight = tensor(l.weight, [FILTERS, l.channels, 3, 3], device).require_grad();
            let bias = tensor(l.bias, [FILTERS], device).require_grad();
            (weight, bias, l.stride)
        });
        Encoder {
            layers: layers.collect(),
            x: tensor(work.x, [BATCH, 9, 84, 84], device).require_grad(),
            seed: tensor(work.seed, [BATCH, FILTERS, side, side], device),
            device: device.clone(),
            last: None,
        }
    }
}

impl Work for Encoder {
    fn run(&mut self) -> Result<(), Failure> {
        let mut x = self.x.clone();
        for (i, (weight, bias, stride)) in self.layers.iter().enumerate() {
            if i > 0 {
                x = relu(x);
            }
            let options = ConvOptions::new([*stride; 2], [0, 0], [1, 1], 1);
            x = conv2d(x, weight.clone(), Some(bias.clone()), options);
        }
        let loss = (x * self.seed.clone()).sum();
        let gradients = loss.backward();
        self.last = Some((loss, gradients));
        self.device.sync().map_err(|e| format!("{e:?}").into())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let (loss, gradients) = self.last.as_ref().ok_or("nothing was run")?;
        let x = self.x.grad(gradients).ok_or("no gradient of the input")?;
        let mut results = vec![
            ("loss".to_string(), floats(loss)?),
            ("x.grad".to_string(), floats(&x)?),
        ];
        for (i, (weight, bias, _)) in self.layers.iter().enumerate() {
            let weight = weight.grad(gradients).ok_or("no gradient of a weight")?;
            let bias = bias.grad(gradients).ok_or("no gradient of a bias")?;
            results.push((format!("w{i}.grad"), floats(&weight)?));
            results.push((format!("b{i}.grad"), floats(&bias)?));
        }
        Ok(results)
    }
}

struct Attention {
    device: Device,
    /// Queries, keys, values: [IMAGES, TOKENS, HEADS, HEAD].
    qkv: [Tensor<4>; 3],
    seed: Tensor<4>,
    last: Option<(Tensor<1>, Gradients)>,
}

impl Attention {
    fn new(device: &Device) -> Attention {
        let inputs = Inputs::new();
        let shape = [Inputs::IMAGES, Inputs::TOKENS, Inputs::HEADS, Inputs::HEAD];
        Attention {
            qkv: inputs.qkv.map(|x| tensor(x, shape, device).require_grad()),
            seed: tensor(inputs.seed, shape, device),
            device: device.clone(),
            last: None,
        }
    }
}

impl Work for Attention {
    fn run(&mut self) -> Result<(), Failure> {
        // Heads before tokens.
        let [q, k, v] = self.qkv.each_ref().map(|x| x.clone().swap_dims(1, 2));
        let scores = q.matmul(k.transpose()) / (Inputs::HEAD as f64).sqrt();
        let out = softmax(scores, 3).matmul(v).swap_dims(1, 2);
        let loss = (out * self.seed.clone()).sum();
        let gradients = loss.backward();
        self.last = Some((loss, gradients));
        self.device.sync().map_err(|e| format!("{e:?}").into())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let (loss, gradients) = self.last.as_ref().ok_or("nothing was run")?;
        let mut results = vec![("loss".to_string(), floats(loss)?)];
        for (name, x) in ["q", "k", "v"].into_iter().zip(&self.qkv) {
            let gradient = x.grad(gradients).ok_or("no gradient of an input")?;
            results.push((format!("{name}.grad"), floats(&gradient)?));
        }
        Ok(results)
    }
}
