//! Animations, played by the decoder; and files that are whole or not there.

use std::fs;
use std::path::Path;

use foveate::media::animation::{Loops, encode_gif, write_gif};
use foveate::media::{MediaError, Rgb8};

use crate::gradient;
use crate::skip::skipped;

/// What a viewer shows after each frame, and the delays (in 1/100 s).
fn played(gif: &[u8]) -> (Vec<Rgb8>, Vec<u16>, gif::Repeat) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(gif).unwrap();
    let (width, height) = (decoder.width() as usize, decoder.height() as usize);
    let mut screen = Rgb8::filled(width, height, [1, 2, 3]).unwrap();
    let (mut shown, mut delays) = (Vec::new(), Vec::new());
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, p) in frame.buffer.chunks_exact(4).enumerate() {
            let x = frame.left as usize + i % frame.width as usize;
            let y = frame.top as usize + i / frame.width as usize;
            if p[3] == 255 {
                screen.set(x, y, [p[0], p[1], p[2]]);
            }
        }
        shown.push(screen.clone());
        delays.push(frame.delay);
    }
    (shown, delays, decoder.repeat())
}

#[test]
fn an_animation_plays_as_it_was_drawn() {
    // Few colours: exact. Frame 2 repeats frame 1, frame 3 changes a corner.
    let mut frames = vec![Rgb8::filled(30, 20, [255; 3]).unwrap(); 4];
    frames[1].paste(&gradient(9, 9), 4, 5);
    frames[2] = frames[1].clone();
    frames[3] = frames[2].clone();
    frames[3].set(29, 19, [1, 1, 1]);
    let bytes = encode_gif(&frames, 96, Loops::Forever).unwrap();
    let (shown, delays, repeat) = played(&bytes);
    assert_eq!(shown, frames);
    assert_eq!(delays, [10; 4]);
    assert!(matches!(repeat, gif::Repeat::Infinite));
    assert_eq!(bytes, encode_gif(&frames, 96, Loops::Forever).unwrap());

    // Thousands of colours: near, and the still white paper stays exact.
    let mut rich = vec![Rgb8::filled(80, 80, [255; 3]).unwrap(); 3];
    for (t, frame) in rich.iter_mut().enumerate() {
        let noise = (0..60 * 60 * 3).map(|i| ((i * 37 + i * i / 91 + t * 50) % 251) as u8);
        let noise = Rgb8::new(60, 60, noise.collect()).unwrap();
        frame.paste(&noise, 0, 0);
    }
    let (shown, delays, repeat) = played(&encode_gif(&rich, 1, Loops::Times(3)).unwrap());
    assert_eq!(delays, [2; 3]);
    assert!(matches!(repeat, gif::Repeat::Finite(3)));
    for (shown, drawn) in shown.iter().zip(&rich) {
        assert_eq!(shown.get(70, 70), Some([255; 3]));
        let pairs = shown.data().iter().zip(drawn.data());
        let error: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let mean = error / drawn.data().len() as f64;
        assert!(mean < 12.0, "mean error {mean}");
    }

    assert!(encode_gif(&[], 100, Loops::Forever).is_err());
    let uneven = [gradient(4, 4), gradient(4, 5)];
    assert!(encode_gif(&uneven, 100, Loops::Forever).is_err());
    let wide = [Rgb8::filled(65_536, 1, [0; 3]).unwrap()];
    assert!(encode_gif(&wide, 100, Loops::Forever).is_err());
}

#[test]
fn what_a_moving_thing_uncovers_gets_its_own_colours_again() {
    // A grey ground with a ramp and a square that moves over it, beside noise
    // that fights for the palette.
    let frames: Vec<Rgb8> = (0..6)
        .map(|t| {
            let mut frame = Rgb8::filled(128, 64, [228; 3]).unwrap();
            let noise = (0..64 * 64 * 3).map(|i| ((i * 37 + i * i / 91 + t * 50) % 251) as u8);
            frame.paste(&Rgb8::new(64, 64, noise.collect()).unwrap(), 64, 0);
            for x in 0..64 {
                frame.set(x, 63, [(4 * x + t) as u8; 3]);
            }
            frame.paste(&Rgb8::filled(16, 16, [242, 142, 43]).unwrap(), 8 * t, 20);
            frame
        })
        .collect();
    let (shown, ..) = played(&encode_gif(&frames, 100, Loops::Forever).unwrap());
    for (shown, drawn) in shown.iter().zip(&frames) {
        for (x, y) in (0..63).flat_map(|y| (0..64).map(move |x| (x, y))) {
            assert_eq!(shown.get(x, y), drawn.get(x, y));
        }
        for x in 0..64 {
            let [r, g, b] = shown.get(x, 63).unwrap();
            assert!(r == g && g == b, "a grey stays grey");
            assert!(r.abs_diff(drawn.get(x, 63).unwrap()[0]) <= 4);
        }
    }
}

#[test]
fn a_palette_may_have_one_colour_left_to_learn() {
    let mut ramp = Rgb8::new(16, 17, vec![0; 16 * 17 * 3]).unwrap();
    for i in 0..256 {
        ramp.set(i % 16, i / 16, [i as u8; 3]);
    }
    ramp.set(3, 16, [200, 10, 90]);
    let (shown, ..) = played(&encode_gif(&[ramp], 100, Loops::Forever).unwrap());
    let [r, g, b] = shown[0].get(3, 16).unwrap();
    assert!(r.abs_diff(200) < 24 && g.abs_diff(10) < 24 && b.abs_diff(90) < 24);
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    write_gif(&path, &[gradient(8, 8)], 100, Loops::Forever).unwrap();
    let first = fs::read(&path).unwrap();
    assert!(write_gif(&path, &[], 100, Loops::Forever).is_err());
    assert_eq!(fs::read(&path).unwrap(), first);
    write_gif(&path, &[gradient(9, 9)], 100, Loops::Forever).unwrap();
    assert_ne!(fs::read(&path).unwrap(), first);

    // A folder in the way: the rename fails, and nothing is left lying about.
    let blocked = folder.path().join("b.png");
    fs::create_dir(&blocked).unwrap();
    let error = gradient(8, 8).save_png(&blocked).unwrap_err();
    assert!(matches!(error, MediaError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("b.png") && error.is_user_mistake());
    let nowhere = folder.path().join("missing/c.png");
    assert!(gradient(8, 8).save_png(&nowhere).is_err());
    assert!(gradient(8, 8).save_png(Path::new("/")).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// What is no file gets the bytes; nothing takes its place.
#[cfg(unix)]
#[test]
fn a_pipe_stays_a_pipe() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        skipped("there is no mkfifo");
        return;
    }
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    gradient(8, 8).save_png(&pipe).unwrap();
    assert!(reader.join().unwrap().starts_with(b"\x89PNG"));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}
