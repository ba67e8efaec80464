//! Every way in which a worker, or its caller, can be wrong.

use std::{fs, time::Duration};

use foveate::envs::{
    Transition,
    bridge::{
        Bridge, BridgeError, BridgeOptions,
        protocol::{self, ERROR, OPEN, REPLY, RESET, RESTORE, SAVE, STEP, StreamFault},
    },
};

use crate::fake::{FRAME, Fake, ID, eventually, runs, step, step_payload};
use crate::skip::skipped;

#[test]
fn a_good_worker_is_understood() {
    let fake = Fake::new()
        .reply("reset", RESET | REPLY, &[7; FRAME])
        .reply("step", STEP | REPLY, &step_payload(1.25, [0, 1]))
        .reply("save", SAVE | REPLY, b"state")
        .reply(
            "restore",
            RESTORE | REPLY,
            &[[9; FRAME].as_slice(), &[1]].concat(),
        )
        .reply("close", protocol::CLOSE | REPLY, b"");
    let mut bridge = fake
        .open("cat opened reset step save restore close")
        .unwrap();
    let spec = bridge.spec();
    assert_eq!((spec.action_dim, spec.episode_steps), (2, 10));
    assert_eq!((spec.image_size, spec.action_repeat), (2, 4));
    assert_eq!(bridge.versions()["fake"], "1");
    assert_eq!(bridge.frames(), [0; FRAME]);
    let mut frame = [0; FRAME];
    bridge.reset(0, &mut frame).unwrap();
    assert_eq!((frame, bridge.frames()), ([7; FRAME], &[7; FRAME][..]));
    let transition = step(&mut bridge).unwrap();
    assert_eq!(transition.reward, 1.25);
    assert!(!transition.terminated && transition.truncated);
    assert_eq!(bridge.frames()[3], 103);
    assert_eq!(bridge.save().unwrap(), b"state");
    bridge.restore(b"state").unwrap();
    assert_eq!(bridge.frames(), [9; FRAME]);
    assert_eq!(bridge.broken_off(), [true]);
    bridge.close().unwrap();
}

#[test]
fn what_foveate_sends_is_the_protocol() {
    let fake = Fake::new().reply("step", STEP | REPLY, &step_payload(0.0, [1, 0]));
    let mut bridge = fake.open("cat opened step; cat > heard").unwrap();
    assert!(step(&mut bridge).unwrap().terminated);
    let heard = fake.dir.path().join("heard");
    let expected = protocol::encode(STEP, bytemuck::bytes_of(&[0.5f32, -0.5]));
    eventually("both requests arrive", || {
        fs::read(&heard).is_ok_and(|bytes| bytes.ends_with(&expected))
    });
    let heard = fs::read(&heard).unwrap();
    let open = protocol::read(&mut &heard[..]).unwrap();
    assert_eq!(open.kind, OPEN);
    let open: protocol::OpenRequest = serde_json::from_slice(&open.payload).unwrap();
    assert_eq!((open.id.as_str(), open.n, open.seed), (ID, 1, 1));
}

#[test]
fn every_damaged_bit_and_every_missing_byte_is_noticed() {
    let whole = protocol::encode(STEP | REPLY, &step_payload(3.5, [0, 0]));
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(protocol::read(&mut &damaged[..]).is_err(), "bit {bit}");
    }
    for length in 0..whole.len() {
        let cut = protocol::read(&mut &whole[..length]);
        assert!(matches!(cut, Err(StreamFault::End)), "{length} bytes");
    }
    // A length that nobody can mean is refused before anything is read.
    let mut huge = whole;
    huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let fault = protocol::read(&mut &huge[..]);
    assert!(matches!(fault, Err(StreamFault::Rubbish(_))));
}

#[test]
fn python_not_found() {
    let options = BridgeOptions {
        python: Some("/nowhere/python3".into()),
        ..BridgeOptions::new("dm_control/cartpole-swingup")
    };
    let error = Bridge::open(options).unwrap_err();
    assert!(matches!(error, BridgeError::PythonNotFound { .. }));
    assert!(error.is_user_mistake(), "the user named it");
    let text = error.to_string();
    assert!(
        text.contains("/nowhere/python3") && text.contains("make real-envs"),
        "{text}"
    );
}

