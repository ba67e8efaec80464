//! `foveate pretrain`: a masked autoencoder from images, into a run directory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::error::CliError;
use super::inputs;
use super::output::{duration, note, print};
use super::session::{Session, adapter_name};
use super::summary;
use super::train::{discard_skeleton, shown};
use super::training;
use crate::Error;
use crate::agents::tuning;
use crate::config::{Config, Inputs};
use crate::data::ImageSet;
use crate::gpu::Gpu;
use crate::pretrain::{
    Images, Method, Pictures, PretrainConfig, PretrainLayers, PretrainLearner, PretrainTrainer,
    Reconstructor, SheetSize, Visible, cross_modal_patches, cross_modal_sheet, is_finished,
    measure, sheet,
};
use crate::pretrained;
use crate::run::RunDirectory;

const EXAMPLES: &str = "\
Examples:
  foveate collect --env native/reach --frames 5000 --per-episode 1 --size 32 --out data/reach
  foveate pretrain multimae --data data/reach/frames.safetensors --run runs/multimae
  foveate pretrain mae --data photos --preset visarl --run runs/mae
  foveate pretrain multimae --run runs/multimae --data data/reach/frames.safetensors --resume
  foveate pretrain mae --data photos --preset mae-base --weights mae.safetensors --run runs/more

The run directory gets config.toml, metrics.jsonl, TensorBoard events, checkpoints,
weights.safetensors (encoder and decoders under the released names), summary.json and, in
media, sheets of what is restored.";

/// Images of a sheet of reconstructions, and masks of each.
const SHEET_IMAGES: usize = 4;
const SHEET_MASKS: u32 = 3;

/// Train a masked autoencoder on images
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What to train: mae (RGB alone) or multimae (RGB and, if given, saliency)
    #[arg(value_name = "METHOD")]
    method: Method,
    /// Images: a folder of PNG, JPEG or GIF files, a .safetensors or a .npy file
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Saliency maps of the images: a folder of files with the same names, or an array;
    /// those in the safetensors file of the images need no naming
    #[arg(long, value_name = "PATH")]
    saliency: Option<PathBuf>,
    /// What the model sees: rgb, or rgb+saliency; the saliency too if absent and there is
    #[arg(long, value_name = "INPUTS", value_parser = inputs::of_encoder)]
    inputs: Option<Inputs>,
    /// Options to start from: tiny (images of 32×32, a quarter of an hour on two cores; the
    /// default), visarl (the published sizes, images of 64×64) or mae-base (224×224)
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
    /// The images, with the saliency that the model sees.
    fn images(&self, config: &PretrainConfig) -> Result<ImageSet, CliError> {
        let images = ImageSet::read(&self.data, self.saliency.as_deref())?;
        if config.inputs == Some(Inputs::RgbAndSaliency) && !images.has_saliency() {
            return Err(CliError::NoSaliency {
                path: self.data.clone(),
                needs: format!("inputs={}", Inputs::RgbAndSaliency),
                hint: "name them with --saliency DIR, or train on --inputs rgb",
            });
        }
        Ok(match (config.method, config.inputs) {
            (Method::Mae, _) | (_, Some(Inputs::Rgb)) => images.without_saliency(),
            (Method::MultiMae, _) => images,
        })
    }

    /// The command that goes on with the run.
    fn resume_command(&self) -> String {
        let mut text = format!(
            "foveate pretrain {} --run {} --data {}",
            self.method,
            shown(&self.run),
            shown(&self.data)
        );
        if let Some(maps) = &self.saliency {
            text.push_str(&format!(" --saliency {}", shown(maps)));
        }
        text + " --resume"
    }

    fn layers(&self, saved: Option<PretrainConfig>) -> PretrainLayers {
        PretrainLayers {
            saved,
            method: Some(self.method),
            inputs: self.inputs,
            preset: self.preset.clone(),
            file: self.config.clone(),
            set: self.set.clone(),
            weights: self.weights.clone(),
            seed: self.seed,
            steps: self.steps,
            rgb_alone: false,
        }
    }
}

