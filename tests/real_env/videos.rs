//! Videos as backgrounds: decoded and resized in Python.

use foveate::envs::bridge::{VideoDecoder, interpreter};
use foveate::media::Rgb8;
use foveate::media::image_file::resize_bilinear;

use super::support::skip;

/// Written by OpenCV itself: what is decoded is what was encoded, resized as the
/// benchmark does it, and what is no video is said to be none.
#[test]
fn videos_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.avi");
    let python = interpreter(None);
    let script = "import cv2, numpy as np, sys\n\
        w = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*'MJPG'), 25, (32, 16))\n\
        assert w.isOpened()\n\
        for v in (200, 100, 40): w.write(np.full((16, 32, 3), (0, 0, v), np.uint8))\n\
        w.release()";
    let wrote = std::process::Command::new(&python)
        .args(["-c", script])
        .arg(&path)
        .output();
    if !wrote.is_ok_and(|out| out.status.success()) {
        skip(&format!("{} has no OpenCV", python.display()));
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
            skip("no NumPy");
            return;
        };
        let (picture, resized) = ran.stdout.split_at(23 * 37 * 3);
        let picture = Rgb8::new(37, 23, picture.to_vec()).unwrap();
        let twin = resize_bilinear(&picture, size).unwrap();
        assert!(twin.data() == resized, "to {size}");
    }
}
