//! Mistakes in what is asked: exit code 2, and what would be right.

use std::fs;
use std::path::{Path, PathBuf};

use foveate::media::Rgb8;
use foveate::media::animation::{Loops, write_gif};

use super::support::{
    SMALL, checkpoints, copy_of_trained, foveate, foveate_with, text, train, trained,
};

#[test]
fn names_that_do_not_exist_are_answered_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let run = format!("--run={}", folder.path().join("run").display());
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--agent=sgqm", "--env=native/reach"],
            &["agent", "sgqm", "'sgqn'"],
        ),
        (
            &["--agent=sac", "--env=native/rech"],
            &["native/rech", "'native/reach'"],
        ),
        (&["--agent=sac", "--env=reach"], &["'native/reach'"]),
        (
            &["--agent=sac", "--env=native/walker-wlak"],
            &[
                "'native/walker-walk'",
                "native/ball_in_cup, native/finger",
                "native/drawer",
            ],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--preset=tyni"],
            &["tyni", "'tiny'"],
        ),
        (
            &["--agent=dqn", "--env=native/walker-walk"],
            &["dqn", "'native/walker-walk'", "6 components", "81", "sgqn"],
        ),
        (
            &["--agent=sgqndqn", "--env=native/reach"],
            &["sgqndqn", "'sgqn-dqn'"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--set=bacth=4"],
            &["bacth", "'batch'"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--set=batchsize=4"],
            &["unknown option 'batchsize'", "did you mean 'batch'?"],
        ),
        (
            &["--agent=dqn", "--env=native/reach", "--set=epsilon=0.1"],
            &["unknown option 'epsilon'", "did you mean 'epsilon_end'?"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--stesp=4"],
            &["--stesp", "--steps"],
        ),
        (
            &["--agent=sac", "--env=native/reach", "--set=batch"],
            &["batch", "key=value"],
        ),
        (&["--env=native/reach"], &["agent", "sac", "sgqn"]),
        (&["--agent=sac"], &["--env"]),
    ];
    for (given, texts) in cases {
        foveate(&[&["train", &run], *given].concat()).fails(2, texts);
    }
    foveate(&["trian", &run]).fails(2, &["trian", "train"]);
    foveate(&[]).fails(2, &[]);
    // Nothing of all that was written.
    assert!(!folder.path().join("run").exists());
    let run = text(trained());
    foveate(&["eval", "--run", run, "--modes=vidoe-hard"])
        .fails(2, &["vidoe-hard", "'video-hard'"]);
    foveate(&["explain", "--run", run, "--method=gided"]).fails(2, &["gided", "guided"]);
    foveate(&["eval", "--run", run, "--episodes=0"]).fails(2, &["episodes", "0"]);
    foveate(&["bench", "--filter=matmull"]).fails(
        2,
        &["'matmull'", "did you mean 'matmul'", "conv2d", "backward"],
    );
    foveate(&["devices", "--adapter=Nonesuch 9000"]).fails(2, &["Nonesuch 9000", "available"]);
}

#[test]
fn options_out_of_range_or_of_the_wrong_type_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let cases: &[(&str, &[&str])] = &[
        ("batch=0", &["'batch'", "0", "1"]),
        ("batch=many", &["'batch'", "many", "integer"]),
        ("critic_lr=-1e-3", &["'critic_lr'", "-0.001", "≥ 0"]),
        ("critic_lr=nan", &["'critic_lr'", "NaN", "finite"]),
        ("rho=1.5", &["'rho'", "1.5", "between 0 and 1"]),
        ("image_size=37", &["'image_size'", "37", "36 or 40"]),
        ("steps=0", &["'steps'", "0"]),
    ];
    for (assignment, texts) in cases {
        let given = format!("--set={assignment}");
        train(&run, &[&given]).fails(2, texts);
    }
    for (content, texts) in [
        ("batchsize = 4", &["batchsize", "options.toml"][..]),
        ("batch = \"four\"", &["'batch'", "four"]),
        ("batch = ", &["options.toml", "TOML"]),
    ] {
        let file = folder.path().join("options.toml");
        fs::write(&file, content).unwrap();
        let given = format!("--config={}", file.display());
        train(&run, &[&given]).fails(2, texts);
    }
    train(&run, &["--config=/nonexistent.toml"]).fails(2, &["/nonexistent.toml"]);
    assert!(!run.exists());
}

#[test]
fn a_run_directory_that_exists_is_not_touched() {
    let (_folder, run) = copy_of_trained();
    let before = fs::read(&checkpoints(&run)[1]).unwrap();
    train(&run, &[]).fails(2, &["not empty", "--resume"]);
    assert_eq!(fs::read(&checkpoints(&run)[1]).unwrap(), before);

    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("letters");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("letter.txt"), "dear").unwrap();
    train(&stranger, &[]).fails(2, &["not empty"]);
    train(&stranger, &["--resume"]).fails(2, &["no run to resume"]);
    let demo = foveate(&["demo", "--fresh", "--run", text(&stranger)]);
    demo.fails(2, &["not empty"]);
    for more in [&["--fresh"][..], &[]] {
        let demo = foveate(&[&["demo", "--run", text(&run)], more].concat());
        demo.fails(2, &["not this version's demo", "--run"]);
        assert_eq!(fs::read(&checkpoints(&run)[1]).unwrap(), before);
    }
    assert_eq!(fs::read_dir(&stranger).unwrap().count(), 1);
    train(&stranger.join("letter.txt"), &[]).fails(2, &["not a directory"]);
    for command in ["eval", "explain"] {
        foveate(&[command, "--run", text(&stranger)]).fails(2, &["holds no run"]);
    }
}

