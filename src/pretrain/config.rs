//! Options of a pretraining run: a preset, a TOML file and assignments laid over each
//! other, as for agents.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::{ConfigError, Inputs, Kind, nearest};
use crate::gpu::Precision;
use crate::nn::{MaeShape, Method, MultiMaeShape, PatchLoss, SaliencyLoss, Task};
use crate::ops::{AdamOptions, Schedule};
use crate::pretrained::Architecture;

/// Everything that decides a pretraining run, beside the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    pub method: Method,
    /// What it sees: `rgb`, or with a MultiMAE `rgb+saliency`. A run decides it when it
    /// begins; none in runs from before there was this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// The preset that the other keys started from; by itself it decides nothing.
    pub preset: String,
    /// File, or run, whose weights the run begins with; empty: random ones.
    #[serde(default)]
    pub weights: String,
    /// Seeds parameters, batches and masks: 0 to 2⁶³ − 1.
    pub seed: u64,
    /// Updates, ≥ 1.
    pub steps: u64,
    /// Samples per update, ≥ 1.
    pub batch: usize,
    /// Side of the images in pixels: a multiple of `patch` and of 4.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width of a token in the encoder and in the decoders: multiples of 4 · heads.
    pub dim: usize,
    pub decoder_dim: usize,
    /// Transformer blocks, ≥ 1.
    pub depth: usize,
    pub decoder_depth: usize,
    /// Heads of the attentions.
    pub heads: usize,
    pub decoder_heads: usize,
    /// Visible patches, of all images of a sample together: 1 to all but one.
    pub num_encoded_tokens: usize,
    /// MultiMAE only: how restored saliency is compared, `l1` or `weighted-mse`, and how
    /// much that counts beside the other errors: 10 (B.4), finite, ≥ 0.
    #[serde(default)]
    pub saliency_loss: SaliencyLoss,
    #[serde(default = "released_saliency_weight")]
    pub saliency_weight: f64,
    /// MAE only: whether patches are restored less their mean, over their deviation.
    pub norm_pix_loss: bool,
    /// Learning rate of AdamW after the warm-up: 1e-4 (B.5), finite, ≥ 0.
    pub lr: f64,
    /// β₁ and β₂: 0.9, 0.95 (B.5), in [0, 1).
    pub beta1: f64,
    pub beta2: f64,
    /// Weight decay of every parameter: 0.05 (B.5), finite, ≥ 0.
    pub weight_decay: f64,
    /// Updates in which the learning rate rises from 0, at most `steps`.
    pub warmup_steps: u64,
    /// Whether half of the samples are mirrored (B.5).
    pub flip: bool,
    /// How products and attention hold their operands while training: `f32`, or `f16` on
    /// devices that have it.
    #[serde(default)]
    pub precision: Precision,
    /// Part of the images, those at the end, that is kept from training to measure
    /// errors on: in [0, 0.5].
    pub validation: f64,
    /// Updates between checkpoints, ≥ 1.
    pub checkpoint_freq: u64,
    /// Updates between lines of `metrics.jsonl`, ≥ 1.
    pub log_freq: u64,
}

/// What a user gave, weakest first.
#[derive(Debug, Clone, Default)]
pub struct PretrainLayers {
    /// Of the run that goes on; in the preset's place.
    pub saved: Option<PretrainConfig>,
    pub method: Option<Method>,
    /// All that there is, if absent.
    pub inputs: Option<Inputs>,
    /// `tiny`, `visarl` or `mae-base`.
    pub preset: Option<String>,
    /// TOML with any of the keys.
    pub file: Option<PathBuf>,
    /// `key=value`, in the order given.
    pub set: Vec<String>,
    pub weights: Option<PathBuf>,
    pub seed: Option<u64>,
    pub steps: Option<u64>,
    /// Whether a MultiMAE sees RGB alone: of one kind of image a preset shows as many
    /// patches as to an MAE.
    pub rgb_alone: bool,
}

