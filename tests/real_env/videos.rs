//! Videos as backgrounds: decoded and resized in Python.

use std::path::Path;

use foveate::Error;
use foveate::envs::backgrounds::{Backgrounds, Clip};
use foveate::envs::bridge::{VideoDecoder, interpreter};
use foveate::media::image_file::resize_bilinear;
use foveate::media::{MediaError, Rgb8};

use crate::skip::skipped_suite;

/// Has OpenCV write a video, each frame as red as this. Whether there is one.
fn write(path: &Path, reds: &[u8]) -> bool {
    let python = interpreter(None);
    let script = "import cv2, numpy as np, sys\n\
        w = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*'MJPG'), 25, (32, 16))\n\
        assert w.isOpened()\n\
        for v in sys.argv[2:]: w.write(np.full((16, 32, 3), (0, 0, int(v)), np.uint8))\n\
        w.release()";
    let wrote = std::process::Command::new(&python)
        .args(["-c", script])
        .arg(path)
        .args(reds.iter().map(u8::to_string))
        .output();
    let wrote = wrote.is_ok_and(|out| out.status.success());
    if !wrote {
        skipped_suite(&format!("{} has no OpenCV", python.display()));
    }
    wrote
}

/// Written by OpenCV itself: what is decoded is what was encoded, resized as the
/// benchmark does it, and what is no video is said to be none.
#[test]
fn videos_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.avi");
    if !write(&path, &[200, 100, 40]) {
        return;
    }
    let mut decoder = VideoDecoder::new(None);
    let frames = decoder.decode(&path, 8).unwrap();
    let reds: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
    assert_eq!((frames.len(), frames[0].len()), (3, 3 * 8 * 8));
    for (red, right) in reds.iter().zip([200i32, 100, 40]) {
        assert!((i32::from(*red) - right).abs() < 8, "{reds:?}");
    }
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "not a video").unwrap();
    for bad in [&text, &folder.path().join("none.mp4")] {
        let error = decoder.decode(bad, 8).unwrap_err();
        assert!(error.is_user_mistake(), "{error}");
        assert!(error.to_string().contains(bad.to_str().unwrap()), "{error}");
    }
    // The process is none the worse for it.
    assert_eq!(decoder.decode(&path, 4).unwrap().len(), 3);
    assert_eq!(decoder.decode_first(&path, 4, Some(2)).unwrap().len(), 2);
}

/// A GIF of one picture is no background either: said before an episode comes to it, and
/// by what loads it.
#[test]
fn a_video_of_one_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [moving, still] = ["a.avi", "b.avi"].map(|name| folder.path().join(name));
    if !(write(&moving, &[200, 40]) && write(&still, &[90])) {
        return;
    }
    let of_folder = || Backgrounds::of_folder(folder.path(), 8, None).unwrap();
    let mut backgrounds = of_folder();
    let clip = backgrounds.load(0).unwrap();
    assert!(matches!(clip, Clip::Frames(frames) if frames.len() == 2));
    for error in [
        backgrounds.check().unwrap_err(),
        backgrounds.load(1).unwrap_err(),
        backgrounds.load_all().unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Media(MediaError::OneFrame { path }) if *path == still),
            "{error}"
        );
        assert!(error.is_user_mistake());
        assert!(
            error.to_string().contains(still.to_str().unwrap()),
            "{error}"
        );
    }
    // Two frames are enough, and as many as a check looks at.
    std::fs::remove_file(still).unwrap();
    of_folder().check().unwrap();
}

/// Videos are resized in Python, GIFs here: to the same bytes, enlarged and shrunk.
#[test]
fn videos_are_resized_as_everything_else() {
    let script = "import sys, types\n\
        for name in ('messages', 'adapter', 'video'):\n\
        \x20   module = sys.modules['foveate_' + name] = types.ModuleType(name)\n\
        \x20   exec(open('%s/%s.py' % (sys.argv[1], name)).read(), module.__dict__)\n\
        import numpy as np\n\
        y, x = np.mgrid[:23, :37]\n\
        picture = np.stack([x * 7 % 256, y * 11 % 256, (x * y) % 256], -1).astype(np.uint8)\n\
        resized = module.bilinear(np, picture, int(sys.argv[2]))\n\
        sys.stdout.buffer.write(picture.tobytes() + resized.tobytes())";
    let worker = concat!(env!("CARGO_MANIFEST_DIR"), "/src/envs/bridge/worker");
    for size in [16, 40] {
        let ran = std::process::Command::new(interpreter(None))
            .args(["-c", script, worker, &size.to_string()])
            .output();
        let Some(ran) = ran.ok().filter(|ran| ran.status.success()) else {
            skipped_suite("no NumPy");
            return;
        };
        let (picture, resized) = ran.stdout.split_at(23 * 37 * 3);
        let picture = Rgb8::new(37, 23, picture.to_vec()).unwrap();
        let twin = resize_bilinear(&picture, size).unwrap();
        assert!(twin.data() == resized, "to {size}");
    }
}
