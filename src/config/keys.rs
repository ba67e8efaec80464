//! The options' names and the types that their values must have.

use toml::Value;

use super::choice::{
    AgentKind, Augmentation, Budget, Inputs, LatentScale, MaskFill, Preset, SaliencyScale,
    unknown_choice,
};
use super::error::{ConfigError, nearest};
use crate::gpu::Precision;

/// The type of an option's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// An integer ≥ 0.
    Count,
    /// A number; integers are accepted.
    Number,
    Switch,
    /// Two integers ≥ 0.
    CountPair,
}

impl Kind {
    /// That of an option whose default is `value`.
    pub(crate) fn of(value: &Value) -> Kind {
        match value {
            Value::Integer(_) => Kind::Count,
            Value::Float(_) => Kind::Number,
            Value::Boolean(_) => Kind::Switch,
            _ => Kind::Text,
        }
    }

    /// Whether a value is of this type. Names are not compared.
    pub(crate) fn fits(self, value: &Value) -> bool {
        let is_count = |value: &Value| value.as_integer().is_some_and(|n| n >= 0);
        match self {
            Kind::Text | Kind::Choice(_) => value.is_str(),
            Kind::Count => is_count(value),
            Kind::Number => value.is_float() || value.is_integer(),
            Kind::Switch => value.is_bool(),
            Kind::CountPair => value
                .as_array()
                .is_some_and(|list| list.len() == 2 && list.iter().all(is_count)),
        }
    }

    /// What fits, in words.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Kind::Text | Kind::Choice(_) => "a text, e.g. \"native/reach\"",
            Kind::Count => "an integer from 0 to 9223372036854775807",
            Kind::Number => "a number",
            Kind::Switch => "true or false",
            Kind::CountPair => "a list of two integers, e.g. [128, 64]",
        }
    }
}

/// Every option, in the order of [`super::Config`]'s fields.
pub(super) const KEYS: &[(&str, Kind)] = &[
    ("agent", Kind::Choice(AgentKind::NAMES)),
    ("env", Kind::Text),
    ("preset", Kind::Choice(Preset::NAMES)),
    ("seed", Kind::Count),
    ("steps", Kind::Count),
    ("budget", Kind::Choice(Budget::NAMES)),
    ("image_size", Kind::Count),
    ("render_size", Kind::Count),
    ("frame_stack", Kind::Count),
    ("action_repeat", Kind::Count),
    ("encoder", Kind::Text),
    ("encoder_heads", Kind::Count),
    ("inputs", Kind::Choice(Inputs::NAMES)),
    ("saliency_scale", Kind::Choice(SaliencyScale::NAMES)),
    ("latent_scale", Kind::Choice(LatentScale::NAMES)),
    ("precision", Kind::Choice(Precision::NAMES)),
    ("batch", Kind::Count),
    ("discount", Kind::Number),
    ("init_steps", Kind::Count),
    ("burst_updates", Kind::Switch),
    ("replay_capacity", Kind::Count),
    ("num_shared_layers", Kind::Count),
    ("num_head_layers", Kind::Count),
    ("num_filters", Kind::Count),
    ("shared_encoder", Kind::Switch),
    ("projection_dim", Kind::Count),
    ("hidden_dim", Kind::Count),
    ("actor_lr", Kind::Number),
    ("actor_beta", Kind::Number),
    ("actor_log_std_min", Kind::Number),
    ("actor_log_std_max", Kind::Number),
    ("actor_update_freq", Kind::Count),
    ("critic_lr", Kind::Number),
    ("critic_beta", Kind::Number),
    ("critic_tau", Kind::Number),
    ("encoder_tau", Kind::Number),
    ("critic_target_update_freq", Kind::Count),
    ("double_q", Kind::Switch),
    ("epsilon_start", Kind::Number),
    ("epsilon_end", Kind::Number),
    ("epsilon_decay_steps", Kind::Count),
    ("alpha_lr", Kind::Number),
    ("alpha_beta", Kind::Number),
    ("init_temperature", Kind::Number),
    ("aux_lr", Kind::Number),
    ("aux_beta", Kind::Number),
    ("aux_update_freq", Kind::Count),
    ("rho", Kind::Number),
    ("consistency", Kind::Number),
    ("svea_alpha", Kind::Number),
    ("svea_beta", Kind::Number),
    ("svea_augmentation", Kind::Choice(Augmentation::NAMES)),
    ("aux_augmentation", Kind::Choice(Augmentation::NAMES)),
    ("soda_batch_size", Kind::Count),
    ("soda_tau", Kind::Number),
    ("mask_fill", Kind::Choice(MaskFill::NAMES)),
    ("random_shift", Kind::Switch),
    ("shift_next_obs", Kind::Switch),
    ("shift_pad", Kind::Count),
    ("decoder_channels", Kind::CountPair),
    ("decoder_action", Kind::Switch),
    ("overlay_pictures", Kind::Count),
    ("overlays", Kind::Text),
    ("backgrounds", Kind::Text),
    ("eval_freq", Kind::Count),
    ("eval_episodes", Kind::Count),
    ("checkpoint_freq", Kind::Count),
    ("log_freq", Kind::Count),
];

/// The names of all options, in the order in which `config.toml` lists them.
pub fn known_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|&(name, _)| name)
}

fn find(key: &str, origin: &str) -> Result<(&'static str, Kind), ConfigError> {
    KEYS.iter()
        .find(|(name, _)| *name == key)
        .copied()
        .ok_or_else(|| ConfigError::UnknownKey {
            key: key.to_owned(),
            nearest: nearest(key, known_keys()),
            origin: origin.to_owned(),
        })
}

/// Checks `value` against the type of option `key`; an integer given where a
/// number is wanted becomes one. `origin` says where the value came from.
pub(crate) fn check(
    key: &str,
    value: Value,
    origin: &str,
) -> Result<(&'static str, Value), ConfigError> {
    let (key, kind) = find(key, origin)?;
    if !kind.fits(&value) {
        return Err(wrong_type(key, kind, value.to_string(), origin));
    }
    match (kind, &value) {
        (Kind::Choice(names), Value::String(given)) if !names.contains(&given.as_str()) => {
            Err(unknown_choice(key, given, names))
        }
        (Kind::Number, Value::Integer(n)) => Ok((key, Value::Float(*n as f64))),
        _ => Ok((key, value)),
    }
}

/// Reads the text of an assignment `key=text`. A text option takes it as it
/// stands (quotes are allowed), every other one reads it as a TOML value.
pub(super) fn parse(
    key: &str,
    text: &str,
    origin: &str,
) -> Result<(&'static str, Value), ConfigError> {
    let (key, kind) = find(key, origin)?;
    let read = toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"));
    let value = match (kind, read) {
        (Kind::Text | Kind::Choice(_), Some(value @ Value::String(_))) => value,
        (Kind::Text | Kind::Choice(_), _) => Value::String(text.to_owned()),
        (_, Some(value)) => value,
        (_, None) => return Err(wrong_type(key, kind, format!("'{text}'"), origin)),
    };
    check(key, value, origin)
}

fn wrong_type(key: &'static str, kind: Kind, given: String, origin: &str) -> ConfigError {
    ConfigError::WrongType {
        key,
        given,
        expected: kind.expected(),
        origin: origin.to_owned(),
    }
}
