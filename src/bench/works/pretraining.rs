//! Whole updates of masked autoencoders, from images to new parameters.

use super::{Pass, Scale, Work};
use crate::Error;
use crate::bench::Subject;
use crate::gpu::Gpu;
use crate::pretrain::{Method, Pictures, PretrainConfig, PretrainLearner};

/// Presets and samples of an update, the quick one first; ViSaRL's own 512 are for GPUs.
const UPDATES: [(&str, usize); 2] = [("tiny", 32), ("visarl", 64)];
/// Images to draw from; how many there are changes nothing.
const PICTURES: usize = 64;

pub fn works(scale: Scale) -> Vec<Work> {
    let work = |(preset, batch)| {
        let shape = match PretrainConfig::new(Method::MultiMae, preset) {
            Ok(c) => {
                let tokens = 2 * (c.image_size / c.patch).pow(2);
                let visible = c.num_encoded_tokens;
                format!("{preset}, batch {batch}, {visible} of {tokens} tokens")
            }
            Err(_) => format!("{preset}, batch {batch}"),
        };
        let prepare = move |gpu: &Gpu| multimae(gpu, preset, batch);
        Work::new("multimae_update", shape, Pass::Step, prepare)
    };
    let count = if scale.quick { 1 } else { UPDATES.len() };
    UPDATES.into_iter().take(count).map(work).collect()
}

fn multimae(gpu: &Gpu, preset: &str, batch: usize) -> Result<Subject, Error> {
    let config = PretrainConfig {
        batch,
        ..PretrainConfig::new(Method::MultiMae, preset)?
    };
    let (side, plane) = (config.image_size, config.image_size.pow(2));
    let bytes = |len: usize| -> Vec<u8> { (0..len).map(|i| (i * 7 % 251) as u8).collect() };
    let [rgb, saliency] = [3, 1].map(|channels| bytes(PICTURES * channels * plane));
    let pictures = Pictures::new(gpu, side, &rgb, Some(&saliency))?;
    let learner = PretrainLearner::new(gpu, &config, true)?;
    Ok(Subject::program(learner.compile_update(gpu, &pictures)?))
}
