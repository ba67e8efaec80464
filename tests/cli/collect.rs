//! `foveate collect`: frames, where to look in them, and where things are.

use std::fs;
use std::path::Path;

use foveate::data::ImageSet;
use safetensors::{Dtype, SafeTensors};

use super::skip::skipped_suite;
use super::support::{Answer, foveate, json, text, trained};

fn collect(out: &Path, more: &[&str]) -> Answer {
    foveate(&[&["collect", "--quiet", "--out", text(out)], more].concat())
}

/// What `frames.safetensors` of a directory holds.
struct Collected {
    set: ImageSet,
    state: Vec<Vec<f32>>,
    episode: Vec<i32>,
    notes: serde_json::Value,
}

fn read(out: &Path) -> Collected {
    let path = out.join("frames.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, head) = SafeTensors::read_metadata(&bytes).unwrap();
    let state = file.tensor("state").unwrap();
    let episode = file.tensor("episode").unwrap();
    assert_eq!((state.dtype(), episode.dtype()), (Dtype::F32, Dtype::I32));
    let word = |b: &[u8]| <[u8; 4]>::try_from(b).unwrap();
    let values: Vec<f32> = (state.data().chunks_exact(4))
        .map(|b| f32::from_le_bytes(word(b)))
        .collect();
    Collected {
        set: ImageSet::read(&path, None).unwrap(),
        state: (values.chunks_exact(state.shape()[1]))
            .map(<[f32]>::to_vec)
            .collect(),
        episode: (episode.data().chunks_exact(4))
            .map(|b| i32::from_le_bytes(word(b)))
            .collect(),
        notes: json(&head.metadata().as_ref().unwrap()["foveate"]),
    }
}

#[test]
fn frames_maps_and_states_of_a_world_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let given = ["--env=native/reach", "--policy=expert", "--frames=60"];
    let answer = collect(&out, &given);
    let said = answer.succeeds();
    assert!(said.contains("60 frames of 2 episodes"), "{said}");
    assert!(
        said.contains(text(&out.join("frames.safetensors"))),
        "{said}"
    );

    let got = read(&out);
    let set = &got.set;
    let shape = (set.count(), set.channels(), set.height(), set.width());
    assert_eq!(shape, (60, 3, 64, 64));
    // An episode has 50 agent steps.
    assert_eq!(got.episode, [vec![0; 50], vec![1; 10]].concat());
    assert_eq!(got.notes["env"], "native/reach");
    assert_eq!(got.notes["policy"], "expert");
    let columns: Vec<&str> = (got.notes["state"].as_array().unwrap().iter())
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(columns[0], "ball_x");
    assert!(got.state.iter().all(|s| s.len() == columns.len()));
    let at = |i: usize, name: &str| got.state[i][columns.iter().position(|c| *c == name).unwrap()];

    // The expert steers the ball to the disc.
    let apart = |i| (at(i, "ball_x") - at(i, "disc_x")).hypot(at(i, "ball_y") - at(i, "disc_y"));
    assert!(
        apart(0) > 0.3 && apart(49) < 0.1,
        "{} {}",
        apart(0),
        apart(49)
    );
    // The map's middle column is where ball and disc are, and what is beneath it is not
    // the floor: its mean colour differs from that of the rest.
    for i in [0, 20, 49, 55] {
        let map = set.saliency(i).unwrap();
        assert!(map.iter().all(|&v| v == 0 || v == 255));
        let on: Vec<usize> = (0..map.len()).filter(|&p| map[p] == 255).collect();
        assert!((20..1500).contains(&on.len()), "{}", on.len());
        if apart(i) < 0.1 {
            let column = on.iter().map(|p| (p % 64) as f32).sum::<f32>() / on.len() as f32;
            let right = 31.5 + 22.0 * at(i, "disc_x");
            assert!((column - right).abs() < 6.0, "{column} / {right}");
        }
        let image = set.image(i).unwrap();
        let mean = |channel: usize, marked: u8| {
            let of: Vec<f32> = (0..map.len())
                .filter(|&p| map[p] == marked)
                .map(|p| f32::from(image[channel * map.len() + p]))
                .collect();
            of.iter().sum::<f32>() / of.len() as f32
        };
        let difference: f32 = (0..3).map(|c| (mean(c, 255) - mean(c, 0)).abs()).sum();
        assert!(difference > 60.0, "{difference}");
    }
    assert_ne!(set.image(0), set.image(1));
}

