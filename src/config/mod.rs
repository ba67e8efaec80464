//! Options of a run: one flat set of keys, named as in the papers' code.
//!
//! A [`Config`] is the sum of four layers, each overriding the one before:
//! a [`Preset`], a TOML file (`--config`), assignments (`--set key=value`) and
//! the command line's own flags ([`Layers`], [`Config::resolve`]). What comes
//! out is complete and valid; it is written to `config.toml` in the run
//! directory and decides, with the device and its tuning, every bit of a run.

mod choice;
mod error;
mod keys;
mod preset;
mod resolve;
mod validate;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::gpu::Precision;

pub use choice::{
    AgentKind, Augmentation, Auxiliary, Budget, EncoderKind, Inputs, LatentScale, MaskFill, Preset,
    SaliencyScale,
};
pub use error::{ConfigError, nearest};
pub use keys::known_keys;
pub(crate) use keys::{Kind, check as check_option};
pub use resolve::Layers;

/// Everything that decides a run. Presets are in [`Config::new`].
///
/// "A.2" and the like are sections of SPEC.md, in the repository's root: A.1 networks, A.2
/// hyper-parameters, A.3 augmentations, A.4 the SAC update, A.6 SGQN, A.7 evaluation, I.1
/// switches where paper and released code disagree. The numbers named are the published ones
/// (preset `paper`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The algorithm: see [`AgentKind`].
    pub agent: AgentKind,
    /// Environment id, `SUITE/NAME`, e.g. `native/reach`.
    pub env: String,
    /// The preset that the other keys started from; by itself it decides nothing.
    pub preset: Preset,
    /// Seeds every random stream of the run: 0 to 2⁶³ − 1.
    pub seed: u64,
    /// Length of training, in the unit that `budget` names: 500,000 (A.2), ≥ 1.
    pub steps: u64,
    /// What `steps` counts: `agent_steps` (the released code) or `frames` (the
    /// paper's text; a frame is one control step, so an agent step is
    /// `action_repeat` of them). I.1.
    pub budget: Budget,

    /// Height and width in pixels of what the networks see: 84 (A.1), of Meta-World 64
    /// (F.3). A multiple of 4
    /// (the decoder doubles twice), at least four times as many as there are
    /// convolutions.
    pub image_size: usize,
    /// Height and width of a frame as it is drawn and kept: a multiple of 4, at least
    /// `image_size`. Larger ones are cropped at random where agents learn (unless
    /// `random_shift` says otherwise), and to their middle elsewhere (A.3). Absent: see
    /// [`Config::rendered_size`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_size: Option<usize>,
    /// Frames in an observation, oldest first: 3 (A.2), of Atari 4 (D.7), ≥ 1. Where an
    /// episode begins the first is repeated.
    pub frame_stack: usize,
    /// Control steps per agent step, ≥ 1; absent: the environment's own
    /// (of `dm_control` 4; 8 for cart-pole, 2 for finger: A.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_repeat: Option<usize>,

    /// `cnn`, or a frozen vision transformer: `multimae:PATH`, `mae:PATH`, where PATH is
    /// a pretraining run or a file of weights (B.7, B.8).
    #[serde(default = "cnn")]
    pub encoder: EncoderKind,
    /// Heads of a pretrained encoder's attentions; absent: as its file tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_heads: Option<usize>,
    /// What of a frame the encoder sees: `rgb`; with saliency, which native worlds have,
    /// a CNN `saliency`, `rgb-times-saliency` or `rgbs`, a MultiMAE `rgb+saliency` (B.8).
    #[serde(default = "rgb")]
    pub inputs: Inputs,
    /// How large saliency is for a CNN: `scaled`, 0 to 255, or `faithful`, 0 to 1 as in
    /// the released code (B.8).
    #[serde(default = "scaled")]
    pub saliency_scale: SaliencyScale,
    /// On which scale embeddings of a frozen encoder are seen: `raw` as in the released
    /// code (B.7), or `standardised`, which needs `init_steps` of at least 8.
    #[serde(default = "raw")]
    pub latent_scale: LatentScale,

    /// How products and convolutions of the agent's own networks hold their operands: `f32`,
    /// or `f16` on devices that have it (sums stay f32). No paper's: a switch for speed.
    pub precision: Precision,

    /// Transitions per update: 128 (A.2), ≥ 1.
    pub batch: usize,
    /// γ, per agent step: 0.99 (A.2), in [0, 1].
    pub discount: f64,
    /// Agent steps of uniformly random actions before the first update: 1,000
    /// (A.2), ≥ 1.
    pub init_steps: u64,
    /// Whether `init_steps` updates run in a row at step `init_steps` (A.4).
    pub burst_updates: bool,
    /// Transitions kept for sampling: 500,000 (A.2), at least `batch`.
    pub replay_capacity: usize,

    /// Convolutions of the encoder that actor, critics and auxiliary phase share: 11
    /// (A.1), PAD 8, ≥ 1.
    pub num_shared_layers: usize,
    /// Convolutions behind those: actor and critics have these in common, PAD's phase has
    /// as many of its own. 0 (A.1), PAD 3.
    #[serde(default)]
    pub num_head_layers: usize,
    /// Channels of each convolution: 32 (A.1), ≥ 1.
    pub num_filters: usize,
    /// Whether actor and critics share convolutions and projection, which the critics'
    /// loss alone trains and which have no target: ViSaRL's SAC (B.8). Else only the
    /// convolutions are shared. A pretrained encoder is shared whatever this says.
    #[serde(default)]
    pub shared_encoder: bool,
    /// Components of the projected state: 100 (A.1), ≥ 1.
    pub projection_dim: usize,
    /// Units of each hidden layer of actor and critics: 1,024 (A.1), ≥ 1.
    pub hidden_dim: usize,

    /// Learning rate of the actor's Adam: 1e-3 (A.2), finite, ≥ 0.
    pub actor_lr: f64,
    /// β₁ of the actor's Adam: 0.9 (A.2), in [0, 1).
    pub actor_beta: f64,
    /// Lower bound of the policy's log standard deviation: −10 (A.1).
    pub actor_log_std_min: f64,
    /// Upper bound of the policy's log standard deviation: 2 (A.1).
    pub actor_log_std_max: f64,
    /// Steps between updates of actor and temperature: 2 (A.2), ≥ 1.
    pub actor_update_freq: u64,

    /// Learning rate of the critics' Adam: 1e-3 (A.2), finite, ≥ 0.
    pub critic_lr: f64,
    /// β₁ of the critics' Adam: 0.9 (A.2), in [0, 1).
    pub critic_beta: f64,
    /// EMA rate of the target Q heads: 0.01 (A.2), in [0, 1].
    pub critic_tau: f64,
    /// EMA rate of the target encoder (convolutions and projection): 0.05
    /// (A.2), in [0, 1].
    pub encoder_tau: f64,
    /// Steps between updates of the targets: 2 (A.2), ≥ 1.
    pub critic_target_update_freq: u64,

    /// Whether the online network chooses what the target network values: double
    /// Q-learning (van Hasselt et al. 2016). Of `dqn` and `sgqn-dqn`, as are the next three.
    #[serde(default = "double_q")]
    pub double_q: bool,
    /// Share of random actions when learning begins: 1 (Mnih et al. 2015), in [0, 1].
    #[serde(default = "epsilon_start")]
    pub epsilon_start: f64,
    /// Share of random actions in the end: 0.1 (Mnih et al. 2015), in [0, 1], at most
    /// `epsilon_start`. Evaluations take none.
    #[serde(default = "epsilon_end")]
    pub epsilon_end: f64,
    /// Agent steps that lead evenly from the one to the other: 250,000 (Mnih et al. 2015: a
    /// million frames, four to an agent step), ≥ 1.
    #[serde(default = "epsilon_decay_steps")]
    pub epsilon_decay_steps: u64,

    /// Learning rate of the temperature's Adam: 1e-4 (A.2), finite, ≥ 0.
    pub alpha_lr: f64,
    /// β₁ of the temperature's Adam: 0.5 (A.2), in [0, 1).
    pub alpha_beta: f64,
    /// α before the first update: 0.1 (A.2), > 0.
    pub init_temperature: f64,

    /// Learning rate of the auxiliary phase's Adam: 3e-4 (A.6.4), finite, ≥ 0.
    pub aux_lr: f64,
    /// β₁ of the auxiliary phase's Adam: 0.9 (A.6.4), in [0, 1).
    pub aux_beta: f64,
    /// Steps between auxiliary updates: 2, CURL 1 (A.2), ≥ 1.
    pub aux_update_freq: u64,

    /// Quantile ρ above which a pixel belongs to the mask, in (0, 1): 0.95;
    /// 0.98 for cart-pole and ball-in-cup (A.6.1).
    pub rho: f64,
    /// λ, weight of the consistency term: 0.5 (A.6.2), finite, ≥ 0; 0 for
    /// `sac-self-supervision`.
    pub consistency: f64,
    /// SVEA's α, weight of the critic's loss on observations as they are: 0.5 (A.5),
    /// finite, ≥ 0.
    #[serde(default = "half")]
    pub svea_alpha: f64,
    /// SVEA's β, weight of the critic's loss on augmented observations: 0.5 (A.5),
    /// finite, ≥ 0.
    #[serde(default = "half")]
    pub svea_beta: f64,
    /// What SVEA augments observations with: `overlay`, half a picture, or `conv`, a random
    /// convolution (A.3).
    #[serde(default = "overlay")]
    pub svea_augmentation: Augmentation,
    /// What the auxiliary phase of SGQN and SODA augments observations with: `overlay`, half
    /// a picture, or `conv`, a random convolution, as SGQN's robots have it (A.6.6).
    #[serde(default = "overlay")]
    pub aux_augmentation: Augmentation,
    /// Observations that SODA's phase draws for itself: 256 (A.5), ≥ 1.
    #[serde(default = "soda_batch")]
    pub soda_batch_size: usize,
    /// EMA rate of SODA's target: 0.005 (A.5), in [0, 1].
    #[serde(default = "soda_tau")]
    pub soda_tau: f64,
    /// What replaces the pixels outside the mask: `uniform`, one grey per batch
    /// (the released code), or `zero` (the paper's text). I.1.
    pub mask_fill: MaskFill,
    /// Whether sampled observations are shifted at random. The released SGQN
    /// does, plain SAC and agents that crop do not (A.3, A.5, I.1). Frames larger than
    /// what the networks see are then shifted and cut to their middle; SODA's phase
    /// crops all the same.
    pub random_shift: bool,
    /// Whether `random_shift` shifts the next observations too, by numbers of their own. The
    /// released SGQN does, also for its SVEA, whose first release shifted observations
    /// alone (A.5, I.1). Agents that crop crop both.
    #[serde(default = "yes")]
    pub shift_next_obs: bool,
    /// Largest shift in pixels, each way: 4 (A.3), below `image_size`.
    pub shift_pad: usize,
    /// Channels of the mask decoder's two hidden convolutions: 128, 64 in the
    /// released code, 64, 64 in the paper's text (A.6.4, I.1).
    pub decoder_channels: [usize; 2],
    /// Whether the mask decoder also sees the action (A.6.4, I.1).
    pub decoder_action: bool,
    /// Procedural pictures to lay over observations, ≥ 1; used where
    /// `overlays` is absent.
    pub overlay_pictures: usize,
    /// A folder of images to overlay instead (the paper's are Places365: A.3). Of each the
    /// middle square is reduced to `image_size`, and windows are cut from that: blurred more
    /// than the released code's, which are cut from the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlays: Option<PathBuf>,

    /// A folder of backgrounds for the video modes, either videos and GIFs or PNG and JPEG
    /// files (see [`EnvOptions::backgrounds`](crate::envs::EnvOptions::backgrounds)); absent:
    /// procedural ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backgrounds: Option<PathBuf>,
    /// Agent steps between evaluations: 10,000 (A.7), ≥ 1.
    pub eval_freq: u64,
    /// Episodes per evaluation and mode: 30 (A.7), ≥ 1.
    pub eval_episodes: usize,
    /// Agent steps between checkpoints, ≥ 1.
    pub checkpoint_freq: u64,
    /// Agent steps between lines of `metrics.jsonl`, ≥ 1.
    pub log_freq: u64,
}

