//! Every example runs, and shows what it says it shows. `cargo test` builds the
//! examples beside the test programs; `cargo test --test examples` alone does not.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The built example: `target/PROFILE/examples/NAME`, next to this program's folder.
fn built(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("the path of the test program");
    let profile = me.ancestors().nth(2).expect("target/PROFILE/deps/NAME");
    let path = (profile.join("examples")).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --release --examples` first",
        path.display()
    );
    path
}

/// Runs an example in `folder`; what it printed.
fn run(name: &str, arguments: &[&Path], folder: &Path) -> String {
    let output = Command::new(built(name))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the example starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name} ended with {}:\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The number that follows `word` in a line.
fn number_after(line: &str, word: &str) -> f32 {
    let (_, rest) = line.split_once(word).expect("the word is in the line");
    let number: String = (rest.trim_start().chars())
        .take_while(|c| !c.is_whitespace() && !",;".contains(*c))
        .collect();
    number.parse().expect("a number follows")
}

#[test]
fn tape_fits_its_curve() {
    let folder = tempfile::tempdir().unwrap();
    let text = run("tape", &[], folder.path());
    let losses: Vec<f32> = (text.lines())
        .filter(|line| line.starts_with("run "))
        .map(|line| number_after(line, "loss"))
        .collect();
    assert_eq!(losses.len(), 6, "{text}");
    // A line through the origin, the best fit without a hidden layer, leaves about 0.16.
    assert!(losses[5] < 0.01 && losses[5] < losses[0], "{text}");
}

#[test]
fn embed_yields_an_action_and_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let text = run("embed", &[], folder.path());
    let action = text.lines().find(|line| line.starts_with("action"));
    let action = action.expect("a line with the action");
    let components: Vec<f32> = (action.trim_start_matches("action [").trim_end_matches(']'))
        .split(", ")
        .map(|v| v.parse().expect("a number"))
        .collect();
    assert_eq!(components.len(), 2, "{text}");
    assert!(components.iter().all(|v| v.abs() < 1.0), "{text}");
    let peak = text.lines().find(|line| line.starts_with("saliency"));
    let strength = number_after(peak.expect("a line with the peak"), ") with");
    assert!(strength > 0.0 && strength.is_finite(), "{text}");
}

#[test]
fn guided_backprop_draws_its_maps() {
    let folder = tempfile::tempdir().unwrap();
    run("guided_backprop", &[], folder.path());
    let drawn = folder.path().join("guided_backprop.png");
    let panel = foveate::media::image_file::read(&drawn).unwrap();
    // Three cells of 192 pixels stand side by side.
    assert!(panel.width() > 3 * 192 && panel.height() > 192);
    // The drawing's disc (left) is red, its square (right) is not, and the network sees
    // red alone: so must the maps. The middle rows lie within the cells.
    let (width, height) = (panel.width(), panel.height());
    let bright = |columns: std::ops::Range<usize>| {
        let rows = height / 4..3 * height / 4;
        rows.flat_map(|y| columns.clone().map(move |x| (x, y)))
            .filter_map(|(x, y)| panel.get(x, y))
            .filter(|colour| colour.iter().any(|&v| v > 60))
            .count()
    };
    let cell = width - 12 - 192;
    let (disc, square) = (bright(cell..cell + 96), bright(cell + 110..cell + 192));
    assert!(disc > 200 && square == 0, "disc {disc}, square {square}");
    // Its own output as an input: any image file will do.
    let again = folder.path().join("again.png");
    run("guided_backprop", &[&drawn, &again], folder.path());
    let other = foveate::media::image_file::read(&again).unwrap();
    assert_eq!(other.width(), panel.width());
    assert_ne!(other, panel);
}

/// Pictures that are not square keep their shape, and their maps have the same.
#[test]
fn guided_backprop_keeps_the_shape_of_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let wide = folder.path().join("wide.png");
    let mut picture = foveate::media::Rgb8::filled(300, 100, [200; 3]).unwrap();
    // A red disc of radius 30 on the left.
    for (x, y) in (0..100).flat_map(|y| (0..100).map(move |x| (x, y))) {
        if (x as f32 - 50.0).hypot(y as f32 - 50.0) < 30.0 {
            picture.set(x, y, [220, 60, 60]);
        }
    }
    picture.save_png(&wide).unwrap();
    let out = folder.path().join("out.png");
    run("guided_backprop", &[&wide, &out], folder.path());
    let panel = foveate::media::image_file::read(&out).unwrap();
    // Three cells of 192×64 pixels: no bars above and below.
    assert!(
        panel.width() >= 3 * 192 && panel.height() < 64 + 80,
        "{}",
        panel.height()
    );
    let left = panel.width() - 12 - 192;
    let bright = |x: &usize, y: &usize| {
        let colour = panel.get(left + x, *y).unwrap();
        colour.iter().any(|v| *v > 60) && colour.iter().any(|v| *v < 60)
    };
    let ring: Vec<(usize, usize)> = (30..panel.height() - 12)
        .flat_map(|y| (0..192).map(move |x| (x, y)))
        .filter(|(x, y)| bright(x, y))
        .collect();
    let extent = |values: Vec<usize>| values.iter().max().unwrap() - values.iter().min().unwrap();
    let across = extent(ring.iter().map(|at| at.0).collect());
    let down = extent(ring.iter().map(|at| at.1).collect());
    // 38 pixels and what the filters reach beyond, as much each way.
    assert!(
        (36..=50).contains(&across) && across.abs_diff(down) <= 2,
        "{across}×{down}"
    );
}

/// What went wrong is told in words, not in the program's own terms.
#[test]
fn examples_tell_what_went_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let absent: [(&str, &[&str], &str); 3] = [
        ("guided_backprop", &["absent.png"], "absent.png"),
        ("embed", &["absent-run"], "absent-run"),
        ("tape", &[], "nonesuch"),
    ];
    for (name, arguments, says) in absent {
        let output = Command::new(built(name))
            .args(arguments)
            .env("FOVEATE_ADAPTER", "nonesuch")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(says),
            "{name}: {said}"
        );
        assert!(
            !said.contains(" { ") && !said.contains("Error"),
            "{name}: {said}"
        );
    }
}
