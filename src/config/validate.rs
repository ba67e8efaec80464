//! The ranges of the options.

use super::error::ConfigError;
use super::{AgentKind, Config, EncoderKind, Inputs};

/// Sizes end here so that shapes stay within the 32-bit indices of shaders.
const LARGEST_COUNT: u64 = i32::MAX as u64;

impl Config {
    /// Checks every key's range, and those that must fit each other.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] or [`ConfigError::ImageTooSmall`] for the
    /// first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_counts()?;
        self.validate_numbers()?;
        self.validate_shapes()?;
        self.validate_encoder()
    }

    /// Which agent, encoder and inputs go together.
    fn validate_encoder(&self) -> Result<(), ConfigError> {
        let inputs = self.inputs;
        let frozen = self.encoder != EncoderKind::Cnn;
        let (fits, expected) = match frozen {
            true => (
                matches!(inputs, Inputs::Rgb | Inputs::RgbAndSaliency),
                "rgb or rgb+saliency with a pretrained encoder",
            ),
            false => (
                inputs != Inputs::RgbAndSaliency,
                "rgb, saliency, rgb-times-saliency or rgbs with encoder=cnn",
            ),
        };
        require(fits, "inputs", inputs, expected)?;
        require(
            self.agent != AgentKind::SacSelfSupervision || self.consistency == 0.0,
            "consistency",
            self.consistency,
            "0 for sac-self-supervision, which is SGQN without it",
        )?;
        let plain = !frozen && inputs == Inputs::Rgb && !self.shared_encoder;
        require(
            plain || self.agent == AgentKind::Sac,
            "agent",
            self.agent,
            "sac where the encoder is pretrained, shared or sees saliency",
        )?;
        require(
            !frozen || self.rendered_size() == self.image_size,
            "render_size",
            self.rendered_size(),
            "absent with a pretrained encoder: what is kept is not pixels",
        )?;
        require(
            !(frozen && self.random_shift),
            "random_shift",
            self.random_shift,
            "false with a pretrained encoder: what is kept is not pixels",
        )
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        if self.env.trim().is_empty() {
            return Err(ConfigError::Missing {
                key: "env",
                known: None,
            });
        }
        let [first, second] = self.decoder_channels;
        for (key, count) in [
            ("image_size", self.image_size),
            ("frame_stack", self.frame_stack),
            ("action_repeat", self.action_repeat.unwrap_or(1)),
            ("batch", self.batch),
            ("replay_capacity", self.replay_capacity),
            ("num_shared_layers", self.num_shared_layers),
            ("num_filters", self.num_filters),
            ("projection_dim", self.projection_dim),
            ("hidden_dim", self.hidden_dim),
            ("decoder_channels", first),
            ("decoder_channels", second),
            ("soda_batch_size", self.soda_batch_size),
            ("overlay_pictures", self.overlay_pictures),
            ("eval_episodes", self.eval_episodes),
        ] {
            within(key, count as u64, LARGEST_COUNT)?;
        }
        require(
            self.num_head_layers as u64 <= LARGEST_COUNT,
            "num_head_layers",
            self.num_head_layers,
            &format!("from 0 to {LARGEST_COUNT}"),
        )?;
        for (key, count) in [
            ("steps", self.steps),
            ("init_steps", self.init_steps),
            ("actor_update_freq", self.actor_update_freq),
            ("critic_target_update_freq", self.critic_target_update_freq),
            ("aux_update_freq", self.aux_update_freq),
            ("epsilon_decay_steps", self.epsilon_decay_steps),
            ("eval_freq", self.eval_freq),
            ("checkpoint_freq", self.checkpoint_freq),
            ("log_freq", self.log_freq),
        ] {
            within(key, count, i64::MAX as u64)?;
        }
        if self.seed > i64::MAX as u64 {
            return Err(out_of_range("seed", self.seed, "below 2^63"));
        }
        Ok(())
    }

    fn validate_numbers(&self) -> Result<(), ConfigError> {
        for (key, rate) in [
            ("actor_lr", self.actor_lr),
            ("critic_lr", self.critic_lr),
            ("alpha_lr", self.alpha_lr),
            ("aux_lr", self.aux_lr),
            ("consistency", self.consistency),
            ("svea_alpha", self.svea_alpha),
            ("svea_beta", self.svea_beta),
        ] {
            require(rate.is_finite() && rate >= 0.0, key, rate, "finite and ≥ 0")?;
        }
        // NaN is in no range.
        for (key, beta) in [
            ("actor_beta", self.actor_beta),
            ("critic_beta", self.critic_beta),
            ("alpha_beta", self.alpha_beta),
            ("aux_beta", self.aux_beta),
        ] {
            require((0.0..1.0).contains(&beta), key, beta, "at least 0, below 1")?;
        }
        for (key, rate) in [
            ("discount", self.discount),
            ("critic_tau", self.critic_tau),
            ("encoder_tau", self.encoder_tau),
            ("soda_tau", self.soda_tau),
            ("epsilon_start", self.epsilon_start),
            ("epsilon_end", self.epsilon_end),
        ] {
            require((0.0..=1.0).contains(&rate), key, rate, "from 0 to 1")?;
        }
        let (start, end) = (self.epsilon_start, self.epsilon_end);
        require(
            end <= start,
            "epsilon_end",
            end,
            &format!("at most epsilon_start, {start}"),
        )?;
        let rho = self.rho;
        require(
            rho > 0.0 && rho < 1.0,
            "rho",
            rho,
            "between 0 and 1, e.g. 0.95",
        )?;
        let alpha = self.init_temperature;
        require(
            alpha.is_finite() && alpha > 0.0,
            "init_temperature",
            alpha,
            "finite and > 0",
        )?;
        let (low, high) = (self.actor_log_std_min, self.actor_log_std_max);
        require(low.is_finite(), "actor_log_std_min", low, "finite")?;
        require(
            high.is_finite() && high > low,
            "actor_log_std_max",
            high,
            &format!("finite and above actor_log_std_min, {low}"),
        )
    }

    fn validate_shapes(&self) -> Result<(), ConfigError> {
        let (size, layers) = (self.image_size, self.num_layers());
        // 3×3, stride 2, then (layers − 1) times 3×3, stride 1: one pixel is left
        // of 4·layers − 1, and the next multiple of 4 is 4·layers.
        let minimum = 4 * layers;
        if size < minimum && self.encoder == EncoderKind::Cnn {
            return Err(ConfigError::ImageTooSmall {
                image_size: size,
                layers,
                minimum,
            });
        }
        let below = size - size % 4;
        require(
            size.is_multiple_of(4),
            "image_size",
            size,
            &format!("a multiple of 4, e.g. {below} or {}", below + 4),
        )?;
        let drawn = self.rendered_size();
        require(
            drawn >= size && drawn.is_multiple_of(4) && drawn as u64 <= LARGEST_COUNT,
            "render_size",
            drawn,
            &format!("a multiple of 4 of at least image_size, {size}: networks see a part of it"),
        )?;
        require(
            self.shift_pad < size,
            "shift_pad",
            self.shift_pad,
            &format!("below image_size, {size}"),
        )?;
        require(
            self.replay_capacity >= self.batch,
            "replay_capacity",
            self.replay_capacity,
            &format!("at least batch, {}", self.batch),
        )
    }
}

fn within(key: &'static str, count: u64, largest: u64) -> Result<(), ConfigError> {
    require(
        (1..=largest).contains(&count),
        key,
        count,
        &format!("from 1 to {largest}"),
    )
}

fn require(
    holds: bool,
    key: &'static str,
    given: impl std::fmt::Display,
    expected: &str,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(out_of_range(key, given, expected))
    }
}

fn out_of_range(
    key: &'static str,
    given: impl std::fmt::Display,
    expected: impl Into<String>,
) -> ConfigError {
    ConfigError::OutOfRange {
        key,
        given: given.to_string(),
        expected: expected.into(),
    }
}
