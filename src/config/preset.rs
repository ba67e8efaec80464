//! The numbers of each preset.

use crate::gpu::Precision;

use super::{
    AgentKind, Augmentation, Auxiliary, Budget, Config, EncoderKind, Inputs, LatentScale, MaskFill,
    Preset, SaliencyScale,
};

impl Config {
    /// The defaults of `preset` for an agent in an environment, with seed 1.
    ///
    /// ρ depends on the environment: 0.98 where the body is small in the
    /// picture (cart-pole, ball-in-cup), 0.95 elsewhere (A.6.1). All but SAC and DQN,
    /// the baselines without, shift their observations or crop them (A.5).
    pub fn new(agent: AgentKind, env: impl Into<String>, preset: Preset) -> Config {
        let env = env.into();
        let reach = env == "native/reach";
        let adapts = agent == AgentKind::Pad;
        let contrasts = agent.auxiliary() == Some(Auxiliary::Contrast);
        let paper = paper(agent, env);
        match preset {
            Preset::Paper => paper,
            // B.8: a frame is an observation, one rate for all, nothing is forgotten.
            Preset::Visarl => Config {
                preset,
                latent_scale: LatentScale::Raw,
                steps: 1_000_000,
                image_size: 64,
                frame_stack: 1,
                replay_capacity: 1_000_000,
                shared_encoder: agent == AgentKind::Sac,
                projection_dim: 512,
                actor_lr: 1e-4,
                critic_lr: 1e-4,
                alpha_beta: 0.9,
                critic_tau: 0.005,
                eval_episodes: 10,
                ..paper
            },
            // The paper's networks with half the filters (a quarter of the work), and a
            // quarter of its batch: hours on an integrated GPU.
            Preset::Laptop => Config {
                preset,
                steps: 100_000,
                batch: 32,
                soda_batch_size: 64,
                burst_updates: false,
                replay_capacity: 50_000,
                num_filters: 16,
                decoder_channels: [64, 32],
                hidden_dim: 256,
                epsilon_end: 0.05,
                epsilon_decay_steps: 10_000,
                overlay_pictures: 256,
                eval_freq: 5_000,
                eval_episodes: 10,
                checkpoint_freq: 2_000,
                log_freq: 100,
                ..paper
            },
            // Chosen so that `native/reach` is learned in minutes, on two cores with
            // software Vulkan: small pictures and networks, many random episodes first
            // (they cost next to nothing), a short horizon with quick targets.
            Preset::Tiny => Config {
                preset,
                steps: 7_500,
                image_size: 32,
                action_repeat: reach.then_some(4),
                batch: 32,
                soda_batch_size: 64,
                discount: 0.9,
                init_steps: 2_500,
                burst_updates: false,
                replay_capacity: 10_000,
                num_shared_layers: if adapts { 2 } else { 3 },
                num_head_layers: if adapts { 1 } else { 0 },
                num_filters: 16,
                projection_dim: 50,
                hidden_dim: 128,
                actor_update_freq: 1,
                critic_tau: 0.05,
                critic_target_update_freq: 1,
                epsilon_end: 0.05,
                epsilon_decay_steps: 1_000,
                aux_update_freq: if contrasts { 1 } else { 4 },
                shift_pad: 2,
                decoder_channels: [16, 8],
                overlay_pictures: 64,
                eval_freq: 500,
                eval_episodes: 10,
                checkpoint_freq: 500,
                log_freq: 50,
                ..paper
            },
        }
    }
}

/// The published numbers (A.1, A.2, A.6, A.7), and of each switch of I.1 the
/// value that produced them. Of Meta-World they are ViSaRL's, whose pictures have 64 pixels
/// a side (F.3), and of Atari the stack is the attention paper's (D.7).
fn paper(agent: AgentKind, env: String) -> Config {
    let image_size = if env.starts_with("metaworld/") {
        64
    } else {
        84
    };
    let frame_stack = if env.starts_with("ale/") { 4 } else { 3 };
    let small_body = ["cartpole", "ball_in_cup"]
        .iter()
        .any(|domain| env.contains(domain));
    let adapts = agent == AgentKind::Pad;
    Config {
        agent,
        env,
        preset: Preset::Paper,
        seed: 1,
        steps: 500_000,
        budget: Budget::AgentSteps,
        image_size,
        render_size: None,
        frame_stack,
        action_repeat: None,
        encoder: EncoderKind::Cnn,
        encoder_heads: None,
        inputs: Inputs::Rgb,
        saliency_scale: SaliencyScale::Scaled,
        latent_scale: LatentScale::Standardised,
        precision: Precision::F32,
        batch: 128,
        discount: 0.99,
        init_steps: 1_000,
        burst_updates: true,
        replay_capacity: 500_000,
        num_shared_layers: if adapts { 8 } else { 11 },
        num_head_layers: if adapts { 3 } else { 0 },
        num_filters: 32,
        shared_encoder: false,
        projection_dim: 100,
        hidden_dim: 1_024,
        actor_lr: 1e-3,
        actor_beta: 0.9,
        actor_log_std_min: -10.0,
        actor_log_std_max: 2.0,
        actor_update_freq: 2,
        critic_lr: 1e-3,
        critic_beta: 0.9,
        critic_tau: 0.01,
        encoder_tau: 0.05,
        critic_target_update_freq: 2,
        double_q: true,
        epsilon_start: 1.0,
        epsilon_end: 0.1,
        epsilon_decay_steps: 250_000,
        alpha_lr: 1e-4,
        alpha_beta: 0.5,
        init_temperature: 0.1,
        aux_lr: 3e-4,
        aux_beta: 0.9,
        aux_update_freq: match agent.auxiliary() {
            Some(Auxiliary::Contrast) => 1,
            _ => 2,
        },
        rho: if small_body { 0.98 } else { 0.95 },
        consistency: match agent {
            AgentKind::SacSelfSupervision => 0.0,
            _ => 0.5,
        },
        svea_alpha: 0.5,
        svea_beta: 0.5,
        svea_augmentation: Augmentation::Overlay,
        aux_augmentation: Augmentation::Overlay,
        soda_batch_size: 256,
        soda_tau: 0.005,
        mask_fill: MaskFill::Uniform,
        random_shift: !matches!(agent, AgentKind::Sac | AgentKind::Dqn) && !agent.crops(),
        shift_next_obs: true,
        shift_pad: 4,
        decoder_channels: [128, 64],
        decoder_action: true,
        overlay_pictures: 1_000,
        overlays: None,
        backgrounds: None,
        eval_freq: 10_000,
        eval_episodes: 30,
        checkpoint_freq: 10_000,
        log_freq: 1_000,
    }
}
