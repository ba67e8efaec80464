//! Image files: what is read, and what is said of what cannot be.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use foveate::media::clips::list_clips;
use foveate::media::image_file::{self, Fit};
use foveate::media::{MediaError, Rgb8};

use crate::gradient;

fn encoded(picture: &Rgb8, format: image::ImageFormat) -> Vec<u8> {
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let picture = image::RgbImage::from_raw(width, height, picture.data().to_vec()).unwrap();
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn assert_names(error: &MediaError, path: &Path) {
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(error.is_user_mistake(), "{message}");
}

#[test]
fn image_files_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let picture = gradient(37, 21);
    let png = folder.path().join("a.png");
    picture.save_png(&png).unwrap();
    assert_eq!(image_file::read(&png).unwrap(), picture);

    // Content decides, not the name; JPEG is lossy, so a flat colour is compared.
    let flat = Rgb8::filled(19, 33, [40, 120, 200]).unwrap();
    let jpeg = folder.path().join("b.png");
    fs::write(&jpeg, encoded(&flat, image::ImageFormat::Jpeg)).unwrap();
    let read = image_file::read(&jpeg).unwrap();
    assert_eq!((read.width(), read.height()), (19, 33));
    assert!(
        read.data()
            .iter()
            .zip(flat.data())
            .all(|(a, b)| a.abs_diff(*b) < 4)
    );
}

#[test]
fn a_cameras_orientation_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    let jpeg = encoded(
        &Rgb8::filled(40, 16, [128; 3]).unwrap(),
        image::ImageFormat::Jpeg,
    );
    // An APP1 segment with one Exif entry, orientation 6: turn a quarter right.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    let mut photo = jpeg[..2].to_vec();
    photo.extend([0xff, 0xe1, 0, exif.len() as u8 + 2]);
    photo.extend(&exif);
    photo.extend(&jpeg[2..]);
    fs::write(&path, photo).unwrap();
    let read = image_file::read(&path).unwrap();
    assert_eq!((read.width(), read.height()), (16, 40));
}

#[test]
fn transparency_lies_on_white() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let colours = vec![200, 0, 0, 255, 200, 0, 0, 0, 0, 0, 0, 51];
    let picture = image::RgbaImage::from_raw(3, 1, colours).unwrap();
    picture.save(&path).unwrap();
    let read = image_file::read(&path).unwrap();
    assert_eq!(read.data(), [200, 0, 0, 255, 255, 255, 204, 204, 204]);
}

#[test]
fn bad_image_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    let missing = at("missing.png");
    for error in [
        image_file::read(&missing).unwrap_err(),
        image_file::list(&missing).unwrap_err(),
        list_clips(&missing).unwrap_err(),
    ] {
        assert!(matches!(error, MediaError::Missing { .. }), "{error}");
        assert_names(&error, &missing);
    }

    let empty = at("empty.png");
    fs::write(&empty, []).unwrap();
    let error = image_file::read(&empty).unwrap_err();
    assert!(matches!(error, MediaError::ZeroSized { .. }), "{error}");
    assert_names(&error, &empty);

    // A PNG header that says 0 pixels high.
    let png = encoded(&gradient(5, 4), image::ImageFormat::Png);
    let flat = at("flat.png");
    let mut bytes = png.clone();
    bytes[20..24].fill(0);
    fs::write(&flat, &bytes).unwrap();
    let error = image_file::read(&flat).unwrap_err();
    assert!(matches!(error, MediaError::ZeroSized { .. }), "{error}");
    assert_names(&error, &flat);

    let jpeg = encoded(&gradient(64, 64), image::ImageFormat::Jpeg);
    for (name, bytes) in [
        ("words.png", b"not an image at all".as_slice()),
        ("cut.png", &png[..png.len() / 2]),
        ("cut.jpg", &jpeg[..200]),
        ("signature.png", &png[..8]),
    ] {
        let path = at(name);
        fs::write(&path, bytes).unwrap();
        let error = image_file::read(&path).unwrap_err();
        assert!(matches!(error, MediaError::NotAnImage { .. }), "{error}");
        assert_names(&error, &path);
    }
    let error = image_file::read(folder.path()).unwrap_err();
    assert!(matches!(error, MediaError::NotAnImage { .. }), "{error}");

    // A header that claims 100,000×100,000 pixels must not be believed.
    let bomb = at("bomb.png");
    let mut header = png[..33].to_vec();
    header[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let checksum = crc32fast::hash(&header[12..29]);
    header[29..33].copy_from_slice(&checksum.to_be_bytes());
    header.extend(&png[33..]);
    fs::write(&bomb, header).unwrap();
    let error = image_file::read(&bomb).unwrap_err();
    assert!(matches!(error, MediaError::TooLarge { .. }), "{error}");
    assert_names(&error, &bomb);
}

