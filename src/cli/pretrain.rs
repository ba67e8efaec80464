//! `foveate pretrain`: a masked autoencoder from images, into a run directory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::error::CliError;
use super::output::{duration, note, print};
use super::progress::Progress;
use super::session::{Session, adapter_name};
use crate::Error;
use crate::agents::tuning;
use crate::data::ImageSet;
use crate::pretrain::{
    Images, Method, PretrainConfig, PretrainLayers, PretrainTrainer, Reconstructor, Visible, sheet,
};
use crate::pretrained;
use crate::run::RunDirectory;

const EXAMPLES: &str = "\
Examples:
  foveate collect --env native/reach --policy random --frames 5000 --out data/reach
  foveate pretrain multimae --data data/reach/frames.safetensors --run runs/multimae
  foveate pretrain mae --data photos --preset visarl --run runs/mae
  foveate pretrain multimae --run runs/multimae --data data/reach/frames.safetensors --resume
  foveate pretrain mae --data photos --preset mae-base --weights mae.safetensors --run runs/more

The run directory gets config.toml, metrics.jsonl, TensorBoard events, checkpoints,
weights.safetensors (encoder and decoders under the released names), summary.json and
media/reconstructions.png.";

/// Images of a sheet of reconstructions, and masks of each.
const SHEET_IMAGES: usize = 4;
const SHEET_MASKS: u32 = 3;
/// Images that errors are measured on at a time.
const MEASURED_AT_ONCE: usize = 32;

/// Train a masked autoencoder on images
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What to train: mae (RGB alone) or multimae (RGB and, if given, saliency)
    #[arg(value_name = "METHOD")]
    method: String,
    /// Images: a folder of PNG, JPEG or GIF files, a .safetensors or a .npy file
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Saliency maps of the images: a folder of files with the same names, or an array;
    /// those in the safetensors file of the images need no naming
    #[arg(long, value_name = "PATH")]
    saliency: Option<PathBuf>,
    /// Options to start from: tiny (a quarter of an hour on two cores; the default),
    /// visarl (the published sizes) or mae-base
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Options from a TOML file, such as the config.toml of another run
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// One option, as it stands in config.toml, e.g. batch=64; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Begin with these weights: a .safetensors file under the released names (with or
    /// without decoders), or another run
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    weights: Option<PathBuf>,
    /// Seed of everything random in the run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Number of updates
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Directory of the run: new or empty, or with --resume that of an earlier run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in --run from its last good checkpoint
    #[arg(long)]
    resume: bool,
    /// Choose kernels by estimate, measure nothing
    #[arg(long)]
    no_tune: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

