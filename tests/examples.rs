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

#[test]
fn guided_backprop_names_a_file_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(built("guided_backprop"))
        .arg("absent.png")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent.png"));
}
