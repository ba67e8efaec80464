//! A run is decided by its options alone: the same seed gives the same bits, and so
//! does a run that is killed again and again, whenever that happens.

#[path = "common/end.rs"]
mod end;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use end::{End, files};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// So small that starting takes as long as training. Three episodes of 50 steps and a
/// part of a fourth, an evaluation after each, a checkpoint every few steps and one at
/// the end, and a replay that overwrites its oldest transitions and frames.
const OPTIONS: &[&str] = &[
    "--env=native/reach",
    "--preset=tiny",
    "--set=image_size=8",
    "--set=action_repeat=2",
    "--set=actor_update_freq=2",
    "--set=critic_target_update_freq=2",
    "--set=aux_update_freq=2",
    "--set=num_shared_layers=1",
    "--set=batch=2",
    "--set=num_filters=2",
    "--set=hidden_dim=8",
    "--set=projection_dim=4",
    "--set=decoder_channels=[4,4]",
    "--set=overlay_pictures=2",
    "--set=init_steps=10",
    // Actions at random in half of the run, a share of it: of agents that choose.
    "--set=epsilon_decay_steps=100",
    "--set=replay_capacity=60",
    "--set=log_freq=5",
    "--set=checkpoint_freq=3",
    "--set=eval_freq=50",
    "--set=eval_episodes=1",
    "--steps=160",
    "--quiet",
];

/// Agents, and for each how many kills in all, and how many of them must hit while training
/// is under way: one that samples from a policy, one that chooses.
const SGQN: &str = "--agent=sgqn";
const AGENTS: [(&str, usize, usize); 2] = [(SGQN, 20, 8), ("--agent=sgqn-dqn", 6, 3)];

/// Trains, or goes on training, until the end or until it is killed; whether the end
/// was reached.
fn train(run: &Path, agent: &str, more: &[&str], kill_after: Option<Duration>) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foveate"));
    // Never the user's own cache.
    command.env(
        "FOVEATE_CACHE",
        concat!(env!("CARGO_TARGET_TMPDIR"), "/cache-resume"),
    );
    command.arg("train").arg(agent).args(OPTIONS).args(more);
    command.arg("--run").arg(run);
    if run.join("config.toml").exists() {
        command.arg("--resume");
    }
    let mut child = (command.stdin(Stdio::null()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(delay) = kill_after {
        std::thread::sleep(delay);
        // SIGKILL, where there are signals; nothing happens if it has ended.
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let killed = match kill_after {
        Some(_) if cfg!(unix) => output.status.code().is_none(),
        Some(_) => !output.status.success(),
        None => false,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(killed || output.status.success(), "{said}");
    !killed
}

/// The end of a run that nobody disturbs, and how long it takes.
fn undisturbed(agent: &str) -> (End, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let started = Instant::now();
    assert!(train(&run, agent, &[], None));
    (End::of(&run), started.elapsed())
}

/// That of SGQN, which two tests need.
fn undisturbed_sgqn() -> &'static (End, Duration) {
    static END: OnceLock<(End, Duration)> = OnceLock::new();
    END.get_or_init(|| undisturbed(SGQN))
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let (first, _) = undisturbed_sgqn();
    // The run is what the other test takes it for.
    assert_eq!(first.checkpoints.len(), 2);
    assert!(first.checkpoints[1].0.contains("160"));
    for (kind, right) in [("episode", 3), ("eval", 4)] {
        let lines = first.metrics.iter().filter(|l| l.contains(kind)).count();
        assert_eq!(lines, right, "{kind}: {:?}", first.metrics);
    }
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again");
    assert!(train(&again, SGQN, &[], None));
    End::of(&again).assert_same(first);
    let other = folder.path().join("other");
    assert!(train(&other, SGQN, &["--seed=2"], None));
    assert!(End::of(&other) != *first);
}

/// Kills come at random moments between the start of the program and the time that
/// the whole run takes. What is killed goes on from where it was; when a run has come
/// to its end, which is the undisturbed one's, the remaining kills hit a new one.
#[test]
fn a_run_killed_at_random_moments_ends_with_the_same_bits() {
    for (agent, least, least_under_way) in AGENTS {
        let own;
        let (expected, duration) = match agent {
            SGQN => undisturbed_sgqn(),
            _ => {
                own = undisturbed(agent);
                &own
            }
        };
        let mut rng = StdRng::seed_from_u64(20);
        let (mut kills, mut under_way, mut runs) = (0, 0, 0);
        while kills < least || under_way < least_under_way {
            let folder = tempfile::tempdir().unwrap();
            let run = folder.path().join("run");
            loop {
                let done = kills >= least && under_way >= least_under_way;
                let delay = duration.mul_f64(rng.random_range(0.0..1.0));
                let before = files(&run.join("checkpoints"));
                if train(&run, agent, &[], (!done).then_some(delay)) {
                    break;
                }
                kills += 1;
                if files(&run.join("checkpoints")) != before {
                    under_way += 1;
                }
                assert!(kills < 20 * least, "training is hardly ever reached");
            }
            runs += 1;
            End::of(&run).assert_same(expected);
        }
        println!("{agent}: {kills} kills, {under_way} of them under way, in {runs} runs");
    }
}

/// Ctrl-C in the middle of training: it says where it stopped and how to go on, and goes on
/// to the same end.
#[test]
#[cfg(unix)]
fn a_run_stopped_by_ctrl_c_says_so_and_ends_with_the_same_bits() {
    let (expected, _) = undisturbed_sgqn();
    for attempt in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a run");
        let mut command = Command::new(env!("CARGO_BIN_EXE_foveate"));
        command.env(
            "FOVEATE_CACHE",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/cache-resume"),
        );
        command.arg("train").arg(SGQN).args(OPTIONS);
        let child = (command.arg("--run").arg(&run).stdin(Stdio::null()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = |run: &Path| {
            let metrics = std::fs::read_to_string(run.join("metrics.jsonl"));
            metrics.is_ok_and(|text| text.contains("critic_loss"))
                || run.join("summary.json").exists()
        };
        while !begun(&run) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let pid = child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            assert!(attempt < 10, "it always comes to its end first");
            continue;
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");
        let checkpoints = files(&run.join("checkpoints"));
        let newest = &checkpoints.last().unwrap().0;
        let step: u64 = newest[5..17].parse().unwrap();
        for part in [
            format!("interrupted at step {step}"),
            format!("saved in '{}'", run.join("checkpoints").display()),
            format!("foveate train --run '{}' --resume", run.display()),
        ] {
            assert!(said.contains(&part), "no '{part}' in: {said}");
        }
        assert!(train(&run, SGQN, &[], None));
        End::of(&run).assert_same_state(expected);
        return;
    }
}
