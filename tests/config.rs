//! Options: defaults, layers, and what is said about a wrong one.

use std::fs;

use foveate::config::{
    AgentKind, Augmentation, Budget, Config, ConfigError, Layers, MaskFill, Preset,
};
use proptest::prelude::*;

/// Layers that name agent and environment, and these assignments.
fn set(assignments: &[&str]) -> Layers {
    Layers {
        agent: Some("sgqn".into()),
        env: Some("native/reach".into()),
        set: assignments.iter().map(|text| text.to_string()).collect(),
        ..Layers::default()
    }
}

fn error_of(layers: &Layers) -> ConfigError {
    let error = Config::resolve(layers).expect_err("these options must be refused");
    assert!(error.is_user_mistake());
    error
}

fn message_of(assignment: &str) -> String {
    error_of(&set(&[assignment])).to_string()
}

#[test]
fn paper_has_the_published_numbers() {
    let c = Config::new(AgentKind::Sgqn, "dm_control/walker-walk", Preset::Paper);
    assert_eq!((c.image_size, c.frame_stack, c.batch), (84, 3, 128));
    assert_eq!((c.num_shared_layers, c.num_filters), (11, 32));
    assert_eq!((c.projection_dim, c.hidden_dim), (100, 1024));
    assert_eq!((c.steps, c.replay_capacity), (500_000, 500_000));
    assert_eq!((c.init_steps, c.burst_updates), (1_000, true));
    assert_eq!((c.actor_lr, c.critic_lr, c.alpha_lr), (1e-3, 1e-3, 1e-4));
    assert_eq!((c.actor_beta, c.critic_beta, c.alpha_beta), (0.9, 0.9, 0.5));
    assert_eq!((c.critic_tau, c.encoder_tau), (0.01, 0.05));
    assert_eq!((c.aux_lr, c.consistency, c.discount), (3e-4, 0.5, 0.99));
    assert_eq!(c.decoder_channels, [128, 64]);
    assert_eq!(c.feature_size(), 21);
    assert_eq!(c.mask_fill, MaskFill::Uniform);
    assert_eq!((c.actor_update_freq, c.critic_target_update_freq), (2, 2));
    assert_eq!((c.aux_update_freq, c.aux_beta), (2, 0.9));
    assert_eq!((c.actor_log_std_min, c.actor_log_std_max), (-10.0, 2.0));
    assert_eq!((c.init_temperature, c.shift_pad), (0.1, 4));
    assert_eq!((c.eval_freq, c.eval_episodes), (10_000, 30));
    assert_eq!((c.budget, c.num_head_layers), (Budget::AgentSteps, 0));
    assert!(c.decoder_action && c.random_shift && c.shift_next_obs);
    let c = Config::new(AgentKind::Svea, "dm_control/walker-walk", Preset::Paper);
    assert_eq!((c.svea_alpha, c.svea_beta), (0.5, 0.5));
    assert_eq!(c.svea_augmentation, Augmentation::Overlay);
    assert_eq!(c.aux_augmentation, Augmentation::Overlay);
}

/// SPEC.md D.7 and F.3.
#[test]
fn suites_have_frames_of_their_own() {
    for (env, image_size, frame_stack) in [
        ("dm_control/walker-walk", 84, 3),
        ("metaworld/reach-v3", 64, 3),
        ("ale/Pong", 84, 4),
    ] {
        let c = Config::new(AgentKind::SgqnDqn, env, Preset::Paper);
        assert_eq!((c.image_size, c.frame_stack), (image_size, frame_stack));
    }
}

/// SPEC.md B.8.
#[test]
fn visarl_has_the_released_numbers() {
    let c = Config::new(AgentKind::Sac, "native/reach", Preset::Visarl);
    assert_eq!((c.image_size, c.frame_stack, c.batch), (64, 1, 128));
    assert_eq!((c.num_shared_layers, c.num_filters), (11, 32));
    assert_eq!((c.projection_dim, c.hidden_dim), (512, 1024));
    assert!(c.shared_encoder && c.burst_updates && !c.random_shift);
    assert!(c.shift_next_obs);
    assert_eq!((c.actor_lr, c.critic_lr, c.alpha_lr), (1e-4, 1e-4, 1e-4));
    assert_eq!((c.actor_beta, c.critic_beta, c.alpha_beta), (0.9, 0.9, 0.9));
    assert_eq!(
        (c.critic_tau, c.discount, c.init_temperature),
        (0.005, 0.99, 0.1)
    );
    assert_eq!((c.actor_update_freq, c.critic_target_update_freq), (2, 2));
    assert_eq!(
        (c.init_steps, c.steps, c.replay_capacity),
        (1_000, 1_000_000, 1_000_000)
    );
    assert_eq!((c.eval_freq, c.eval_episodes), (10_000, 10));
}