#[test]
fn a_command_that_does_not_exist() {
    let options = BridgeOptions {
        command: Some(vec!["/nowhere/worker".into()]),
        ..BridgeOptions::new(ID)
    };
    let error = Bridge::open(options).unwrap_err();
    assert!(matches!(error, BridgeError::Start { .. }));
    assert!(error.to_string().contains("/nowhere/worker"), "{error}");
}

#[test]
fn module_missing() {
    let body =
        br#"{"kind":"module_missing","message":"No module named 'mujoco'","module":"mujoco"}"#;
    let error = Fake::new()
        .reply("e", ERROR, body)
        .open("cat e")
        .unwrap_err();
    assert!(matches!(&error, BridgeError::ModuleMissing { module, .. } if module == "mujoco"));
    let text = error.to_string();
    assert!(
        text.contains("make real-envs") && text.contains("sh cannot"),
        "{text}"
    );
    assert!(!error.is_user_mistake());
}

#[test]
fn version_mismatch() {
    let mut opened = protocol::encode(OPEN | REPLY, b"{}");
    opened[4..6].copy_from_slice(&9u16.to_le_bytes());
    let error = Fake::new()
        .file("o", &opened)
        .open("cat o; cat >/dev/null")
        .unwrap_err();
    assert!(
        matches!(&error, BridgeError::VersionMismatch { ours: protocol::VERSION, theirs } if theirs == "9"),
        "{error:?}"
    );
}

#[test]
fn a_worker_that_dies_while_opening() {
    let error = Fake::new().open("echo no disk >&2; exit 3").unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WorkerDied { during: "open", .. }
    ));
    let text = error.to_string();
    assert!(
        text.contains("exit status: 3") && text.contains("no disk"),
        "{text}"
    );
}

#[test]
fn a_worker_that_dies_in_a_step_stays_dead() {
    let fake = Fake::new();
    for (script, says) in [
        ("cat opened; echo boom >&2; exit 3", "exit status: 3"),
        ("cat opened; echo boom >&2; kill -9 $$", "signal: 9"),
        // Half a message: the death is what matters.
        (
            "cat opened; echo boom >&2; head -c 9 opened; exit 3",
            "exit status: 3",
        ),
        // A worker that only closes its output is no better.
        (
            "cat opened; echo boom >&2; exec >&-; exec sleep 1000",
            "closed its output",
        ),
    ] {
        let mut bridge = fake.open(script).unwrap();
        let error = step(&mut bridge).unwrap_err();
        assert!(
            matches!(error, BridgeError::WorkerDied { during: "step", .. }),
            "{error:?}"
        );
        assert!(!error.is_user_mistake());
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("boom"), "{text}");
        let again = bridge.save().unwrap_err();
        assert!(matches!(again, BridgeError::Closed { .. }));
        assert!(again.to_string().contains(says), "{again}");
        assert!(!runs(bridge.worker_id()));
    }
}

#[test]
fn only_the_end_of_stderr_is_kept() {
    let script = "yes early | head -n 50000 >&2; echo last words >&2; exit 1";
    let text = Fake::new().open(script).unwrap_err().to_string();
    assert!(text.trim_end().ends_with("last words"), "{text}");
    assert!(text.len() < 10_000, "{} bytes", text.len());
}

#[test]
fn a_worker_that_hangs_is_ended() {
    let fake = Fake::new();
    let short = Duration::from_secs(1);
    let options = BridgeOptions {
        open_timeout: short,
        ..fake.options("echo thinking >&2; exec sleep 1000")
    };
    let error = Bridge::open(options).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WorkerHung { during: "open", .. }
    ));
    assert!(error.to_string().contains("1s") && error.to_string().contains("thinking"));

    let hangs_later = || BridgeOptions {
        call_timeout: short,
        ..fake.options("cat opened; exec sleep 1000")
    };
    let mut bridge = Bridge::open(hangs_later()).unwrap();
    let error = step(&mut bridge).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WorkerHung { during: "step", .. }
    ));
    assert!(!runs(bridge.worker_id()));
    assert!(matches!(step(&mut bridge), Err(BridgeError::Closed { .. })));

    // More than a pipe holds, to somebody who does not read.
    let mut bridge = Bridge::open(hangs_later()).unwrap();
    let error = bridge.restore(&vec![0; 1 << 22]).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WorkerHung {
            during: "restore",
            ..
        }
    ));
    assert!(!runs(bridge.worker_id()));
}