#[test]
fn of_each_episode_only_the_beginning_is_kept_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let got = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let given = ["--env=native/reach", "--size=16"];
        collect(&out, &[&given[..], more].concat()).succeeds();
        read(&out)
    };
    let whole = got("whole", &["--frames=52"]);
    let cut = got("cut", &["--frames=7", "--per-episode=3"]);
    assert_eq!(cut.episode, [0, 0, 0, 1, 1, 1, 2]);
    assert_eq!(cut.notes["per_episode"], 3);
    for (i, same) in [(0, 0), (1, 1), (2, 2), (3, 50)] {
        assert_eq!(cut.set.image(i), whole.set.image(same), "{i}");
        assert_eq!(cut.state[i], whole.state[same], "{i}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let given = ["--env=native/cartpole", "--frames=5", "--size=32"];
        collect(&out, &[&given[..], more].concat()).succeeds();
        fs::read(out.join("frames.safetensors")).unwrap()
    };
    let first = file("a", &["--seed=3"]);
    assert!(first == file("b", &["--seed=3"]), "other bytes");
    assert!(
        first != file("c", &["--seed=4"]),
        "the seed changes nothing"
    );
    let got = read(&folder.path().join("a"));
    assert_eq!((got.set.height(), got.set.count()), (32, 5));
    for state in &got.state {
        assert!((state[2].hypot(state[3]) - 1.0).abs() < 1e-5, "{state:?}");
    }
    assert!(got.set.saliency(0).unwrap().contains(&255));
}

#[test]
fn looks_take_turns_episode_by_episode() {
    let folder = tempfile::tempdir().unwrap();
    let seen = |name: &str, modes: &str| {
        let out = folder.path().join(name);
        let given = ["--env=native/reach", "--frames=101", "--size=16", modes];
        collect(&out, &given).succeeds();
        read(&out)
    };
    let plain = seen("plain", "--modes=train");
    let mixed = seen("mixed", "--modes=train,video-hard");
    assert_eq!(
        mixed.notes["modes"],
        serde_json::json!(["train", "video-hard"])
    );
    // Episodes 0 and 2 look as in training, 1 does not; what happens is the same.
    for (i, same) in [(0, true), (49, true), (50, false), (99, false), (100, true)] {
        assert_eq!(plain.set.image(i) == mixed.set.image(i), same, "frame {i}");
        assert_eq!(plain.state[i], mixed.state[i]);
        assert_eq!(plain.set.saliency(i), mixed.set.saliency(i));
    }
}

#[test]
fn a_trained_agent_acts_in_its_own_environment() {
    let folder = tempfile::tempdir().unwrap();
    let run = format!("--policy={}", trained().display());
    let out = folder.path().join("out");
    collect(&out, &[&run, "--frames=4"]).succeeds();
    let got = read(&out);
    // The preset's frames.
    assert_eq!((got.set.count(), got.set.height()), (4, 32));
    assert_eq!(got.notes["policy"], "sgqn at step 20");
    assert_eq!(got.notes["env"], "native/reach");
    let other = folder.path().join("other");
    let given = ["--env=native/reach", "--frames=4", "--size=32"];
    collect(&other, &given).succeeds();
    let random = read(&other);
    assert_eq!(random.state[0], got.state[0], "the same episode");
    assert_ne!(random.state[3], got.state[3], "other actions");

    let none = folder.path().join("none");
    collect(&none, &[&run, "--frames=4", "--size=64"]).fails(2, &["--size is 64", "32"]);
    collect(&none, &[&run, "--frames=4", "--env=native/cartpole"])
        .fails(2, &["native/cartpole", "native/reach"]);
    assert!(!none.exists());
}