/// Opens the run. If a new one cannot even begin, its directory is left as if it had not
/// been tried.
fn begin(
    gpu: &Gpu,
    arguments: &Arguments,
    config: &PretrainConfig,
    pictures: &Pictures,
) -> Result<PretrainTrainer, CliError> {
    let directory = match arguments.resume {
        true => RunDirectory::resume(&arguments.run)?,
        false => RunDirectory::create(&arguments.run)?,
    };
    let begin = || -> Result<PretrainTrainer, Error> {
        if arguments.no_tune {
            tuning::begin(gpu, &directory)?;
        }
        if !arguments.resume {
            directory.write_config(&config.to_toml()?)?;
        }
        let notice = &mut |text: String| note(&text);
        let trainer = PretrainTrainer::new(gpu, config, pictures, directory, notice)?;
        if arguments.resume {
            // Not before it is known that the run can go on like this.
            trainer.directory().write_config(&config.to_toml()?)?;
        }
        Ok(trainer)
    };
    begin().map_err(|error| {
        if !arguments.resume {
            discard_skeleton(&arguments.run);
        }
        error.into()
    })
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let started = Instant::now();
    let (mut earlier_run, mut saved) = (None, None);
    if arguments.resume {
        let directory = RunDirectory::open(&arguments.run)?;
        let (read, other) = (PretrainConfig::read, Config::read);
        saved = Some(training::saved_config(&directory, read, other, "train")?);
        earlier_run = Some(directory);
    } else {
        RunDirectory::check_new(&arguments.run)?;
    }
    // Whatever may be wrong with options, images, weights and device is said before
    // anything is written.
    let mut layers = arguments.layers(saved);
    let config = PretrainConfig::resolve(&layers)?;
    let images = arguments.images(&config)?;
    // Only the images tell whether there is saliency.
    layers.rgb_alone = config.method == Method::MultiMae && !images.has_saliency();
    let mut config = PretrainConfig::resolve(&layers)?;
    let images = Images::new(&images, &config)?;
    let inputs = *config.inputs.insert(match images.has_saliency() {
        true => Inputs::RgbAndSaliency,
        false => Inputs::Rgb,
    });
    config.check_visible(images.has_saliency())?;
    if !arguments.resume && !config.weights.is_empty() {
        let network = config.architecture(images.has_saliency());
        pretrained::fits(Path::new(&config.weights), &network)?;
    }
    let (mut begun, mut earlier) = (false, 0.0);
    if let Some(directory) = &earlier_run {
        if is_finished(directory, &config)? {
            return print(&finished(directory, &config));
        }
        begun = directory.read_tuning()?.is_some();
        earlier = summary::seconds_of(&summary::rows(&directory.metrics())?);
    }
    let gpu = match arguments.no_tune || begun {
        true => session.gpu()?,
        false => session.tuned_gpu()?,
    };
    // Said now, if the device cannot.
    gpu.with_precision(config.precision)?;
    let pictures = images.upload(&gpu)?;
    let mut trainer = begin(&gpu, arguments, &config, &pictures.training)?;
    if !arguments.quiet {
        let kept = match images.kept() {
            0 => "none kept for measuring: it is measured on these".to_owned(),
            kept => format!("{kept} more kept for measuring"),
        };
        note(&format!(
            "pretraining {} parameters on {} images ({kept}), seed {}, on {}",
            trainer.learner().parameter_count(),
            pictures.training.count(),
            config.seed,
            adapter_name(&gpu)
        ));
    }
    let resume = arguments.resume_command() + &session.repeated();
    let checkpoints = trainer.directory().checkpoints();
    training::to_its_end(arguments.quiet, checkpoints, &resume, |watch| {
        trainer.run(watch)
    })?;
    let train_seconds = earlier + started.elapsed().as_secs_f64();

    let learner = trainer.learner();
    let held = &pictures.validation;
    let failed = |error: CliError| error.after_training(&resume);
    let errors = measure(&gpu, learner, held).map_err(|error| failed(error.into()))?;
    let mean_image = images.mean_image_error();
    let sheets = draw(&gpu, learner, held, trainer.directory());
    let sheets = sheets.map_err(|error| failed(error.into()))?;
    let mut summary = json!({
        "method": config.method,
        "inputs": inputs,
        "preset": config.preset,
        "seed": config.seed,
        "steps": config.steps,
        "parameters": learner.parameter_count(),
        "images": pictures.training.count(),
        "validation_images": images.kept(),
        "mean_image_error": mean_image,
        "train_seconds": train_seconds,
        "adapter": adapter_name(&gpu),
    });
    let mut masked = "no patch of RGB was hidden: there is no error to tell".to_string();
    if let Some(error) = errors.masked {
        let ratio = error / mean_image;
        summary["masked_rgb_error"] = json!(error);
        summary["masked_over_mean_image"] = json!(ratio);
        masked = format!(
            "hidden RGB patches are restored with error {error:.4}, {ratio:.2} times that of showing the mean image ({mean_image:.4})"
        );
        if images.kept() == 0 {
            masked.push_str(", on the images that it was trained on, as none were kept");
        }
    }
    let mut cross = String::new();
    if let Some(errors) = errors.cross_modal {
        let (alone, helped) = (errors.without_saliency, errors.with_saliency);
        let part = helped / alone;
        summary["cross_modal"] = json!({
            "visible_rgb_patches": errors.patches,
            "masked_rgb_error_without_saliency": alone,
            "masked_rgb_error_with_saliency": helped,
            "with_over_without": part,
        });
        cross = format!(
            "from {} visible RGB patches alone with error {alone:.4}; with all of the saliency visible too with {helped:.4}, {part:.2} times as much\n",
            errors.patches
        );
    }
    let written = trainer.directory().write_summary(&summary);
    written.map_err(|error| failed(error.into()))?;
    let sheets: Vec<String> = sheets
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    print(&format!(
        "{masked} ({} updates in {})\n{cross}\
         weights  {}\n\
         summary  {}\n\
         sheets   {}\n\
         next     foveate probe {} --data DIR",
        config.steps,
        duration(train_seconds),
        trainer.directory().weights().display(),
        trainer.directory().summary().display(),
        sheets.join("\n         "),
        shown(trainer.directory().root()),
    ))
}