// What runs of before these keys did.
fn cnn() -> EncoderKind {
    EncoderKind::Cnn
}

fn overlay() -> Augmentation {
    Augmentation::Overlay
}

fn yes() -> bool {
    true
}

fn half() -> f64 {
    0.5
}

fn soda_batch() -> usize {
    256
}

fn soda_tau() -> f64 {
    0.005
}

fn double_q() -> bool {
    true
}

fn epsilon_start() -> f64 {
    1.0
}

fn epsilon_end() -> f64 {
    0.1
}

fn epsilon_decay_steps() -> u64 {
    250_000
}

fn rgb() -> Inputs {
    Inputs::Rgb
}

fn raw() -> LatentScale {
    LatentScale::Raw
}

fn scaled() -> SaliencyScale {
    SaliencyScale::Scaled
}

impl Config {
    /// Agent steps of the whole run in an environment that takes
    /// `action_repeat` control steps per agent step.
    pub fn agent_steps(&self, action_repeat: usize) -> u64 {
        match self.budget {
            Budget::AgentSteps => self.steps,
            Budget::Frames => self.steps.div_ceil(action_repeat.max(1) as u64),
        }
    }

    /// ε: the probability that the action of an agent step is random. Before `init_steps`
    /// it is 1; afterwards 0 but for agents that choose.
    pub fn epsilon(&self, step: u64) -> f64 {
        let Some(learning) = step.checked_sub(self.init_steps) else {
            return 1.0;
        };
        if !self.agent.chooses() {
            return 0.0;
        }
        let decayed = (learning as f64 / self.epsilon_decay_steps.max(1) as f64).min(1.0);
        self.epsilon_start + decayed * (self.epsilon_end - self.epsilon_start)
    }