/// Factor of the loss where products are in f16: gradients of a mean over a batch's pixels,
/// 1e-7 and less, would be lost in rounding. Adam divides it out again.
const F16_LOSS_SCALE: f32 = 65_536.0;
/// Keys that a resumed run may change. The number of steps decides the learning rates.
const FREE_TO_CHANGE: &[&str] = &["checkpoint_freq", "log_freq"];
const PRESETS: &[&str] = &["tiny", "visarl", "mae-base"];

impl PretrainConfig {
    /// A preset.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for another name.
    pub fn new(method: Method, preset: &str) -> Result<PretrainConfig, ConfigError> {
        let visarl = PretrainConfig {
            method,
            inputs: None,
            preset: preset.to_string(),
            weights: String::new(),
            seed: 1,
            steps: 80_000,
            batch: 512,
            image_size: 64,
            patch: 8,
            dim: 256,
            decoder_dim: 256,
            depth: 4,
            decoder_depth: 3,
            heads: 4,
            decoder_heads: 4,
            num_encoded_tokens: match method {
                Method::MultiMae => 32,
                Method::Mae => 16,
            },
            saliency_loss: SaliencyLoss::L1,
            saliency_weight: released_saliency_weight(),
            norm_pix_loss: false,
            lr: 1e-4,
            beta1: 0.9,
            beta2: 0.95,
            weight_decay: 0.05,
            warmup_steps: 16_000,
            flip: true,
            precision: Precision::F32,
            validation: 0.1,
            checkpoint_freq: 1_000,
            log_freq: 50,
        };
        match preset {
            "visarl" => Ok(visarl),
            // Of the size that two cores train in a quarter of an hour, on images of 32×32:
            // as few patches as do, narrow and shallow. For some ten thousand samples models
            // restore the mean image; then they begin to use what is visible, the sooner the
            // fewer the patches and the blocks. Linear maps read more from wider ones. Worlds
            // with a light and a floor are no mirror images of themselves.
            "tiny" => Ok(PretrainConfig {
                steps: 6_200,
                batch: 32,
                image_size: 32,
                dim: 64,
                decoder_dim: 64,
                depth: 2,
                decoder_depth: 1,
                heads: 8,
                decoder_heads: 8,
                num_encoded_tokens: match method {
                    Method::MultiMae => 16,
                    Method::Mae => 8,
                },
                saliency_loss: SaliencyLoss::WeightedMse,
                saliency_weight: 1.0,
                lr: 4e-3,
                warmup_steps: 200,
                flip: false,
                checkpoint_freq: 1_000,
                log_freq: 100,
                ..visarl
            }),
            "mae-base" => Ok(PretrainConfig {
                image_size: 224,
                patch: 16,
                batch: 64,
                dim: 768,
                decoder_dim: 512,
                depth: 12,
                decoder_depth: 8,
                heads: 12,
                decoder_heads: 16,
                num_encoded_tokens: match method {
                    Method::MultiMae => 98,
                    Method::Mae => 49,
                },
                norm_pix_loss: true,
                lr: 1.5e-4,
                ..visarl
            }),
            _ => Err(ConfigError::Invalid(format!(
                "preset '{preset}' is not known; there are {}",
                PRESETS.join(", ")
            ))),
        }
    }

