//! Recordings: written, read again, replaced.

use std::fs;

use foveate::data::{DataError, ImageSet, Moment, Recording};
use safetensors::tensor::Dtype;

use crate::{folder, le, sized};

/// A recording of `count` moments of 4×4, two episodes.
fn recording(count: usize, saliency: bool) -> Recording {
    let mut recording = Recording::new(count, 4, 2).unwrap();
    for i in 0..count {
        let map: Vec<u8> = (0..16)
            .map(|j| if j % 3 == i % 3 { 255 } else { 0 })
            .collect();
        let frame = sized(i, 4, 4).to_chw();
        let moment = Moment {
            frame: &frame,
            saliency: saliency.then_some(&map[..]),
            state: &[i as f32, -0.5],
            episode: (i / 3) as u64,
        };
        recording.push(&moment).unwrap();
    }
    recording
}

#[test]
fn a_recording_comes_back_as_it_was() {
    let folder = folder();
    let out = folder.path().join("deep").join("out");
    let five = recording(5, true);
    assert_eq!((five.count(), five.episodes()), (5, 2));
    let path = five.write_tensors(&out, "{\"seed\":1}").unwrap();
    assert_eq!(path, out.join("frames.safetensors"));
    let set = ImageSet::read(&path, None).unwrap();
    assert_eq!((set.count(), set.channels()), (5, 3));
    assert_eq!(set.image(4), Some(&sized(4, 4, 4).to_chw()[..]));
    assert_eq!(set.saliency(1).unwrap()[..4], [0, 255, 0, 0]);

    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let state = file.tensor("state").unwrap();
    assert_eq!(state.shape(), [5, 2]);
    assert_eq!(
        state.data(),
        le(&[0., -0.5, 1., -0.5, 2., -0.5, 3., -0.5, 4., -0.5])
    );
    let episode = file.tensor("episode").unwrap();
    assert_eq!((episode.dtype(), episode.shape()), (Dtype::I32, &[5][..]));
    assert_eq!(
        episode.data(),
        [[0; 12].as_slice(), &[1, 0, 0, 0, 1, 0, 0, 0]].concat()
    );
    assert_eq!(
        bytes.len() - 8 - u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize,
        { 5 * (48 + 16 + 8 + 4) }
    );
    let (_, head) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(head.metadata().as_ref().unwrap()["foveate"], "{\"seed\":1}");

    // Again: the same bytes, and nothing beside them.
    five.write_tensors(&out, "{\"seed\":1}").unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_recording_as_pictures_replaces_its_own_and_nothing_else() {
    let folder = folder();
    let out = folder.path().join("out");
    assert_eq!(
        recording(5, true).write_pictures(&out).unwrap(),
        out.join("frames")
    );
    let names = |name: &str| {
        let mut names: Vec<String> = fs::read_dir(out.join(name))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("frames").len(), 5);
    assert_eq!(names("frames")[4], "000004.png");
    assert_eq!(names("frames"), names("saliency"));
    let set = ImageSet::read(&out.join("frames"), Some(&out.join("saliency"))).unwrap();
    assert_eq!(set.image(4), Some(&sized(4, 4, 4).to_chw()[..]));
    assert_eq!(set.saliency(1).unwrap()[..4], [0, 255, 0, 0]);

    // What a killed process left is cleared away, and maps that are no longer there.
    fs::create_dir(out.join(".frames.tmp")).unwrap();
    fs::write(out.join(".frames.tmp").join("000009.png"), "half").unwrap();
    recording(2, false).write_pictures(&out).unwrap();
    assert_eq!(names("frames"), ["000000.png", "000001.png"]);
    assert_eq!(names("."), ["frames"]);

    fs::write(out.join("frames").join("mine.png"), "x").unwrap();
    for error in [
        Recording::prepare(&out, true).unwrap_err(),
        recording(3, true).write_pictures(&out).unwrap_err(),
    ] {
        assert!(matches!(error, DataError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("mine.png"), "{error}");
    }
    assert_eq!(names("frames"), ["000000.png", "000001.png", "mine.png"]);
    assert_eq!(names("."), ["frames"]);
}

#[test]
fn a_moment_that_does_not_fit_is_refused() {
    let mut one = recording(1, true);
    let (frame, map) = ([0; 48], [0; 16]);
    let good = Moment {
        frame: &frame,
        saliency: Some(&map),
        state: &[0.0; 2],
        episode: 0,
    };
    for (moment, what) in [
        (
            Moment {
                frame: &frame[1..],
                ..good
            },
            "a frame has 47",
        ),
        (
            Moment {
                saliency: Some(&map[1..]),
                ..good
            },
            "a saliency map has 15",
        ),
        (
            Moment {
                saliency: None,
                ..good
            },
            "a saliency map has 0",
        ),
        (
            Moment {
                state: &[0.0; 3],
                ..good
            },
            "a state has 3",
        ),
    ] {
        let error = one.push(&moment).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(one.count(), 1);
    }
    one.push(&good).unwrap();
    let error = recording(1, false).push(&good).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a saliency map has 16 elements; this recording needs 0")
    );

    let error = Recording::new(usize::MAX / 100, 64, 4).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
    assert!(error.is_user_mistake());
}

#[test]
#[cfg(unix)]
fn a_place_that_cannot_be_written_is_found_before() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for pictures in [false, true] {
        let error = Recording::prepare(&file.join("out"), pictures).unwrap_err();
        assert!(matches!(error, DataError::File { .. }), "{error}");
        assert!(error.is_user_mistake(), "another place is right");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}