/// What is said of a run that has nothing left to do.
fn finished(directory: &RunDirectory, config: &PretrainConfig) -> String {
    format!(
        "the pretraining in '{}' is finished at step {}: nothing was changed\n\
         weights  {}\n\
         summary  {}\n\
         next     foveate probe {} --data DIR",
        directory.root().display(),
        config.steps,
        directory.weights().display(),
        directory.summary().display(),
        shown(directory.root()),
    )
}

/// Draws sheets of images that training did not see, and returns their paths.
fn draw(
    gpu: &Gpu,
    learner: &PretrainLearner,
    pictures: &Pictures,
    directory: &RunDirectory,
) -> Result<Vec<PathBuf>, Error> {
    let config = learner.config();
    let size = SheetSize {
        side: config.image_size,
        patch: config.patch,
    };
    let shown = SHEET_IMAGES.min(pictures.count());
    let apart = pictures.count() / shown;
    let slots: Vec<u32> = (0..shown).map(|i| (i * apart) as u32).collect();
    let model = |visible| Reconstructor::new(gpu, learner, pictures, shown, visible);
    let mut paths = vec![directory.media().join("reconstructions.png")];
    sheet(&model(Visible::Sampled)?, &slots, 0..SHEET_MASKS, size)?.save_png(&paths[0])?;
    if learner.sees_saliency() {
        let patches = cross_modal_patches(learner);
        let with = |saliency| model(Visible::Rgb { patches, saliency });
        paths.push(directory.media().join("cross-modal.png"));
        cross_modal_sheet([&with(false)?, &with(true)?], &slots, 0, size)?.save_png(&paths[1])?;
    }
    Ok(paths)
}