impl Arguments {
    fn layers(&self, saved: Option<PretrainConfig>) -> Result<PretrainLayers, CliError> {
        let method = match self.method.as_str() {
            "mae" => Method::Mae,
            "multimae" => Method::MultiMae,
            other => {
                return Err(Error::Config(crate::config::ConfigError::Invalid(format!(
                    "method '{other}' is not known; it must be mae or multimae"
                )))
                .into());
            }
        };
        Ok(PretrainLayers {
            saved,
            method: Some(method),
            preset: self.preset.clone(),
            file: self.config.clone(),
            set: self.set.clone(),
            weights: self.weights.clone(),
            seed: self.seed,
            steps: self.steps,
        })
    }
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let started = Instant::now();
    let saved = match arguments.resume {
        true => {
            let path = RunDirectory::open(&arguments.run)
                .map_err(Error::from)?
                .config();
            Some(PretrainConfig::read(&path).map_err(Error::from)?)
        }
        false => None,
    };
    let config = PretrainConfig::resolve(&arguments.layers(saved)?).map_err(Error::from)?;
    // Whatever may be wrong with the images is said before anything is written.
    let images =
        ImageSet::read(&arguments.data, arguments.saliency.as_deref()).map_err(Error::from)?;
    let images = Images::new(&images, &config)?;
    config
        .check_visible(images.has_saliency())
        .map_err(Error::from)?;
    if !arguments.resume && !config.weights.is_empty() {
        let network = config.architecture(images.has_saliency());
        pretrained::fits(Path::new(&config.weights), &network).map_err(Error::from)?;
    }
    let directory = match arguments.resume {
        true => RunDirectory::resume(&arguments.run).map_err(Error::from)?,
        false => RunDirectory::create(&arguments.run).map_err(Error::from)?,
    };
    let begun = directory.read_tuning().map_err(Error::from)?.is_some();
    let gpu = match arguments.no_tune || begun {
        true => session.gpu()?,
        false => session.tuned_gpu()?,
    };
    if arguments.no_tune {
        tuning::begin(&gpu, &directory)?;
    }
    directory
        .write_config(&config.to_toml().map_err(Error::from)?)
        .map_err(Error::from)?;
    let pictures = images.upload(&gpu)?;
    let mut trainer =
        PretrainTrainer::new(&gpu, &config, &pictures.training, directory, &mut |text| {
            note(&text)
        })?;
    if !arguments.quiet {
        note(&format!(
            "pretraining {} parameters on {} images ({} more kept for measuring), seed {}, on {}",
            trainer.learner().parameter_count(),
            pictures.training.count(),
            pictures.validation.count(),
            config.seed,
            adapter_name(&gpu)
        ));
    }
    let mut progress = Progress::new(arguments.quiet);
    let outcome = trainer.run(&mut |report| progress.report(report));
    progress.finish();
    outcome?;
    let train_seconds = started.elapsed().as_secs_f64();

    let learner = trainer.learner();
    let held = &pictures.validation;
    let all: Vec<u32> = (0..held.count() as u32).collect();
    let at_once = MEASURED_AT_ONCE.min(all.len());
    let error = |visible| -> Result<f64, Error> {
        Reconstructor::new(&gpu, learner, held, at_once, visible)?.mean_rgb_error(&all)
    };
    let masked = error(Visible::Sampled)?;
    let mean_image = images.mean_image_error();
    let mut summary = json!({
        "method": config.method,
        "preset": config.preset,
        "seed": config.seed,
        "steps": config.steps,
        "parameters": learner.parameter_count(),
        "images": pictures.training.count(),
        "validation_images": held.count(),
        "masked_rgb_error": masked,
        "mean_image_error": mean_image,
        "train_seconds": train_seconds,
        "adapter": adapter_name(&gpu),
    });
    let mut cross = String::new();
    if held.has_saliency() && config.method == Method::MultiMae {
        let patches = (config.num_encoded_tokens / 2).max(1);
        let alone = error(Visible::Rgb {
            patches,
            saliency: false,
        })?;
        let helped = error(Visible::Rgb {
            patches,
            saliency: true,
        })?;
        summary["cross_modal"] = json!({
            "visible_rgb_patches": patches,
            "masked_rgb_error_without_saliency": alone,
            "masked_rgb_error_with_saliency": helped,
        });
        cross = format!(
            "\n{patches} RGB patches     error {alone:.4} alone, {helped:.4} with all of the saliency"
        );
    }
    let side = config.image_size;
    let shown = SHEET_IMAGES.min(held.count());
    let step = held.count() / shown;
    let slots: Vec<u32> = (0..shown).map(|i| (i * step) as u32).collect();
    let model = Reconstructor::new(&gpu, learner, held, shown, Visible::Sampled)?;
    let picture = trainer.directory().media().join("reconstructions.png");
    sheet(&model, &slots, 0..SHEET_MASKS, side, config.patch)?
        .save_png(&picture)
        .map_err(Error::from)?;
    trainer
        .directory()
        .write_summary(&summary)
        .map_err(Error::from)?;
    print(&format!(
        "error of hidden RGB patches {masked:.4}; of the mean image {mean_image:.4}: {:.2} of it \
         ({} updates in {}){cross}\n\
         weights         {}\n\
         summary         {}\n\
         reconstructions {}",
        masked / mean_image,
        config.steps,
        duration(train_seconds),
        trainer.directory().weights().display(),
        trainer.directory().summary().display(),
        picture.display(),
    ))
}