#[test]
fn images_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |images: &Path| {
        foveate(&[
            "explain",
            "--run",
            text(trained()),
            "--images",
            text(images),
        ])
    };
    explain(&folder.path().join("missing")).fails(2, &["missing"]);
    explain(folder.path()).fails(2, &["holds no image"]);
    for (name, bytes, said) in [
        ("empty.png", &b""[..], "no pixels"),
        ("rubbish.jpg", b"this is no picture", "rubbish.jpg"),
        (
            "cut.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x05",
            "cut.png",
        ),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        explain(&file).fails(2, &[name, said]);
    }
    let stray = |p: &PathBuf| text(p).contains("attention.png");
    let media: Vec<_> = fs::read_dir(trained().join("media"))
        .unwrap()
        .flatten()
        .collect();
    assert!(!media.iter().any(|e| stray(&e.path())));
}

/// Before anything is trained, played or written, whatever the world.
#[test]
fn backgrounds_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let missing = folder.path().join("missing");
    let empty = of("empty");
    let letters = of("letters");
    fs::write(letters.join("letter.mp4"), "dear").unwrap();
    let still = of("still");
    let picture = Rgb8::filled(4, 4, [0; 3]).unwrap();
    write_gif(&still.join("still.gif"), &[picture], 100, Loops::Forever).unwrap();
    let run = folder.path().join("run");
    for (backgrounds, said) in [
        (&missing, &["missing"][..]),
        (&empty, &["empty", "neither images nor videos"]),
        (&letters, &["letter.mp4", "is not a video"]),
        (&still, &["still.gif", "one frame"]),
    ] {
        let option = format!("--backgrounds={}", text(backgrounds));
        train(&run, &[&option]).fails(2, said);
        assert!(!run.exists());
        for command in ["eval", "explain"] {
            let run = text(trained());
            let looks = "--modes=train,video-easy";
            foveate(&[command, "--run", run, looks, &option]).fails(2, said);
        }
    }
}

#[test]
fn the_python_that_is_named_is_the_one_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let given = [
        "train",
        "--agent=sac",
        "--env=dm_control/cartpole-swingup",
        "--python=/nonexistent/named",
        "--run",
        text(&run),
    ];
    let answer = foveate_with(&given, &[("FOVEATE_PYTHON", "/nonexistent/other")]);
    assert_ne!(answer.code, 0);
    assert!(answer.err.contains("/nonexistent/named"), "{}", answer.err);
    assert!(!answer.err.contains("/nonexistent/other"), "{}", answer.err);
    assert!(!run.exists(), "nothing was begun");
}

/// Before anything is measured.
#[test]
fn a_chart_has_no_place_where_no_folder_is_or_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere").join("bench.png");
    for path in [missing.as_path(), folder.path()] {
        let plot = format!("--plot={}", path.display());
        let answer = foveate(&["bench", "--quick", &plot]);
        answer.fails(2, &["cannot write", text(path)]);
        assert_eq!(answer.out, "");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Before anything is measured, too.
#[test]
fn a_chart_is_a_png() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.jpg");
    let plot = format!("--plot={}", path.display());
    let answer = foveate(&["bench", "--quick", &plot]);
    answer.fails(2, &["PNG", text(&path.with_extension("png"))]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Where a file is, no folder can be made.
#[test]
fn a_file_is_no_folder_for_pictures_or_frames() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.txt");
    fs::write(&file, "mine").unwrap();
    let below = file.join("deeper");
    for out in [&file, &below] {
        let out = format!("--out={}", text(out));
        let run = text(trained());
        for command in [
            &["explain", "--run", run, "--at=1", "--quiet"][..],
            &["collect", "--env=native/reach", "--frames=2", "--quiet"],
        ] {
            let answer = foveate(&[command, &[&out]].concat());
            answer.fails(2, &["mine.txt"]);
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_backend_that_there_is_not_is_told_those_that_there_are() {
    for given in ["vulcan", "OpenGL"] {
        foveate_with(&["devices"], &[("FOVEATE_BACKEND", given)])
            .fails(2, &["no backend", given, "vulkan, metal, dx12, gl"]);
    }
}

/// They are no mistake: a sweep names them for all of its agents.
#[test]
fn overlays_that_an_agent_does_not_lay_are_said_to_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let overlays = format!("--overlays={}", text(folder.path()));
    let picture = Rgb8::filled(32, 32, [90; 3]).unwrap();
    picture.save_png(&folder.path().join("a.png")).unwrap();
    let told = |agent: &str| {
        let run = format!("--run={}", folder.path().join(agent).display());
        let mut small: Vec<&str> = SMALL.to_vec();
        small.retain(|option| *option != "--quiet");
        let agent = format!("--agent={agent}");
        let given = ["train", &agent, "--env=native/reach", "--steps=9", &run];
        let answer = foveate(&[&given[..], &[&overlays], &small].concat());
        answer.succeeds();
        answer.err
    };
    let said = "drq lays no pictures over observations: --overlays changes nothing";
    assert!(told("drq").contains(said));
    assert!(!told("sgqn").contains("--overlays"));
}