    /// Whether pictures are laid over observations.
    pub fn overlays_pictures(&self) -> bool {
        let in_critic =
            self.agent.doubles_critic() && self.svea_augmentation == Augmentation::Overlay;
        let in_auxiliary = match self.agent.auxiliary() {
            Some(Auxiliary::Mask | Auxiliary::Soda) => {
                self.aux_augmentation == Augmentation::Overlay
            }
            Some(Auxiliary::Contrast | Auxiliary::InverseDynamics) | None => false,
        };
        in_critic || in_auxiliary
    }

    /// Height and width of a frame as it is drawn and kept: `render_size`; where that is
    /// absent 100 for 84 seen pixels (A.2) and in this proportion for others, in whole
    /// fours, for agents that crop, and `image_size` for all else.
    pub fn rendered_size(&self) -> usize {
        let size = self.image_size;
        match self.agent.crops() {
            // At least one step of four, or there is nothing to choose from.
            true => (self.render_size).unwrap_or((4 * ((25 * size + 42) / 84)).max(size + 4)),
            false => self.render_size.unwrap_or(size),
        }
    }

    /// Height and width of the encoder's last feature map: one 3×3 convolution
    /// of stride 2, then all others of stride 1, none padded (84 → 41 → 39 → … → 21 with
    /// 11 layers).
    pub fn feature_size(&self) -> usize {
        (self.image_size.saturating_sub(3) / 2 + 1)
            .saturating_sub(2 * self.num_layers().saturating_sub(1))
    }

    /// Convolutions of the encoder in all.
    pub fn num_layers(&self) -> usize {
        self.num_shared_layers + self.num_head_layers
    }
}
