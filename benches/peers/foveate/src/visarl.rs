//! One step of training a MultiMAE of ViSaRL's size.

use foveate::gpu::{Arena, Gpu};
use foveate::nn::{
    MultiMae, MultiMaeShape, Optimiser, ParameterLayout, PixelOrder, Scope, patchify,
};
use foveate::ops::{AdamOptions, SampledTokens};
use foveate::tape::{Program, Tape, Tensor};
use peers_harness::visarl::{
    ADAM_EPS, BATCH, BETAS, FIRST_MOMENT, LOSSES, LR, MODALITIES, PARAMETERS, PATCH, SIDE, Step,
    TOKENS, VISIBLE, WEIGHT_DECAY,
};
use peers_harness::{Failure, Work};

/// The step, and what came of the first two.
pub struct Training {
    program: Program,
    first_moment: Arena,
    steps: usize,
    results: Vec<(String, Vec<f32>)>,
}

impl Training {
    pub fn new(gpu: &Gpu) -> Result<Training, Failure> {
        let (step, shape) = (Step::new(), MultiMaeShape::visarl());
        let mut layout = ParameterLayout::default();
        MultiMae::push_encoder(&mut layout, &shape);
        MultiMae::push_decoders(&mut layout, &shape);
        let parameters = layout.allocate(gpu, "parameters", 1)?;
        let entries = layout.layout().entries();
        if entries.len() != step.parameters.len() {
            return Err(format!("{} parameters", entries.len()).into());
        }
        for (entry, given) in entries.iter().zip(&step.parameters) {
            if (&entry.name, &entry.shape) != (&given.name, &given.shape) {
                return Err(format!("{} in the place of {}", entry.name, given.name).into());
            }
            let bytes: Vec<u8> = (given.values.iter())
                .flat_map(|v| v.to_le_bytes())
                .collect();
            gpu.write(&parameters.slice(entry.range()), &bytes)?;
        }
        let count: usize = entries.iter().map(|e| e.len()).sum();

        let tape = Tape::new();
        let mut patches = vec![];
        for (name, channels) in MODALITIES {
            let image = tape.input(name, Tensor::f32(&[BATCH, channels, SIDE, SIDE]));
            patches.push(patchify(&image, PATCH, PixelOrder::ChannelsFirst)?);
        }
        let sample = SampledTokens {
            kept: tape.input("kept", Tensor::u32(&[BATCH * VISIBLE])),
            restored: tape.input("restored", Tensor::u32(&[BATCH * TOKENS])),
            masked: tape.input("masked", Tensor::f32(&[BATCH, TOKENS])),
        };
        let scope = Scope::new(&tape, &parameters, "");
        let model = MultiMae::reconstruct(&tape, &scope, &patches, &sample, &shape)?;
        let [beta1, beta2] = BETAS;
        let options = AdamOptions {
            lr: LR,
            beta1,
            beta2,
            eps: ADAM_EPS,
            weight_decay: WEIGHT_DECAY,
            ..Default::default()
        };
        let optimiser = Optimiser::new(gpu, "adam", &layout, 0..layout.mark(), options)?;
        optimiser.step(&tape, &parameters, &model.loss)?;
        tape.output("loss", &model.loss);
        let program = tape.compile(gpu)?;
        for ((name, _), image) in MODALITIES.iter().zip(&step.images) {
            program.write(name, image)?;
        }
        program.write("kept", &step.kept())?;
        program.write("restored", &step.restored())?;
        program.write("masked", &step.masked())?;
        Ok(Training {
            program,
            first_moment: optimiser.arenas()[0].clone(),
            steps: 0,
            results: vec![(PARAMETERS.to_string(), vec![count as f32])],
        })
    }

    fn first_moment(&self) -> Result<Vec<f32>, Failure> {
        let mut all = vec![];
        for entry in self.first_moment.layout().entries() {
            let range = self.first_moment.slice(entry.range());
            let bytes = self.program.gpu().read_blocking(&range)?;
            let words = bytes.chunks_exact(4).take(entry.len());
            all.extend(words.map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]])));
        }
        Ok(all)
    }
}

impl Work for Training {
    fn run(&mut self) -> Result<(), Failure> {
        self.program.run()?;
        self.program.gpu().wait()?;
        if let Some(name) = LOSSES.get(self.steps) {
            let loss = self.program.read_blocking("loss")?;
            self.results.push((name.to_string(), loss));
            if self.steps == 0 {
                let moment = self.first_moment()?;
                self.results.push((FIRST_MOMENT.to_string(), moment));
            }
        }
        self.steps += 1;
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        Ok(self.results.clone())
    }
}
