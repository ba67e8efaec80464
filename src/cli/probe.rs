//! `foveate probe`: how much of a world's state a linear map reads from a frozen encoder.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::error::CliError;
use super::inputs;
use super::output::{counted, print, table};
use super::progress::Progress;
use super::session::Session;
use crate::Error;
use crate::agents::Report;
use crate::config::{Inputs, nearest};
use crate::data::{DataError, ImageSet, Recording, States};
use crate::pretrain::features::{self, Features};
use crate::pretrain::probe::{self, Fit, Split};
use crate::pretrained::PretrainedEncoder;

const EXAMPLES: &str = "\
Examples:
  foveate probe runs/multimae --data data/reach
  foveate probe runs/multimae --data data/reach --inputs rgb+saliency --json
  foveate probe runs/multimae --data data/reach --coordinates ball_x,ball_y

Fits a ridge regression from the embedding of each frame (the mean over all tokens of the
frozen encoder) to each coordinate of the recorded state, on some episodes, and prints R²
on the others: 1 at best, 0 as good as their mean. Beside it R² of the same regression
from the frame shrunk to 8×8 and from its mean colour, with those of its saliency where
the encoder sees it. The state is what `foveate collect`
records in native worlds.";

/// Side of the shrunk frames that embeddings are compared with.
const SHRUNK: usize = 8;

/// Measure what a linear map reads of the world's state from a pretrained encoder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of a run of `foveate pretrain`, or a weights file (.safetensors)
    #[arg(value_name = "WEIGHTS_OR_RUN")]
    weights: PathBuf,
    /// Recording of a native world: the directory that `foveate collect` wrote, or its file
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What the encoder sees: rgb or rgb+saliency
    #[arg(long, value_name = "INPUTS", default_value = "rgb", value_parser = inputs::of_encoder)]
    inputs: Inputs,
    /// Part of the episodes, those at the end, that measure
    #[arg(long, value_name = "PART", default_value_t = 0.2)]
    held_out: f64,
    /// Coordinates of the state, by name; all if absent
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    coordinates: Vec<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let file = Recording::file(&arguments.data);
    // What may be wrong with the recording is said before a device is opened.
    let states = select(States::read(&file).map_err(Error::from)?, arguments)?;
    let split = Split::new(states.episode(), arguments.held_out).map_err(Error::from)?;
    let set = ImageSet::read(&file, None).map_err(Error::from)?;
    if states.count() != set.count() {
        let (states, frames) = (states.count(), set.count());
        return Err(Error::from(DataError::State {
            path: file,
            reason: format!("there are {states} of {frames} frames; one for each is needed"),
        })
        .into());
    }
    let saliency = arguments.inputs == Inputs::RgbAndSaliency;
    if saliency && !set.has_saliency() {
        return Err(CliError::NoSaliency {
            path: file,
            needs: format!("--inputs {}", arguments.inputs),
            hint: "give --inputs rgb, or collect in a native world, which adds a tensor 'saliency'",
        });
    }
    let gpu = session.gpu()?;
    let weights = arguments.weights.as_path();
    let encoder = PretrainedEncoder::open(&gpu, weights)?;
    if saliency && encoder.modalities().len() < 2 {
        let run = weights.to_owned();
        return Err(CliError::RgbOnly { run });
    }
    let side = encoder.image_size();
    if [set.height(), set.width()] != [side, side] {
        return Err(CliError::OtherImages {
            data: file,
            height: set.height(),
            width: set.width(),
            run: weights.to_owned(),
            side,
            would_do: false,
        });
    }
    let mut progress = Progress::of("frame", arguments.quiet);
    let steps = set.count() as u64;
    let embedding = features::embeddings(&gpu, &encoder, &set, saliency, &mut |done| {
        progress.report(&Report {
            step: done as u64,
            steps,
            ..Default::default()
        });
    })?;
    progress.finish();
    let fit = |features: &Features| -> Result<Fit, Error> {
        Ok(probe::fit(
            &split,
            &features.values,
            features.width,
            &states,
        )?)
    };
    let fits = Fits {
        names: states.names(),
        of: [
            ("embedding", fit(&embedding)?),
            ("pixels", fit(&features::shrunk(&set, SHRUNK, saliency))?),
            ("mean_colour", fit(&features::mean_colour(&set, saliency))?),
        ],
    };
    let [training, held_out] = split.episodes();
    let [training_frames, held_out_frames] = split.frames();
    if arguments.json {
        return print(&format!(
            "{:#}",
            json!({
                "weights": weights,
                "data": file,
                "inputs": arguments.inputs.name(),
                "embedding_width": embedding.width,
                "training": { "episodes": training, "frames": training_frames },
                "held_out": { "episodes": held_out, "frames": held_out_frames },
                "r2": fits.to_json(),
            })
        ));
    }
    print(&format!(
        "R² on {} of {}, fitted on {training_frames} of {}; embedding of {}, {} numbers\n\n{}",
        counted(held_out_frames, "frame"),
        counted(held_out, "episode"),
        counted(training, "other"),
        arguments.inputs.name(),
        embedding.width,
        fits.to_table(),
    ))
}

/// The coordinates that were asked for.
fn select(states: States, arguments: &Arguments) -> Result<States, CliError> {
    if arguments.coordinates.is_empty() {
        return Ok(states);
    }
    let find = |given: &String| {
        let names = || states.names().iter().map(String::as_str);
        (names().position(|name| name == given)).ok_or_else(|| CliError::Coordinate {
            given: given.clone(),
            hint: nearest(given, names())
                .map_or(String::new(), |n| format!(" (did you mean {n}?)")),
            known: states.names().join(", "),
        })
    };
    let chosen = arguments.coordinates.iter().map(find);
    Ok(states.select(&chosen.collect::<Result<Vec<_>, _>>()?))
}

/// What was read from each kind of features.
struct Fits<'a> {
    names: &'a [String],
    of: [(&'static str, Fit); 3],
}

impl Fits<'_> {
    fn to_json(&self) -> Value {
        let of = |value: &dyn Fn(&Fit) -> Option<f64>| -> Value {
            let values = self
                .of
                .iter()
                .map(|(kind, fit)| (kind.to_string(), json!(value(fit))));
            Value::Object(values.collect())
        };
        let coordinates = self.names.iter().enumerate();
        json!({
            "coordinates": coordinates
                .map(|(i, name)| (name.clone(), of(&|fit| fit.r2[i])))
                .collect::<serde_json::Map<_, _>>(),
            "mean": of(&Fit::mean_r2),
        })
    }

    fn to_table(&self) -> String {
        let number = |value: Option<f64>| value.map_or("n/a".to_string(), |v| format!("{v:.3}"));
        let row = |name: &str, value: &dyn Fn(&Fit) -> Option<f64>| -> Vec<String> {
            let cells = self.of.iter().map(|(_, fit)| number(value(fit)));
            std::iter::once(name.to_string()).chain(cells).collect()
        };
        let head = ["", "embedding", "8×8 pixels", "mean colour"];
        let mut rows = vec![head.map(str::to_string).to_vec()];
        rows.extend((self.names.iter().enumerate()).map(|(i, name)| row(name, &|f| f.r2[i])));
        rows.push(row("mean", &Fit::mean_r2));
        table(&rows, &[false, true, true, true])
    }
}