#[test]
fn nothing_is_replaced_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let given = ["--env=native/reach", "--size=16"];
    let collect = |more: &[&str]| collect(&out, &[&given[..], more].concat());
    collect(&["--frames=3"]).succeeds();
    let path = out.join("frames.safetensors");
    let bytes = fs::read(&path).unwrap();
    collect(&["--frames=4"]).fails(2, &["frames.safetensors", "--fresh", "--out"]);
    assert!(fs::read(&path).unwrap() == bytes);
    collect(&["--frames=4", "--fresh"]).succeeds();
    assert_eq!(read(&out).set.count(), 4);

    let tensors = read(&out).set;
    collect(&["--frames=4", "--png"]).succeeds();
    let (frames, maps) = (out.join("frames"), out.join("saliency"));
    let pictures = ImageSet::read(&frames, Some(&maps)).unwrap();
    assert_eq!(pictures.pixels(), tensors.pixels());
    assert_eq!(pictures.saliency_pixels(), tensors.saliency_pixels());
    collect(&["--frames=2", "--png"]).fails(2, &["exists", "--fresh"]);
    collect(&["--frames=2", "--png", "--fresh"]).succeeds();
    assert_eq!(ImageSet::read(&frames, Some(&maps)).unwrap().count(), 2);
    fs::write(frames.join("mine.txt"), "dear").unwrap();
    collect(&["--frames=2", "--png", "--fresh"]).fails(2, &["mine.txt"]);
    assert_eq!(fs::read_dir(&frames).unwrap().count(), 3);
}

#[test]
fn what_cannot_be_collected_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let cases: &[(&[&str], &[&str])] = &[
        (&["--frames=4"], &["random", "--env", "native/reach"]),
        (&["--env=native/rech", "--frames=4"], &["'native/reach'"]),
        (&["--env=native/reach"], &["--frames"]),
        (&["--env=native/reach", "--frames=0"], &["--frames", "0"]),
        (
            &["--env=native/reach", "--frames=4", "--size=30"],
            &["--size", "30", "multiple of 4"],
        ),
        (
            &["--env=native/reach", "--frames=4", "--policy=exprt"],
            &["'exprt'", "random", "expert"],
        ),
        (
            &["--env=native/reach", "--frames=4", "--modes=vidoe-hard"],
            &["'video-hard'"],
        ),
        (
            &["--env=native/reach", "--frames=4000000000", "--size=4092"],
            &["out of memory", "4000000000"],
        ),
        (
            &["--env=ale/Pong", "--frames=4", "--modes=video-hard"],
            &["ale/Pong", "video-hard"],
        ),
        (
            &[
                "--env=dm_control/walker-walk",
                "--frames=4",
                "--modes=train,video-hard",
            ],
            &["dm_control/walker-walk", "one mode at a time"],
        ),
    ];
    for (given, texts) in cases {
        collect(&out, given).fails(2, texts);
        assert!(!out.exists(), "{given:?}");
    }
}

/// Where `make real-envs` has been run; elsewhere it says that it was skipped.
#[test]
fn real_suites_give_frames_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let env = "--env=dm_control/cartpole-swingup";
    let answer = collect(&out, &[env, "--frames=3", "--modes=train"]);
    if answer.err.contains("make real-envs") {
        skipped_suite(&answer.err);
        return;
    }
    assert!(answer.succeeds().contains("no saliency"), "{}", answer.out);
    let bytes = fs::read(out.join("frames.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(names, ["episode", "frames"]);
    assert_eq!(file.tensor("frames").unwrap().shape(), [3, 64, 64, 3]);
    let given = [env, "--frames=3", "--policy=expert", "--fresh"];
    collect(&out, &given).fails(2, &["no scripted expert"]);
    assert!(fs::read(out.join("frames.safetensors")).unwrap() == bytes);
}
