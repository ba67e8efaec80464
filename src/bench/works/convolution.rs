//! Convolutions of the paper's encoder and decoder, alone and as the whole encoder.

use super::fixture::{gradients, program, random};
use super::{Pass, Scale, Work};
use crate::Error;
use crate::agents::{Eye, network_shape};
use crate::bench::Subject;
use crate::config::{AgentKind, Config, Preset};
use crate::gpu::Gpu;
use crate::nn::{Encoder, NetworkShape, ParameterLayout, Scope};
use crate::ops::{Conv2dOptions, Var};
use crate::tape::Tape;

/// One 3×3 convolution with bias: input C×S×S → M channels.
#[derive(Debug, Clone, Copy)]
struct Layer {
    batch: usize,
    channels: usize,
    side: usize,
    out: usize,
    options: Conv2dOptions,
}

/// What is computed of a layer.
#[derive(Debug, Clone, Copy)]
enum Part {
    Output,
    InputGradient,
    WeightGradient,
}

impl Layer {
    fn describe(&self) -> String {
        let Layer {
            batch: b,
            channels: c,
            side: s,
            out,
            options: o,
        } = self;
        let mut text = format!("{b}×{c}×{s}×{s} → {out}");
        if o.stride > 1 {
            text += &format!(", stride {}", o.stride);
        }
        if o.upsample > 1 {
            text += &format!(", upsampled ×{}", o.upsample);
        }
        text
    }

    fn prepare(&self, gpu: &Gpu, part: Part) -> Result<Subject, Error> {
        let tape = Tape::new();
        let x = random(
            gpu,
            &tape,
            &[self.batch, self.channels, self.side, self.side],
        )?;
        let weight = random(gpu, &tape, &[self.out, self.channels, 3, 3])?;
        let bias = random(gpu, &tape, &[self.out])?;
        let y = x.conv2d(&weight, Some(&bias), self.options)?;
        match part {
            Part::Output => program(gpu, &tape, [&y]),
            Part::InputGradient => gradients(gpu, &tape, &y, &[x]),
            Part::WeightGradient => gradients(gpu, &tape, &y, &[weight, bias]),
        }
    }
}

pub fn works(scale: Scale) -> Vec<Work> {
    let batch = scale.batch();
    let paper = paper();
    let (filters, [_, first, second]) = (paper.num_filters, paper.decoder_channels);
    let side = |layer: usize| (paper.image_size - 3) / 2 + 1 - 2 * (layer - 1);
    let plain = Conv2dOptions::default();
    let encoder = |channels, side, options| Layer {
        batch,
        channels,
        side,
        out: filters,
        options,
    };
    let strided = Conv2dOptions { stride: 2, ..plain };
    let layers = [
        encoder(paper.in_channels(), paper.image_size, strided),
        encoder(filters, side(1), plain),
        encoder(filters, side(paper.num_shared_layers - 1), plain),
        Layer {
            batch,
            channels: first,
            side: paper.decoder_side(),
            out: second,
            options: Conv2dOptions {
                pad: 1,
                upsample: 2,
                ..plain
            },
        },
    ];
    let mut works = vec![];
    for layer in layers {
        for (part, pass, suffix) in [
            (Part::Output, Pass::Forward, ""),
            (Part::InputGradient, Pass::Backward, ", input gradient"),
            (Part::WeightGradient, Pass::Backward, ", weight gradient"),
        ] {
            let shape = layer.describe() + suffix;
            works.push(Work::new("conv2d", shape, pass, move |gpu| {
                layer.prepare(gpu, part)
            }));
        }
    }
    let mut batches = vec![16, batch];
    batches.dedup();
    for batch in batches {
        let shape = format!("{batch}×9×84×84, {} layers", paper.num_shared_layers);
        for (pass, suffix) in [(Pass::Forward, ""), (Pass::Backward, ", with forward")] {
            works.push(Work::new(
                "encoder",
                shape.clone() + suffix,
                pass,
                move |gpu| encoder_subject(gpu, batch, pass),
            ));
        }
    }
    works
}

/// The paper's networks.
pub fn paper() -> NetworkShape {
    let config = Config::new(AgentKind::Sgqn, "native/reach", Preset::Paper);
    network_shape(&config, super::update::ACTIONS, &Eye::cnn(&config))
}

/// All convolutions with the ReLUs between them; backward: and the gradients of all
/// their parameters.
fn encoder_subject(gpu: &Gpu, batch: usize, pass: Pass) -> Result<Subject, Error> {
    let shape = paper();
    let mut layout = ParameterLayout::default();
    Encoder::push_cnn(&mut layout, "encoder", &shape);
    let parameters = layout.allocate(gpu, "parameters", 1)?;
    let tape = Tape::new();
    let side = shape.image_size;
    let obs = random(gpu, &tape, &[batch, shape.in_channels(), side, side])?;
    let scope = Scope::new(&tape, &parameters, "encoder");
    let features = Encoder::cnn(&scope, &obs, &shape)?;
    if pass == Pass::Forward {
        return program(gpu, &tape, [&features]);
    }
    let names = layout.layout().entries().iter().map(|e| e.name.as_str());
    let wrt: Vec<Var> = names
        .map(|name| tape.state(&parameters, name))
        .collect::<Result<_, _>>()?;
    gradients(gpu, &tape, &features, &wrt)
}