    /// Lays `layers` over their preset, or over the saved run, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, what was given and what would be right.
    pub fn resolve(layers: &PretrainLayers) -> Result<PretrainConfig, ConfigError> {
        let base = match &layers.saved {
            Some(saved) => saved.clone(),
            None => {
                let method = layers.method.ok_or(ConfigError::Missing {
                    key: "method",
                    known: Some("mae or multimae".to_string()),
                })?;
                let preset = layers.preset.as_deref().unwrap_or("tiny");
                let mut config = PretrainConfig::new(method, preset)?;
                if layers.rgb_alone {
                    let mae = PretrainConfig::new(Method::Mae, preset)?;
                    config.num_encoded_tokens = mae.num_encoded_tokens;
                }
                config
            }
        };
        let mut table = Table::try_from(&base).map_err(invalid)?;
        let mut known = table.clone();
        // Perhaps absent from the table.
        known.insert("inputs".to_string(), Value::String(String::new()));
        let mut put = |key: &str, mut value: Value, origin: &str| {
            let Some(kind) = known.get(key).map(Kind::of) else {
                let near = nearest(key, known.keys().map(String::as_str));
                let hint = near.map_or(String::new(), |k| format!("; did you mean '{k}'?"));
                let message = format!("{origin}: there is no option '{key}'{hint}");
                return Err(ConfigError::Invalid(message));
            };
            if !kind.fits(&value) {
                return Err(ConfigError::Invalid(format!(
                    "option '{key}' in {origin} is {value}, but must be {}",
                    kind.expected()
                )));
            }
            if let ("weights", Some(path)) = (key, value.as_str()) {
                value = Value::String(absolute(Path::new(path))?);
            }
            table.insert(key.to_string(), value);
            Ok(())
        };
        if let Some(path) = &layers.file {
            for (key, value) in read_table(path)? {
                put(&key, value, &format!("'{}'", path.display()))?;
            }
        }
        for given in &layers.set {
            let (key, text) = given.split_once('=').ok_or(ConfigError::Assignment {
                given: given.clone(),
            })?;
            let (key, text) = (key.trim(), text.trim());
            // What is no TOML value is a text, and so is what a text may be.
            let parsed = format!("v = {text}").parse::<Table>();
            let value = parsed.ok().and_then(|mut t| t.remove("v"));
            let is_text = known.get(key).is_some_and(Value::is_str);
            let value = value.filter(|value| value.is_str() || !is_text);
            let value = value.unwrap_or_else(|| Value::String(text.to_string()));
            put(key, value, "--set")?;
        }
        for (key, count) in [("seed", layers.seed), ("steps", layers.steps)] {
            if let Some(count) = count {
                let value = i64::try_from(count).map_err(invalid)?;
                put(key, Value::Integer(value), &format!("--{key}"))?;
            }
        }
        if let Some(path) = &layers.weights {
            put("weights", Value::String(unicode(path)?), "--weights")?;
        }
        if let Some(inputs) = layers.inputs {
            put("inputs", Value::String(inputs.to_string()), "--inputs")?;
        }
        let config: PretrainConfig = table.try_into().map_err(invalid)?;
        let (began, whose) = match &layers.saved {
            Some(saved) => (saved.method, "run"),
            None => (config.method, "options"),
        };
        if let Some(method) = layers.method.filter(|&method| method != began) {
            return Err(ConfigError::Invalid(format!(
                "method is {began} in the {whose}; it cannot become {method}"
            )));
        }
        config.check()?;
        match &layers.saved {
            Some(saved) => config.check_resume(saved).map(|()| config),
            None => Ok(config),
        }
    }