#[test]
fn folders_are_read_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let error = image_file::list(folder.path()).unwrap_err();
    assert!(matches!(error, MediaError::EmptyFolder { .. }), "{error}");
    assert_names(&error, folder.path());

    let shades = [("b.JPG", 200), ("a.png", 10), ("c.jpeg", 90)];
    for (name, shade) in shades {
        let format = if name == "a.png" {
            image::ImageFormat::Png
        } else {
            image::ImageFormat::Jpeg
        };
        let picture = Rgb8::filled(30, 20, [shade; 3]).unwrap();
        fs::write(folder.path().join(name), encoded(&picture, format)).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "passed over").unwrap();
    fs::create_dir(folder.path().join("d.png")).unwrap();
    let names: Vec<_> = image_file::list(folder.path())
        .unwrap()
        .iter()
        .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a.png", "b.JPG", "c.jpeg"]);

    let file = folder.path().join("a.png");
    assert_eq!(
        image_file::list(&file).unwrap(),
        std::slice::from_ref(&file)
    );
    // One bad file ends it, and is named.
    let bad = folder.path().join("aa.png");
    fs::write(&bad, "rubbish").unwrap();
    let error = image_file::read_square(folder.path(), 8, Fit::CentreCrop).unwrap_err();
    assert_names(&error, &bad);
}

#[test]
fn fitting_keeps_the_aspect_and_does_not_alias() {
    // Red, green and blue thirds: the centred square is green.
    let thirds = Rgb8::new(
        30,
        10,
        (0..300)
            .flat_map(|i| [[255, 0, 0], [0, 255, 0], [0, 0, 255]][i % 30 / 10])
            .collect(),
    )
    .unwrap();
    let cropped = image_file::resize_square(&thirds, 5, Fit::CentreCrop).unwrap();
    assert!(cropped.colours().all(|c| c == [0, 255, 0]));

    let boxed = image_file::resize_square(&thirds, 30, Fit::Letterbox([7; 3])).unwrap();
    assert_eq!(boxed.get(15, 9), Some([7; 3]));
    assert_eq!(boxed.get(15, 20), Some([7; 3]));
    assert_eq!(boxed.get(2, 10), Some([255, 0, 0]));
    assert_eq!(boxed.get(27, 19), Some([0, 0, 255]));

    let within = image_file::resize_within(&thirds, 15).unwrap();
    assert_eq!((within.width(), within.height()), (15, 5));
    assert_eq!(within.get(1, 0), Some([255, 0, 0]));
    assert_eq!(within.get(13, 4), Some([0, 0, 255]));

    // A checkerboard of single pixels shrinks to its mean, not to black or white.
    let checks = Rgb8::new(
        256,
        256,
        (0..256 * 256)
            .flat_map(|i| [if (i + i / 256) % 2 == 0 { 0 } else { 255 }; 3])
            .collect(),
    )
    .unwrap();
    let small = image_file::resize_square(&checks, 16, Fit::CentreCrop).unwrap();
    assert!(small.data().iter().all(|v| v.abs_diff(128) < 12));

    // Extreme shapes, and enlarging.
    for (width, height) in [(1, 5000), (5000, 1), (1, 1)] {
        let sliver = Rgb8::filled(width, height, [50; 3]).unwrap();
        for fit in [Fit::CentreCrop, Fit::Letterbox([50; 3])] {
            let square = image_file::resize_square(&sliver, 9, fit).unwrap();
            assert!(square.data().iter().all(|&v| v == 50));
        }
        let within = image_file::resize_within(&sliver, 9).unwrap();
        let right = (
            1 + 8 * usize::from(width >= height),
            1 + 8 * usize::from(height >= width),
        );
        assert_eq!((within.width(), within.height()), right);
    }
    for side in [0, 65_536] {
        assert!(image_file::resize_square(&thirds, side, Fit::CentreCrop).is_err());
        assert!(image_file::resize_within(&thirds, side).is_err());
    }
}

/// PyTorch's interpolate(mode="bilinear", align_corners=False) of 2×3 and of 5×4 pictures,
/// cut to whole numbers.
#[test]
fn bilinear_resizing_is_pytorchs() {
    let grey = |values: &[u8]| values.iter().flat_map(|&v| [v, 255 - v, v / 2]).collect();
    let picture = Rgb8::new(3, 2, grey(&[0, 100, 200, 50, 150, 250])).unwrap();
    let wide = image_file::resize_bilinear(&picture, 4).unwrap();
    let red: Vec<u8> = wide.data().iter().step_by(3).copied().collect();
    #[rustfmt::skip]
    assert_eq!(red, [0, 62, 137, 200, 12, 75, 150, 212, 37, 100, 175, 237, 50, 112, 187, 250]);
    // Without a look at what lies between: shrinking takes two pixels each way.
    let picture = Rgb8::new(4, 5, grey(&(0..20).map(|i| i * 12).collect::<Vec<u8>>())).unwrap();
    let small = image_file::resize_bilinear(&picture, 2).unwrap();
    let red: Vec<u8> = small.data().iter().step_by(3).copied().collect();
    assert_eq!(red, [42, 66, 162, 186]);
    let same = image_file::resize_bilinear(&gradient(7, 7), 7).unwrap();
    assert_eq!(same, gradient(7, 7));
    assert!(image_file::resize_bilinear(&picture, 0).is_err());
}