#[test]
fn every_preset_is_valid() {
    for agent in AgentKind::NAMES {
        let agent: AgentKind = agent.parse().unwrap();
        for preset in [Preset::Tiny, Preset::Laptop, Preset::Paper, Preset::Visarl] {
            for env in foveate::envs::native::IDS {
                let config = Config::new(agent, env, preset);
                config.validate().unwrap();
                assert_eq!(config.preset, preset);
            }
        }
    }
}

#[test]
fn rho_follows_the_environment_until_it_is_set() {
    for (env, rho) in [
        ("native/reach", 0.95),
        ("native/cartpole", 0.98),
        ("native/ball_in_cup", 0.98),
        ("native/finger", 0.95),
        ("native/walker-walk", 0.95),
        ("dm_control/ball_in_cup-catch", 0.98),
        ("dm_control/walker-walk", 0.95),
    ] {
        let mut layers = set(&[]);
        layers.env = Some(env.into());
        assert_eq!(Config::resolve(&layers).unwrap().rho, rho, "{env}");
        layers.set = vec!["rho=0.9".into()];
        assert_eq!(Config::resolve(&layers).unwrap().rho, 0.9, "{env}");
    }
}

#[test]
fn all_but_sac_and_dqn_shift_or_crop_by_default() {
    let mut layers = set(&[]);
    for (agent, shifts, drawn) in [
        ("sgqn", true, 84),
        ("drq", true, 84),
        ("svea", true, 84),
        ("rad", false, 100),
        ("curl", false, 100),
        ("pad", false, 100),
        ("soda", false, 100),
        ("svea-soda", false, 100),
        ("sac", false, 84),
        ("dqn", false, 84),
        ("sgqn-dqn", true, 84),
    ] {
        layers.agent = Some(agent.into());
        let config = Config::resolve(&layers).unwrap();
        let given = (config.random_shift, config.rendered_size());
        assert_eq!(given, (shifts, drawn), "{agent}");
    }
    layers.set = vec!["random_shift=true".into()];
    assert!(Config::resolve(&layers).unwrap().random_shift);
}

#[test]
fn each_layer_overrides_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(
        &file,
        "agent = 'sac'\nenv = 'native/cartpole'\npreset = 'tiny'\nseed = 2\nsteps = 20\nbatch = 16\ndiscount = 1\ndecoder_channels = [8, 4]\n",
    )
    .unwrap();
    let mut layers = Layers {
        file: Some(file),
        ..Layers::default()
    };
    let c = Config::resolve(&layers).unwrap();
    assert_eq!((c.agent, c.preset), (AgentKind::Sac, Preset::Tiny));
    assert_eq!((c.seed, c.steps, c.batch), (2, 20, 16));
    assert_eq!((c.discount, c.decoder_channels), (1.0, [8, 4]));
    assert_eq!(
        (c.image_size, c.rho),
        (32, 0.98),
        "from preset and environment"
    );

    layers.set = [
        "steps=30",
        "seed=3",
        "env=native/reach",
        "budget = \"frames\"",
        "steps=31",
    ]
    .map(String::from)
    .to_vec();
    let c = Config::resolve(&layers).unwrap();
    assert_eq!((c.seed, c.steps, c.batch), (3, 31, 16));
    assert_eq!((c.env.as_str(), c.budget), ("native/reach", Budget::Frames));

    layers.seed = Some(4);
    layers.preset = Some("laptop".into());
    let c = Config::resolve(&layers).unwrap();
    assert_eq!((c.seed, c.steps, c.image_size), (4, 31, 84));
}