    /// Whether every value makes sense.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError::Invalid(message));
        for (key, value) in [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("patch", self.patch as u64),
            ("depth", self.depth as u64),
            ("decoder_depth", self.decoder_depth as u64),
            ("heads", self.heads as u64),
            ("decoder_heads", self.decoder_heads as u64),
            ("checkpoint_freq", self.checkpoint_freq),
            ("log_freq", self.log_freq),
        ] {
            if value == 0 {
                return wrong(format!("{key} is 0; it must be at least 1"));
            }
        }
        let (side, patch) = (self.image_size, self.patch);
        if side == 0 || side % patch != 0 || side % 4 != 0 {
            return wrong(format!(
                "image_size is {side}; it must be a multiple of 4 and of patch, {patch}"
            ));
        }
        for (key, dim, heads) in [
            ("dim", self.dim, self.heads),
            ("decoder_dim", self.decoder_dim, self.decoder_heads),
        ] {
            if dim == 0 || dim % (4 * heads) != 0 || dim / heads > 128 {
                return wrong(format!(
                    "{key} is {dim}; it must give each of {heads} heads 4, 8, 12, … 128 elements"
                ));
            }
        }
        let (sees, right) = match self.method {
            Method::Mae => (&[Inputs::Rgb][..], "rgb: saliency is for a multimae"),
            Method::MultiMae => (
                &[Inputs::Rgb, Inputs::RgbAndSaliency][..],
                "rgb or rgb+saliency",
            ),
        };
        if let Some(given) = self.inputs.filter(|inputs| !sees.contains(inputs)) {
            return Err(ConfigError::OutOfRange {
                key: "inputs",
                given: given.to_string(),
                expected: format!("{right}, with method={}", self.method),
            });
        }
        if !(0.0..=0.5).contains(&self.validation) {
            return wrong(format!(
                "validation is {}; it must be 0 to 0.5",
                self.validation
            ));
        }
        if self.num_encoded_tokens == 0 {
            return wrong("num_encoded_tokens is 0; it must be at least 1".to_string());
        }
        if self.warmup_steps > self.steps {
            return wrong(format!(
                "warmup_steps is {}; it must be at most steps, {}",
                self.warmup_steps, self.steps
            ));
        }
        for (key, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return wrong(format!(
                    "{key} is {beta}; it must be at least 0 and below 1"
                ));
            }
        }
        for (key, value) in [
            ("lr", self.lr),
            ("weight_decay", self.weight_decay),
            ("saliency_weight", self.saliency_weight),
        ] {
            if !((value as f32).is_finite() && value >= 0.0) {
                return wrong(format!(
                    "{key} is {value}; it must be at least 0, and finite as f32"
                ));
            }
        }
        Ok(())
    }

    /// Whether there are more patches than shall be visible, with saliency or without:
    /// where nothing is hidden there is nothing to restore.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] says how many there are.
    pub fn check_visible(&self, saliency: bool) -> Result<(), ConfigError> {
        let modalities = match self.method {
            Method::Mae => 1,
            Method::MultiMae => 1 + saliency as usize,
        };
        let (visible, all) = (
            self.num_encoded_tokens,
            modalities * (self.image_size / self.patch).pow(2),
        );
        match (visible < all, all) {
            (true, _) => Ok(()),
            (false, 1) => Err(ConfigError::Invalid(
                "image_size and patch make one patch, of which none could be hidden; it must be several"
                    .to_string(),
            )),
            (false, _) => Err(ConfigError::Invalid(format!(
                "num_encoded_tokens: {visible} visible patches of {all}; it must be 1 to {}, so that something is left to restore",
                all - 1
            ))),
        }
    }

    fn check_resume(&self, saved: &PretrainConfig) -> Result<(), ConfigError> {
        let now = Table::try_from(self).map_err(invalid)?;
        let then = Table::try_from(saved).map_err(invalid)?;
        for (key, value) in &now {
            // A run from before there was this key may be told what it sees.
            let told = key == "inputs" && saved.inputs.is_none();
            let free = told || FREE_TO_CHANGE.contains(&key.as_str());
            if !free && then.get(key) != Some(value) {
                return Err(ConfigError::Invalid(format!(
                    "{key} is {} in the run; it cannot become {value}",
                    then.get(key).map_or("absent".to_string(), Value::to_string)
                )));
            }
        }
        Ok(())
    }

    /// Eight hexadecimal digits that differ between configurations of which one could not
    /// resume the other.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if a value has no place in TOML.
    pub fn digest(&self) -> Result<String, ConfigError> {
        let mut table = Table::try_from(self).map_err(invalid)?;
        table.retain(|key, _| !FREE_TO_CHANGE.contains(&key));
        let text = toml::to_string(&table).map_err(invalid)?;
        Ok(format!("{:08x}", crc32c::crc32c(text.as_bytes())))
    }

    /// All keys as TOML, in the order of the fields.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if a value has no place in TOML.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(invalid)
    }

    /// Reads what [`PretrainConfig::to_toml`] writes.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Syntax`]; [`ConfigError::NotOfARun`] where a key
    /// is missing or foreign, or has a value that makes no sense.
    pub fn read(path: &Path) -> Result<PretrainConfig, ConfigError> {
        let not_of_a_run = |message: String| ConfigError::NotOfARun {
            path: path.to_owned(),
            message: message.trim().to_owned(),
        };
        let config: PretrainConfig = (read_table(path)?.try_into())
            .map_err(|error: toml::de::Error| not_of_a_run(error.to_string()))?;
        let checked = config.check();
        checked.map_err(|error| not_of_a_run(error.to_string()))?;
        Ok(config)
    }

    /// What the loss is multiplied by before its gradients are taken: a power of two.
    pub fn loss_scale(&self) -> f32 {
        match self.precision {
            Precision::F32 => 1.0,
            Precision::F16 => F16_LOSS_SCALE,
        }
    }

    /// AdamW and its learning rates, for gradients of the scaled loss.
    pub fn optimiser(&self) -> AdamOptions {
        AdamOptions {
            eps: AdamOptions::default().eps * self.loss_scale(),
            lr: self.lr as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            weight_decay: self.weight_decay as f32,
            schedule: Schedule::WarmupCosine {
                warmup: self.warmup_steps.min(u64::from(u32::MAX)) as u32,
                total: self.steps.min(u64::from(u32::MAX)) as u32,
                last: 0.0,
            },
        }
    }

    /// The networks of these sizes, of RGB and, if asked for and the method knows it,
    /// saliency.
    pub fn architecture(&self, saliency: bool) -> Architecture {
        match self.method {
            Method::Mae => Architecture::Mae(self.mae_shape()),
            Method::MultiMae => Architecture::MultiMae(self.multimae_shape(saliency)),
        }
    }

    fn multimae_shape(&self, saliency: bool) -> MultiMaeShape {
        let visarl = MultiMaeShape::visarl();
        let modalities = 1 + saliency as usize;
        MultiMaeShape {
            height: self.image_size,
            width: self.image_size,
            patch: self.patch,
            position_grid: visarl.position_grid,
            dim: self.dim,
            decoder_dim: self.decoder_dim,
            depth: self.depth,
            decoder_depth: self.decoder_depth,
            heads: self.heads,
            decoder_heads: self.decoder_heads,
            modalities: visarl.modalities.into_iter().take(modalities).collect(),
            tasks: (visarl.tasks.into_iter())
                .filter(|task| task.modality < modalities)
                .map(|task| match task.modality {
                    0 => task,
                    _ => Task {
                        loss: match self.saliency_loss {
                            SaliencyLoss::L1 => PatchLoss::Absolute,
                            SaliencyLoss::WeightedMse => PatchLoss::SquaredByValue,
                        },
                        weight: self.saliency_weight as f32,
                        ..task
                    },
                })
                .collect(),
        }
    }

    fn mae_shape(&self) -> MaeShape {
        MaeShape {
            height: self.image_size,
            width: self.image_size,
            channels: 3,
            patch: self.patch,
            dim: self.dim,
            decoder_dim: self.decoder_dim,
            depth: self.depth,
            decoder_depth: self.decoder_depth,
            heads: self.heads,
            decoder_heads: self.decoder_heads,
        }
    }
}

/// As the released code weighs the error of saliency (B.4).
fn released_saliency_weight() -> f64 {
    10.0
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    text.parse()
        .map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim().to_owned(),
        })
}

/// The path as it is found from every directory: a run may be resumed from another one.
/// None stays none.
fn absolute(path: &Path) -> Result<String, ConfigError> {
    if path.as_os_str().is_empty() {
        return Ok(String::new());
    }
    let whole = std::path::absolute(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    unicode(&whole)
}

/// The path as a value of TOML.
fn unicode(path: &Path) -> Result<String, ConfigError> {
    path.to_str().map(str::to_string).ok_or_else(|| {
        ConfigError::Invalid(format!(
            "weights: the path '{}' is not Unicode: rename it",
            path.display()
        ))
    })
}

fn invalid(error: impl std::fmt::Display) -> ConfigError {
    ConfigError::Invalid(error.to_string().trim().to_owned())
}
