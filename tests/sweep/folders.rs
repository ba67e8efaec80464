//! Folders that are there: whose they are, and what counts as trained.

use std::fs;

use foveate::sweep::{SweepError, SweepFolder};

use super::support::{GRID, open, temporary, train};

/// Where nobody says how large frames are, a pretrained encoder does when the run begins.
#[test]
fn a_run_whose_encoder_chose_the_size_of_frames_is_trained() {
    let (_keep, root) = temporary();
    let text = GRID.replace("[set]", "[set]\nencoder = \"multimae:weights\"");
    let text = text.replace("\"sac\", \"sgqn\"", "\"sac\"");
    let (folder, plan) = open(&root, &text).unwrap();
    let run = &plan.runs[0];
    let mut begun = run.clone();
    begun.config.image_size = 224;
    train(&folder, &begun, true);
    assert!(folder.is_trained(run));
    let mut said = run.clone();
    said.set.push("image_size=32".into());
    assert!(!folder.is_trained(&said));
}

#[test]
fn folders_that_are_no_sweeps_are_left_alone() {
    let (_keep, root) = temporary();
    assert!(matches!(
        SweepFolder::open(&root),
        Err(SweepError::NotASweep { .. })
    ));
    fs::create_dir(&root).unwrap();
    fs::write(root.join("letter.txt"), "dear").unwrap();
    assert!(matches!(
        open(&root, GRID),
        Err(SweepError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    let file = root.join("letter.txt");
    assert!(matches!(
        open(&file, GRID),
        Err(SweepError::NotADirectory { .. })
    ));

    fs::remove_file(file).unwrap();
    let (held, _) = open(&root, GRID).unwrap();
    assert!(matches!(
        open(&root, GRID),
        Err(SweepError::Locked { pid: Some(_), .. })
    ));
    drop(held);
    open(&root, GRID).unwrap();
    fs::write(root.join("grid.toml"), "agents = 4").unwrap();
    assert!(matches!(open(&root, GRID), Err(SweepError::Grid { .. })));
}

#[test]
fn a_run_directory_with_other_options_is_not_taken_for_trained() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let run = &plan.runs[0];
    train(&folder, run, true);
    assert!(folder.is_trained(run));
    let mut longer = run.clone();
    longer.config.steps = 80;
    assert!(!folder.is_trained(&longer));
    let mut other = run.clone();
    other.config.batch += 1;
    assert!(!folder.is_trained(&other));
}

/// Somebody wrote it, and other files beside it.
#[test]
fn a_grid_alone_makes_no_sweep_of_a_folder() {
    let (_keep, root) = temporary();
    fs::create_dir(&root).unwrap();
    let own = format!("# by hand\n{GRID}");
    fs::write(root.join("grid.toml"), &own).unwrap();
    fs::write(root.join(".letter.tmp"), "dear").unwrap();
    assert!(matches!(
        open(&root, GRID),
        Err(SweepError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_to_string(root.join("grid.toml")).unwrap(), own);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
    // A sweep that was killed when it had begun has its lock, or its runs.
    for (made, is_folder) in [("sweep.lock", false), ("runs", true)] {
        let (_keep, root) = temporary();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("grid.toml"), GRID).unwrap();
        match is_folder {
            true => fs::create_dir(root.join(made)).unwrap(),
            false => fs::write(root.join(made), "").unwrap(),
        }
        assert!(open(&root, GRID).is_ok(), "{made}");
    }
}
