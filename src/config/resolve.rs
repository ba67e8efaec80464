//! From layers of options to one configuration, and to and from TOML.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::{AgentKind, Config, Preset, keys};

/// What a user gave, weakest first; [`Config::resolve`] lays them over each other.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The configuration of the run being resumed. It takes the preset's place
    /// under all other layers.
    pub saved: Option<Config>,
    /// `--config FILE.toml`: any subset of the keys.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in the order given; the last one of a key counts.
    pub set: Vec<String>,
    /// `--agent`.
    pub agent: Option<String>,
    /// `--env`.
    pub env: Option<String>,
    /// `--preset`; `laptop` if no layer names one.
    pub preset: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--steps`.
    pub steps: Option<u64>,
    /// Side of a frame where no layer says it: what a pretrained encoder takes.
    pub image_size: Option<usize>,
}

/// Keys that a resumed run may change: how long and how often, not what.
const FREE_TO_CHANGE: &[&str] = &[
    "steps",
    "eval_freq",
    "eval_episodes",
    "checkpoint_freq",
    "log_freq",
];

impl Config {
    /// Lays `layers` over the preset they name (or over the saved run) and
    /// checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, what was given and what would be right.
    /// With `saved`, a key that decided the run's past must not change.
    pub fn resolve(layers: &Layers) -> Result<Config, ConfigError> {
        let given = layers.merge()?;
        let text = |key: &str| given.get(key).and_then(Value::as_str);
        let base = match &layers.saved {
            Some(saved) => saved.clone(),
            None => {
                let agent: AgentKind = text("agent")
                    .ok_or_else(|| ConfigError::Missing {
                        key: "agent",
                        known: Some(AgentKind::NAMES.join(" or ")),
                    })?
                    .parse()?;
                let env = text("env").ok_or(ConfigError::Missing {
                    key: "env",
                    known: None,
                })?;
                let preset = text("preset").map_or(Ok(Preset::Laptop), str::parse)?;
                Config::new(agent, env, preset)
            }
        };
        let mut table = Table::try_from(&base).map_err(invalid)?;
        if let (Some(side), None) = (layers.image_size, &layers.saved) {
            put(
                &mut table,
                keys::parse("image_size", &side.to_string(), "the encoder")?,
            );
        }
        table.extend(given);
        let config: Config = table.try_into().map_err(invalid)?;
        config.validate()?;
        if let Some(saved) = &layers.saved {
            config.check_resume(saved)?;
        }
        Ok(config)
    }

    /// Whether a run that was started with `saved` may continue with `self`:
    /// only `steps` and the frequencies of logging, evaluation and checkpoints
    /// may differ.
    ///
    /// # Errors
    /// [`ConfigError::ResumeConflict`] for the first key that differs.
    pub fn check_resume(&self, saved: &Config) -> Result<(), ConfigError> {
        let (now, then) = (
            Table::try_from(self).map_err(invalid)?,
            Table::try_from(saved).map_err(invalid)?,
        );
        let show =
            |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
        for key in keys::known_keys().filter(|key| !FREE_TO_CHANGE.contains(key)) {
            if now.get(key) != then.get(key) {
                return Err(ConfigError::ResumeConflict {
                    key: key.to_owned(),
                    saved: show(then.get(key)),
                    given: show(now.get(key)),
                });
            }
        }
        Ok(())
    }

    /// Eight hexadecimal digits that differ between configurations of which one
    /// could not resume the other (CRC-32C of the keys that must not change).
    pub fn digest(&self) -> Result<String, ConfigError> {
        let mut table = Table::try_from(self).map_err(invalid)?;
        table.retain(|key, _| !FREE_TO_CHANGE.contains(&key));
        // A table is sorted by key, so the text does not depend on field order.
        let text = toml::to_string(&table).map_err(invalid)?;
        Ok(format!("{:08x}", crc32c::crc32c(text.as_bytes())))
    }

    /// All keys as TOML, in the order of the fields; absent ones are left out.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if a value has no place in TOML (a path that is
    /// not Unicode, a seed of 2⁶³ or more).
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(invalid)
    }

    /// Reads a complete configuration, as [`Config::to_toml`] writes it.
    ///
    /// # Errors
    /// [`ConfigError`], also when a key is missing.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let mut table = Table::new();
        read_file(path, &mut table)?;
        let config: Config = table.try_into().map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: format!("{error}").trim().to_owned(),
        })?;
        config.validate()?;
        Ok(config)
    }
}

impl Layers {
    /// Whether one of the layers above preset or saved run says what `key` is.
    ///
    /// # Errors
    /// [`ConfigError`] for a layer that cannot be read.
    pub fn gives(&self, key: &str) -> Result<bool, ConfigError> {
        Ok(self.merge()?.contains_key(key))
    }

    /// What was given, above preset or saved run, as one table of known keys
    /// with values of the right types.
    fn merge(&self) -> Result<Table, ConfigError> {
        let mut given = Table::new();
        if let Some(path) = &self.file {
            read_file(path, &mut given)?;
        }
        for assignment in &self.set {
            let (key, text) =
                assignment
                    .split_once('=')
                    .ok_or_else(|| ConfigError::Assignment {
                        given: assignment.clone(),
                    })?;
            put(&mut given, keys::parse(key.trim(), text.trim(), "--set")?);
        }
        for (key, text) in [
            ("agent", &self.agent),
            ("env", &self.env),
            ("preset", &self.preset),
        ] {
            if let Some(text) = text {
                let flag = format!("--{key}");
                put(
                    &mut given,
                    keys::check(key, Value::String(text.clone()), &flag)?,
                );
            }
        }
        for (key, count) in [("seed", self.seed), ("steps", self.steps)] {
            if let Some(count) = count {
                // An integer beyond TOML's range fails the key's type check as text.
                let flag = format!("--{key}");
                put(&mut given, keys::parse(key, &count.to_string(), &flag)?);
            }
        }
        Ok(given)
    }
}

fn read_file(path: &Path, into: &mut Table) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let table: Table = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        message: error.to_string().trim().to_owned(),
    })?;
    let origin = format!("'{}'", path.display());
    for (key, value) in table {
        put(into, keys::check(&key, value, &origin)?);
    }
    Ok(())
}

fn put(table: &mut Table, (key, value): (&'static str, Value)) {
    table.insert(key.to_owned(), value);
}

fn invalid(error: impl std::fmt::Display) -> ConfigError {
    ConfigError::Invalid(error.to_string().trim().to_owned())
}