/// 100 pixels for 84 in whole fours, whatever is set afterwards, until it is set itself.
#[test]
fn frames_are_drawn_larger_for_agents_that_crop() {
    let mut layers = set(&[]);
    layers.agent = Some("rad".into());
    for (size, drawn) in [(84, 100), (64, 76), (48, 56), (168, 200)] {
        layers.set = vec![format!("image_size={size}")];
        assert_eq!(Config::resolve(&layers).unwrap().rendered_size(), drawn);
        layers.set.push("render_size=240".into());
        assert_eq!(Config::resolve(&layers).unwrap().rendered_size(), 240);
    }
    for size in [4, 8, 12, 32] {
        let mut config = Config::new(AgentKind::Rad, "native/reach", Preset::Tiny);
        config.image_size = size;
        assert!(config.rendered_size() > size, "{size}");
    }
    // No smaller than what is seen, and in whole fours; as large is no crop.
    layers.set = vec!["render_size=84".into()];
    assert_eq!(Config::resolve(&layers).unwrap().rendered_size(), 84);
    for wrong in ["80", "86", "0"] {
        layers.set = vec![format!("render_size={wrong}")];
        let message = error_of(&layers).to_string();
        let right = "a multiple of 4 of at least image_size, 84: networks see a part of it";
        assert_eq!(
            message,
            format!("option 'render_size' is {wrong}, but must be {right}")
        );
    }
}

/// SPEC.md A.2, A.5.
#[test]
fn auxiliary_phases_have_the_released_numbers() {
    let paper = |agent| Config::new(agent, "dm_control/walker-walk", Preset::Paper);
    for agent in [AgentKind::Soda, AgentKind::SveaSoda] {
        let c = paper(agent);
        assert_eq!((c.soda_batch_size, c.soda_tau), (256, 0.005));
        assert_eq!((c.aux_update_freq, c.aux_lr, c.aux_beta), (2, 3e-4, 0.9));
        assert!(c.overlays_pictures());
    }
    let curl = paper(AgentKind::Curl);
    assert_eq!((curl.aux_update_freq, curl.aux_lr), (1, 3e-4));
    let pad = paper(AgentKind::Pad);
    assert_eq!((pad.num_shared_layers, pad.num_head_layers), (8, 3));
    assert_eq!((pad.aux_update_freq, pad.feature_size()), (2, 21));
    assert!(!pad.overlays_pictures());
    assert!(!curl.overlays_pictures() && !paper(AgentKind::Rad).overlays_pictures());
}

/// Mnih et al. 2015; a million frames are 250,000 steps of four.
#[test]
fn agents_that_choose_explore_as_published() {
    for agent in [AgentKind::Dqn, AgentKind::SgqnDqn] {
        let c = Config::new(agent, "ale/Pong", Preset::Paper);
        assert_eq!((c.epsilon_start, c.epsilon_end), (1.0, 0.1));
        assert_eq!((c.epsilon_decay_steps, c.discount), (250_000, 0.99));
        assert!(c.double_q);
        assert_eq!(c.random_shift, agent == AgentKind::SgqnDqn);
        assert_eq!(c.overlays_pictures(), agent == AgentKind::SgqnDqn);
    }
}

