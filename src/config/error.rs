//! What can be wrong with options. All of it is the user's to mend.

use std::path::PathBuf;

/// An option that cannot be used, and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name that is none of those a key accepts.
    #[error("unknown {key} '{given}'{}; known: {known}", hint(.nearest))]
    UnknownChoice {
        key: &'static str,
        given: String,
        nearest: Option<String>,
        known: String,
    },
    /// No option has this name.
    #[error("unknown option '{key}' in {origin}{}", hint(.nearest))]
    UnknownKey {
        key: String,
        nearest: Option<String>,
        /// A file's path, or `--set`.
        origin: String,
    },
    /// A value of another type than the option's.
    #[error("option '{key}' in {origin} is {given}, but must be {expected}")]
    WrongType {
        key: &'static str,
        given: String,
        expected: &'static str,
        origin: String,
    },
    /// A value of the right type outside its range.
    #[error("option '{key}' is {given}, but must be {expected}")]
    OutOfRange {
        key: &'static str,
        given: String,
        expected: String,
    },
    /// The convolutions would leave no pixel.
    #[error(
        "image_size {image_size} is too small for {layers} convolutions (num_shared_layers + num_head_layers): the smallest that fits is {minimum}"
    )]
    ImageTooSmall {
        image_size: usize,
        layers: usize,
        minimum: usize,
    },
    /// An option without a default was not given.
    #[error("no {key} given: name one with --{key}{}", known.as_ref().map(|k| format!(" ({k})")).unwrap_or_default())]
    Missing {
        key: &'static str,
        known: Option<String>,
    },
    /// `--set` without `=`.
    #[error("'{given}' is no assignment: write --set key=value, e.g. --set batch=64")]
    Assignment { given: String },
    /// The file cannot be read.
    #[error("cannot read the options in '{}': {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("'{}' is not TOML: {message}", path.display())]
    Syntax { path: PathBuf, message: String },
    /// TOML that is not all options of a run, as a run directory holds them.
    #[error("'{}' does not hold the options of a run: {message}", path.display())]
    NotOfARun { path: PathBuf, message: String },
    /// Values that pass one by one but make no configuration.
    #[error("these options make no configuration: {0}")]
    Invalid(String),
    /// A resumed run must keep what decided its past.
    #[error(
        "'{key}' was {saved} when this run started and cannot become {given}: leave it as it was, or start another run"
    )]
    ResumeConflict {
        key: String,
        saved: String,
        given: String,
    },
}

impl ConfigError {
    /// Whether the user can mend it by asking differently: always.
    pub fn is_user_mistake(&self) -> bool {
        true
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!(" (did you mean '{name}'?)"))
        .unwrap_or_default()
}

/// Fewer letters in common are no likeness.
const SHORTEST_START: usize = 3;

/// The known name that `given` most likely meant, by a few letters or by a missing or
/// superfluous end; none if nothing is close.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given = given.to_lowercase();
    let distance = |name: &'a str| (strsim::damerau_levenshtein(&given, name), name);
    let all: Vec<(usize, &str)> = known.into_iter().map(distance).collect();
    let is_misspelt = |&&(distance, name): &&(usize, &str)| {
        distance <= (name.len() / 3).max(2) && distance < name.len()
    };
    let begins_alike = |&&(_, name): &&(usize, &str)| {
        given.len().min(name.len()) >= SHORTEST_START
            && (name.starts_with(&given) || given.starts_with(name))
    };
    let misspelt = all.iter().filter(is_misspelt).min();
    misspelt
        .or_else(|| all.iter().filter(begins_alike).min())
        .map(|&(_, name)| name.to_owned())
}