/// A restore may have to play whole episodes again.
#[test]
fn a_restore_may_take_longer_the_longer_episodes_are() {
    let spec = format!(
        r#"{{"spec":{{"id":"{ID}","n":1,"image_size":2,"action_dim":2,"episode_steps":1000,"action_repeat":4}},"versions":{{}}}}"#
    );
    let restored = [[9; FRAME].as_slice(), &[0]].concat();
    let fake = Fake::new()
        .reply("long", OPEN | REPLY, spec.as_bytes())
        .reply("restored", RESTORE | REPLY, &restored);
    let options = BridgeOptions {
        call_timeout: Duration::from_millis(500),
        ..fake.options("cat long; sleep 2; cat restored; exec cat >/dev/null")
    };
    let mut bridge = Bridge::open(options).unwrap();
    bridge.restore(b"state").unwrap();
    assert_eq!(bridge.frames(), [9; FRAME]);
}

#[test]
fn rubbish_is_recognised() {
    let mut damaged = protocol::encode(STEP | REPLY, &step_payload(1.0, [0, 0]));
    *damaged.last_mut().unwrap() ^= 1;
    let mut endless = protocol::encode(STEP | REPLY, b"");
    endless[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let fake = Fake::new()
        .file("damaged", &damaged)
        .file("endless", &endless)
        .reply("short", STEP | REPLY, &[0; 5])
        .reply("other", SAVE | REPLY, b"state")
        .reply("no_json", ERROR, b"oh no");
    for (answer, says) in [
        ("echo Welcome to gym", "Welcome to gym"),
        // Nothing follows that could be waited for.
        ("printf oops", "found \"oops\""),
        ("cat damaged", "CRC-32 differs"),
        ("cat endless", "4294967295 bytes"),
        ("cat short", "a reply of 5 bytes, expected 24"),
        ("cat other", "kind 132, expected 131"),
        ("cat no_json", "an error that is none"),
    ] {
        let script = format!("cat opened; echo hm >&2; {answer}; exec cat >/dev/null");
        let mut bridge = fake.open(&script).unwrap();
        let error = step(&mut bridge).unwrap_err();
        assert!(
            matches!(error, BridgeError::Rubbish { during: "step", .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("hm"), "{text}");
        assert!(!runs(bridge.worker_id()));
        assert!(matches!(step(&mut bridge), Err(BridgeError::Closed { .. })));
    }
    let error = fake.open("echo Welcome; exec cat >/dev/null").unwrap_err();
    assert!(
        matches!(error, BridgeError::Rubbish { during: "open", .. }),
        "{error:?}"
    );
}

#[test]
fn environments_that_nobody_asked_for_are_refused() {
    let fake = Fake::new();
    for change in [
        BridgeOptions {
            n: 2,
            ..fake.options("cat opened")
        },
        BridgeOptions {
            image_size: 84,
            ..fake.options("cat opened")
        },
        BridgeOptions {
            action_repeat: Some(2),
            ..fake.options("cat opened")
        },
        BridgeOptions {
            id: "fake/other".into(),
            ..fake.options("cat opened")
        },
    ] {
        let error = Bridge::open(change).unwrap_err();
        assert!(
            matches!(error, BridgeError::Rubbish { during: "open", .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_worker_that_raises_goes_on() {
    let body = br#"{"kind":"raised","message":"ValueError: bad physics","traceback":"File \"task.py\", line 7"}"#;
    let fake =
        Fake::new()
            .reply("e", ERROR, body)
            .reply("step", STEP | REPLY, &step_payload(2.0, [0, 0]));
    let mut bridge = fake.open("cat opened e step; exec cat >/dev/null").unwrap();
    let error = step(&mut bridge).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WorkerRaised { during: "step", .. }
    ));
    let text = error.to_string();
    assert!(
        text.contains("bad physics") && text.contains("line 7"),
        "{text}"
    );
    assert_eq!(step(&mut bridge).unwrap().reward, 2.0);
}

#[test]
fn a_renderer_that_fails_is_followed_by_the_next() {
    // Only where the choice is foveate's: one try each on Linux, one elsewhere.
    if std::env::var_os("MUJOCO_GL").is_some() {
        skipped("MUJOCO_GL is set");
        return;
    }
    let body = br#"{"kind":"renderer","message":"no GL","traceback":"File \"gl.py\", line 3"}"#;
    let fake = Fake::new().reply("e", ERROR, body);
    let error = fake.open("echo >> tries; cat e").unwrap_err();
    assert!(matches!(error, BridgeError::NoRenderer { .. }));
    let tries = fs::read(fake.dir.path().join("tries")).unwrap().len();
    assert_eq!(tries, if cfg!(target_os = "linux") { 2 } else { 1 });
    let text = error.to_string();
    assert!(text.contains("no GL") && text.contains("line 3"), "{text}");
    if cfg!(target_os = "linux") {
        let second = "test -e first && cat opened || { touch first; cat e; }";
        fake.open(second).unwrap();
    }
}

#[test]
fn unknown_environment() {
    let body = br#"{"kind":"unknown_environment","message":"","nearest":"fake/tusk","known":"fake/tusk, fake/horn"}"#;
    let error = Fake::new()
        .reply("e", ERROR, body)
        .open("cat e")
        .unwrap_err();
    assert!(matches!(error, BridgeError::UnknownEnvironment { .. }));
    assert!(error.is_user_mistake());
    assert_eq!(
        error.to_string(),
        "unknown environment 'fake/task' (did you mean 'fake/tusk'?); known: fake/tusk, fake/horn"
    );
}

#[test]
fn a_state_of_something_else() {
    let body = br#"{"kind":"state","message":"it was saved under mujoco 1"}"#;
    let fake = Fake::new().reply("e", ERROR, body);
    let mut bridge = fake.open("cat opened e; exec cat >/dev/null").unwrap();
    let error = bridge.restore(b"?").unwrap_err();
    assert!(matches!(error, BridgeError::State { .. }));
    assert!(error.to_string().contains("mujoco 1"), "{error}");
}

#[test]
fn wrong_arguments_never_reach_the_worker() {
    let fake = Fake::new().reply("step", STEP | REPLY, &step_payload(2.0, [0, 0]));
    let mut bridge = fake.open("cat opened step; exec cat >/dev/null").unwrap();
    let mut transition = [Transition::default(); 2];
    for given in [0, 1, 3] {
        match bridge.step(&vec![0.0; given], &mut transition[..1]) {
            Err(BridgeError::WrongLength {
                given: g,
                expected: 2,
                ..
            }) => assert_eq!(g, given),
            other => panic!("{other:?}"),
        }
    }
    let error = bridge.step(&[0.0; 2], &mut transition).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WrongLength {
            given: 2,
            expected: 1,
            ..
        }
    ));
    let error = bridge
        .step(&[0.0, f32::NAN], &mut transition[..1])
        .unwrap_err();
    assert!(matches!(
        error,
        BridgeError::ActionNotFinite {
            environment: 0,
            component: 1,
            ..
        }
    ));
    let error = bridge.reset(0, &mut [0; 5]).unwrap_err();
    assert!(matches!(
        error,
        BridgeError::WrongLength {
            given: 5,
            expected: FRAME,
            ..
        }
    ));
    let error = bridge.reset(1, &mut [0; FRAME]).unwrap_err();
    assert!(matches!(error, BridgeError::NoSuchIndex { given: 1, n: 1 }));
    assert_eq!(step(&mut bridge).unwrap().reward, 2.0, "nothing was sent");
}

#[test]
fn options_out_of_range() {
    let fake = Fake::new();
    let options = || fake.options("cat opened");
    for wrong in [
        BridgeOptions { n: 0, ..options() },
        BridgeOptions {
            image_size: 0,
            ..options()
        },
        BridgeOptions {
            action_repeat: Some(0),
            ..options()
        },
        BridgeOptions {
            image_size: 1 << 20,
            ..options()
        },
        BridgeOptions {
            image_size: usize::MAX,
            ..options()
        },
        BridgeOptions {
            command: Some(Vec::new()),
            ..options()
        },
    ] {
        let error = Bridge::open(wrong).unwrap_err();
        assert!(matches!(error, BridgeError::Option { .. }), "{error:?}");
        assert!(error.is_user_mistake());
    }
}

#[test]
fn dropping_the_bridge_leaves_no_process() {
    for script in [
        "cat opened; exec cat >/dev/null",
        "cat opened; exec sleep 1000",
    ] {
        let bridge = Fake::new().open(script).unwrap();
        let pid = bridge.worker_id();
        assert!(runs(pid));
        drop(bridge);
        assert!(!runs(pid));
    }
}