#[test]
fn budget_in_frames_is_divided_by_the_action_repeat() {
    let mut c = Config::new(AgentKind::Sac, "native/reach", Preset::Tiny);
    c.steps = 1001;
    assert_eq!(c.agent_steps(4), 1001);
    c.budget = Budget::Frames;
    assert_eq!(c.agent_steps(4), 251);
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    assert_eq!(
        message_of("agent=sgq"),
        // The flag is stronger, but a wrong value is wrong wherever it stands.
        "unknown agent 'sgq' (did you mean 'sgqn'?); known: sac, rad, drq, curl, pad, soda, svea, svea-soda, sgqn, sac-consistency, sac-self-supervision, dqn, sgqn-dqn"
    );
    assert_eq!(
        message_of("preset=papper"),
        "unknown preset 'papper' (did you mean 'paper'?); known: tiny, laptop, paper, visarl"
    );
    assert_eq!(
        message_of("crtic_lr=1"),
        "unknown option 'crtic_lr' in --set (did you mean 'critic_lr'?)"
    );
    assert_eq!(message_of("zzzzzzz=1"), "unknown option 'zzzzzzz' in --set");

    let mut layers = set(&[]);
    layers.agent = Some("SGQN".into());
    assert!(
        error_of(&layers)
            .to_string()
            .contains("did you mean 'sgqn'")
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    fs::write(&file, "batchs = 3\n").unwrap();
    layers = set(&[]);
    layers.file = Some(file);
    let message = error_of(&layers).to_string();
    assert!(
        message.contains("unknown option 'batchs' in '"),
        "{message}"
    );
    assert!(message.contains("bad.toml'"), "{message}");
    assert!(message.contains("did you mean 'batch'"), "{message}");
}

#[test]
fn wrong_types_are_refused() {
    assert_eq!(
        message_of("batch=many"),
        "option 'batch' in --set is 'many', but must be an integer from 0 to 9223372036854775807"
    );
    for assignment in [
        "batch=2.5",
        "batch=-1",
        "batch=",
        "batch=1\nrho = 0.5",
        "seed=9223372036854775808",
        "critic_lr='fast'",
        "random_shift=1",
        "decoder_channels=3",
        "decoder_channels=[1]",
        "decoder_channels=[1,-2]",
        "decoder_channels=[1,2,3]",
    ] {
        assert!(
            matches!(error_of(&set(&[assignment])), ConfigError::WrongType { .. }),
            "{assignment}"
        );
    }
    assert!(matches!(
        error_of(&set(&["batch"])),
        ConfigError::Assignment { .. }
    ));
    let mut layers = set(&[]);
    layers.seed = Some(u64::MAX);
    assert!(
        error_of(&layers)
            .to_string()
            .contains("option 'seed' in --seed")
    );
}

#[test]
fn values_out_of_range_are_refused() {
    for assignment in [
        "batch=0",
        "steps=0",
        "frame_stack=0",
        "action_repeat=0",
        "num_filters=0",
        "decoder_channels=[32,0]",
        "hidden_dim=99999999999",
        "critic_lr=-0.001",
        "actor_lr=nan",
        "alpha_lr=inf",
        "aux_lr=-inf",
        "consistency=-1",
        "consistency=nan",
        "discount=1.01",
        "discount=-0.1",
        "discount=nan",
        "encoder_tau=2",
        "critic_tau=nan",
        "critic_beta=1",
        "alpha_beta=nan",
        "rho=0",
        "rho=1",
        "rho=nan",
        "init_temperature=0",
        "actor_log_std_min=3",
        "actor_log_std_max=inf",
        "actor_update_freq=0",
        "checkpoint_freq=0",
        "image_size=85",
        "soda_batch_size=0",
        "soda_tau=1.5",
        "soda_tau=nan",
        "epsilon_start=1.5",
        "epsilon_end=-0.1",
        "epsilon_end=nan",
        "epsilon_decay_steps=0",
        "shift_pad=84",
        "replay_capacity=31",
    ] {
        let error = error_of(&set(&[assignment]));
        let key = assignment.split('=').next().unwrap();
        assert!(
            matches!(&error, ConfigError::OutOfRange { .. }),
            "{assignment}: {error:?}"
        );
        // log_std_min = 3 is reported with the bound that it passes.
        if key != "actor_log_std_min" {
            assert!(error.to_string().contains(key), "{assignment}: {error}");
        }
    }
    assert_eq!(
        message_of("rho=1.5"),
        "option 'rho' is 1.5, but must be between 0 and 1, e.g. 0.95"
    );
    let mut layers = set(&["epsilon_start=0.2", "epsilon_end=0.3"]);
    layers.agent = Some("dqn".into());
    assert_eq!(
        error_of(&layers).to_string(),
        "option 'epsilon_end' is 0.3, but must be at most epsilon_start, 0.2"
    );
    assert_eq!(
        message_of("image_size=86"),
        "option 'image_size' is 86, but must be a multiple of 4, e.g. 84 or 88"
    );
}

#[test]
fn an_image_too_small_is_refused_with_the_smallest_that_fits() {
    assert_eq!(
        message_of("image_size=40"),
        "image_size 40 is too small for 11 convolutions (num_shared_layers + num_head_layers): the smallest that fits is 44"
    );
    for layers in 1..20 {
        let mut c = Config::new(AgentKind::Sac, "native/reach", Preset::Tiny);
        c.num_shared_layers = layers;
        c.image_size = 4 * layers;
        c.shift_pad = 0;
        c.validate().unwrap();
        assert!(c.feature_size() >= 1, "{layers} layers");
        c.image_size -= 4;
        assert!(c.validate().is_err(), "{layers} layers");
    }
}

#[test]
fn agent_and_environment_must_be_named() {
    for (agent, env, key) in [
        (None, Some("native/reach"), "agent"),
        (Some("sac"), None, "env"),
    ] {
        let layers = Layers {
            agent: agent.map(String::from),
            env: env.map(String::from),
            ..Layers::default()
        };
        let message = error_of(&layers).to_string();
        assert!(message.starts_with(&format!("no {key} given")), "{message}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers = set(&[]);
    layers.file = Some(folder.path().join("absent.toml"));
    assert!(error_of(&layers).to_string().contains("absent.toml"));
    let file = folder.path().join("broken.toml");
    fs::write(&file, "batch = = 3").unwrap();
    layers.file = Some(file.clone());
    assert!(matches!(error_of(&layers), ConfigError::Syntax { .. }));
    // A saved configuration must be complete.
    fs::write(&file, "batch = 3\n").unwrap();
    assert!(
        Config::read(&file)
            .unwrap_err()
            .to_string()
            .contains("broken.toml")
    );
}

#[test]
fn a_resumed_run_may_change_how_long_but_not_what() {
    let saved = Config::resolve(&set(&["steps=100", "hidden_dim=64"])).unwrap();
    let mut layers = Layers {
        saved: Some(saved.clone()),
        steps: Some(200),
        set: vec!["eval_freq=7".into()],
        ..Layers::default()
    };
    let longer = Config::resolve(&layers).unwrap();
    assert_eq!(
        (longer.steps, longer.eval_freq, longer.hidden_dim),
        (200, 7, 64)
    );
    assert_eq!(longer.digest().unwrap(), saved.digest().unwrap());

    layers.seed = Some(saved.seed + 1);
    let error = error_of(&layers);
    assert!(matches!(&error, ConfigError::ResumeConflict { key, .. } if key == "seed"));
    let mut other = saved.clone();
    other.seed += 1;
    assert_ne!(other.digest().unwrap(), saved.digest().unwrap());
}

#[test]
fn toml_is_in_the_order_of_the_fields() {
    let mut config = Config::resolve(&set(&[])).unwrap();
    config.render_size = Some(100);
    config.action_repeat = Some(4);
    config.encoder_heads = Some(4);
    config.overlays = Some("pictures".into());
    config.backgrounds = Some("videos".into());
    let text = config.to_toml().unwrap();
    let written: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(" = ").next())
        .collect();
    // So the table of keys and the struct agree, too.
    let known: Vec<&str> = foveate::config::known_keys().collect();
    assert_eq!(written, known);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_what_is_read(
        seed in 0..=i64::MAX as u64,
        batch in 1usize..500,
        lr in 0.0..1e3f64,
        tau in 0.0..=1.0f64,
        rho in 1e-9..0.999_999f64,
        low in -30.0..0.0f64,
        env in "[a-z_]{1,9}/[a-z\"'\\\\ é-]{1,9}",
        switch: bool,
        repeat in proptest::option::of(1usize..9),
    ) {
        let mut config = Config::new(AgentKind::Sgqn, env, Preset::Laptop);
        config.seed = seed;
        config.batch = batch;
        config.critic_lr = lr;
        config.encoder_tau = tau;
        config.rho = rho;
        config.actor_log_std_min = low;
        config.decoder_action = switch;
        config.action_repeat = repeat;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, config.to_toml().unwrap()).unwrap();
        prop_assert_eq!(Config::read(&path).unwrap(), config);
    }

    #[test]
    fn no_assignment_panics(key in "[a-z_]{0,12}", text in "\\PC{0,20}") {
        let _ = Config::resolve(&set(&[&format!("{key}={text}")]));
        for key in foveate::config::known_keys() {
            let _ = Config::resolve(&set(&[&format!("{key}={text}")]));
        }
    }
}

/// ViSaRL's pictures of Meta-World have 64 pixels a side (F.3), unless somebody says
/// otherwise.
#[test]
fn pictures_of_meta_world_are_small() {
    let side = |env: &str, set: &[&str]| {
        let layers = Layers {
            agent: Some("sac".into()),
            env: Some(env.into()),
            set: set.iter().map(|s| s.to_string()).collect(),
            ..Default::default()
        };
        Config::resolve(&layers).unwrap().image_size
    };
    let reach = "metaworld/reach-v3";
    assert_eq!(side(reach, &[]), 64);
    assert_eq!(side(reach, &["preset=paper"]), 64);
    assert_eq!(side(reach, &["preset=tiny"]), 32);
    assert_eq!(side(reach, &["image_size=84"]), 84);
    assert_eq!(side("dm_control/walker-walk", &[]), 84);
}
