//! Folders of moving pictures: what is found, in which order, and what is said of what
//! cannot be shown.

use std::fs;
use std::path::Path;

use foveate::envs::backgrounds::{Backgrounds, Clip};
use foveate::media::animation::{Loops, write_gif};
use foveate::media::clips::{ClipSource, list_clips};
use foveate::media::{MediaError, Rgb8};
use foveate::{Error, envs::native::Mode};
use tempfile::TempDir;

/// What an MP4 begins with.
const MP4: &[u8] = b"\0\0\0\x18ftypmp42 and so on";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn gif(path: &Path, colours: &[[u8; 3]]) {
    let frames: Vec<Rgb8> = (colours.iter())
        .map(|&colour| Rgb8::filled(6, 4, colour).unwrap())
        .collect();
    write_gif(path, &frames, 100, Loops::Forever).unwrap();
}

fn of(folder: &TempDir) -> Backgrounds {
    Backgrounds::of_folder(folder.path(), 4, None).unwrap()
}

#[test]
fn videos_are_in_the_order_of_their_numbers() {
    let folder = folder(&[
        ("video10.mp4", MP4),
        ("video2.MP4", MP4),
        ("video0.avi", b"RIFF....AVI "),
        ("video1.webm", &[0x1a, 0x45, 0xdf, 0xa3, 1]),
        ("notes.txt", b"passed over"),
    ]);
    let names: Vec<String> = (list_clips(folder.path()).unwrap().iter())
        .map(|clip| match clip {
            ClipSource::Video(path) => path.file_name().unwrap().to_str().unwrap().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        names,
        ["video0.avi", "video1.webm", "video2.MP4", "video10.mp4"]
    );
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let text: &[u8] = b"this is no video";
    for (files, says) in [
        (vec![], "holds neither images nor videos"),
        (vec![("a.txt", text)], "holds neither images nor videos"),
        (
            vec![("a.mp4", text)],
            "a.mp4' is not a video: it begins with \"this is no v",
        ),
        (
            vec![("a.mp4", MP4), ("b.mkv", b"")],
            "b.mkv' is not a video: it is empty",
        ),
        (vec![("a.mp4", MP4), ("b.png", text)], "keep one kind in it"),
    ] {
        let folder = folder(&files);
        let error = list_clips(folder.path()).unwrap_err();
        assert!(error.is_user_mistake());
        let said = error.to_string();
        assert!(said.contains(says), "{said}");
        assert!(said.contains(folder.path().to_str().unwrap()), "{said}");
    }
    let file = folder(&[("a.mp4", MP4)]);
    let error = list_clips(&file.path().join("a.mp4")).unwrap_err();
    assert!(matches!(error, MediaError::NotAFolder { .. }), "{error}");
    let error = list_clips(&file.path().join("none")).unwrap_err();
    assert!(matches!(error, MediaError::Missing { .. }), "{error}");
}

#[test]
fn gifs_move_and_one_that_does_not_is_refused() {
    let folder = TempDir::new().unwrap();
    let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
    gif(&folder.path().join("b.gif"), &[red, green, blue]);
    gif(&folder.path().join("a.gif"), &[blue, red]);
    let mut backgrounds = of(&folder);
    assert_eq!(backgrounds.count(), 2);
    let mut corner = |clip: usize, step: u64| {
        let mut frame = vec![0; 3 * 4 * 4];
        backgrounds.load(clip).unwrap().show(step, &mut frame);
        [0, 1, 2].map(|c| frame[c * 16])
    };
    assert_eq!(
        [0, 1, 2, 3, 4].map(|step| corner(1, step)),
        [red, green, blue, red, green]
    );
    // Clip numbers begin anew too.
    assert_eq!(corner(2, 1), red);

    gif(&folder.path().join("c.gif"), &[green]);
    let error = of(&folder).load(2).unwrap_err();
    assert!(error.is_user_mistake());
    assert!(
        matches!(&error, Error::Media(MediaError::OneFrame { path }) if path.ends_with("c.gif")),
        "{error}"
    );
    assert!(error.to_string().contains("has one frame"), "{error}");
}

#[test]
fn still_pictures_are_one_clip() {
    let folder = TempDir::new().unwrap();
    for (name, value) in [("frame10.png", 30), ("frame9.png", 20)] {
        let picture = Rgb8::filled(8, 2, [value, 0, 0]).unwrap();
        picture.save_png(&folder.path().join(name)).unwrap();
    }
    let mut backgrounds = of(&folder);
    let Clip::Frames(frames) = backgrounds.load(5).unwrap() else {
        panic!("a clip of frames");
    };
    assert_eq!(frames.iter().map(|f| f[0]).collect::<Vec<_>>(), [20, 30]);
    assert_eq!(backgrounds.load_all().unwrap(), [frames]);
}

#[test]
fn procedural_clips_are_as_many_as_the_benchmarks_and_all_different() {
    let mut seen = vec![];
    for (mode, count) in [(Mode::VideoEasy, 10), (Mode::VideoHard, 100)] {
        let mut backgrounds = Backgrounds::procedural(mode, 8);
        assert_eq!(backgrounds.count(), count);
        for i in 0..count {
            let clip = backgrounds.load(i).unwrap();
            let mut frames = [vec![0; 192], vec![0; 192]];
            clip.show(0, &mut frames[0]);
            clip.show(20, &mut frames[1]);
            assert_ne!(frames[0], frames[1], "{mode} {i} moves");
            seen.push(frames);
        }
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}
