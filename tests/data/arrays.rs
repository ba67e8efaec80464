//! Images and maps as arrays, and files that are damaged.

use std::fs;

use foveate::data::{DataError, ImageSet};
use foveate::media::animation::{Loops, write_gif};
use foveate::media::{MediaError, Rgb8};
use safetensors::tensor::Dtype;

use crate::{
    HEIGHT, WIDTH, chw, folder, grey, hwc, le, map, maps, npy, picture, refused, save, sized,
    tensors,
};

#[test]
fn arrays_of_every_layout_are_read() {
    let folder = folder();
    let path = folder.path().join("set.safetensors");
    let shapes = [
        (vec![2, HEIGHT, WIDTH, 3], hwc(2), 3),
        (vec![2, 3, HEIGHT, WIDTH], chw(2), 3),
        (vec![2, HEIGHT, WIDTH], maps(2), 1),
        (vec![2, HEIGHT, WIDTH, 1], maps(2), 1),
        (vec![2, 1, HEIGHT, WIDTH], maps(2), 1),
    ];
    for (shape, bytes, channels) in shapes {
        tensors(
            &path,
            &[("frames", Dtype::U8, shape.clone(), bytes.clone())],
        );
        let set = ImageSet::read(&path, None).unwrap();
        let given = (set.count(), set.channels(), set.height(), set.width());
        assert_eq!(given, (2, channels, HEIGHT, WIDTH), "{shape:?}");
        let right = if channels == 3 { chw(2) } else { maps(2) };
        assert_eq!(set.pixels(), right, "{shape:?}");

        let array = folder.path().join("set.npy");
        npy(&array, "|u1", &shape, &bytes);
        assert_eq!(ImageSet::read(&array, None).unwrap().pixels(), right);
        let floats: Vec<f32> = bytes.iter().map(|&v| f32::from(v) / 255.0).collect();
        npy(&array, "<f4", &shape, &le(&floats));
        assert_eq!(ImageSet::read(&array, None).unwrap().pixels(), right);
    }
}

#[test]
fn maps_come_from_the_same_file_or_another() {
    let folder = folder();
    let path = folder.path().join("set.safetensors");
    let frames = ("frames", Dtype::U8, vec![2, HEIGHT, WIDTH, 3], hwc(2));
    let floats: Vec<f32> = maps(2).iter().map(|&v| f32::from(v) / 255.0).collect();
    let shape = vec![2, HEIGHT, WIDTH];
    for saliency in [
        ("saliency", Dtype::U8, shape.clone(), maps(2)),
        ("saliency", Dtype::F32, shape.clone(), le(&floats)),
    ] {
        let state = ("state", Dtype::F64, vec![2], vec![0; 16]);
        tensors(&path, &[frames.clone(), saliency, state]);
        let set = ImageSet::read(&path, None).unwrap();
        assert_eq!(set.saliency_pixels(), Some(&maps(2)[..]));
        assert_eq!(set.saliency(1), Some(&map(1)[..]));
    }

    // One that is named wins.
    let other = folder.path().join("other.npy");
    npy(&other, "|u1", &shape, &[maps(1), map(3)].concat());
    let set = ImageSet::read(&path, Some(&other)).unwrap();
    assert_eq!(set.saliency(1), Some(&map(3)[..]));
    let set = ImageSet::read(&path, Some(&path)).unwrap();
    assert_eq!(set.saliency(1), Some(&map(1)[..]));

    // A folder and an array: the first map is that of the first image.
    let images = folder.path().join("images");
    save(&picture(1), &images, "z.png");
    save(&picture(0), &images, "y.png");
    let set = ImageSet::read(&images, Some(&other)).unwrap();
    assert_eq!(set.image(1), Some(&picture(1).to_chw()[..]));
    assert_eq!(set.saliency(1), Some(&map(3)[..]));
    let greys = folder.path().join("greys");
    save(&grey(5), &greys, "0.png");
    save(&grey(6), &greys, "1.png");
    let set = ImageSet::read(&path, Some(&greys)).unwrap();
    assert_eq!(set.saliency(1), Some(&map(6)[..]));
}

#[test]
fn arrays_that_are_no_images_are_named() {
    let folder = folder();
    let path = folder.path().join("set.safetensors");
    let array = folder.path().join("set.npy");
    let one = save(&picture(0), &folder.path().join("images"), "a.png");

    for shape in [
        vec![24],
        vec![2, 12],
        vec![1, 2, 3, 2, 2],
        vec![1, 4, 2, 3, 1],
        vec![2, 3, 2, 2],
    ] {
        let n = shape.iter().product();
        let known = shape == [2, 3, 2, 2];
        tensors(&path, &[("frames", Dtype::U8, shape.clone(), vec![7; n])]);
        npy(&array, "|u1", &shape, &vec![7; n]);
        for file in [&path, &array] {
            if known {
                assert_eq!(ImageSet::read(file, None).unwrap().channels(), 3);
                continue;
            }
            let error = refused(
                file,
                None,
                &[file],
                &["[N, H, W, C]", &format!("{shape:?}")],
            );
            assert!(matches!(error, DataError::Shape { .. }), "{error}");
        }
    }
    for shape in [[0, HEIGHT, WIDTH], [2, 0, WIDTH]] {
        npy(&array, "|u1", &shape, &[]);
        let error = refused(&array, None, &[&array], &["no side 0"]);
        assert!(matches!(error, DataError::Shape { .. }), "{error}");
    }
    npy(&array, "|u1", &[1, HEIGHT, WIDTH, 3], &hwc(1));
    let error = refused(&one, Some(&array), &[&array], &["[N, H, W]"]);
    assert!(matches!(error, DataError::Shape { .. }), "{error}");

    tensors(&path, &[("images", Dtype::U8, vec![1, 2, 2], vec![0; 4])]);
    let error = refused(&path, None, &[&path], &["'frames'", "images"]);
    assert!(matches!(error, DataError::NoTensor { .. }), "{error}");
    let error = refused(&one, Some(&path), &[&path], &["'saliency'"]);
    assert!(matches!(error, DataError::NoTensor { .. }), "{error}");

    tensors(&path, &[("frames", Dtype::I64, vec![1, 1, 1], vec![0; 8])]);
    let error = refused(&path, None, &[&path], &["I64", "u8", "f32"]);
    assert!(matches!(error, DataError::Type { .. }), "{error}");
    for descr in ["<f8", ">f4", "|b1", "<u2"] {
        npy(&array, descr, &[1, 1, 1], &[0; 8]);
        let error = refused(&array, None, &[&array], &[descr, "little endian"]);
        assert!(matches!(error, DataError::Type { .. }), "{error}");
    }

    for bad in [f32::NAN, -0.01, 1.5, f32::INFINITY] {
        let mut values = [0.5; 12];
        values[7] = bad;
        npy(&array, "<f4", &[2, 2, 3], &le(&values));
        let error = refused(&array, None, &[&array], &["[1, 0, 1]", &bad.to_string()]);
        assert!(matches!(error, DataError::Range { .. }), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_named() {
    let folder = folder();
    let archive = folder.path().join("set.safetensors");
    let frames = ("frames", Dtype::U8, vec![1, HEIGHT, WIDTH, 3], hwc(1));
    tensors(&archive, &[frames]);
    let array = folder.path().join("set.npy");
    npy(&array, "|u1", &[1, HEIGHT, WIDTH, 3], &hwc(1));
    for path in [&archive, &array] {
        let whole = fs::read(path).unwrap();
        for end in 0..whole.len() {
            fs::write(path, &whole[..end]).unwrap();
            let error = refused(path, None, &[path], &["no whole"]);
            assert!(matches!(error, DataError::Damaged { .. }), "{error}");
        }
        fs::write(path, [&whole[..], &[0]].concat()).unwrap();
        let error = refused(path, None, &[path], &["no whole"]);
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
        fs::write(path, "some words, longer than a head").unwrap();
        refused(path, None, &[path], &["no whole"]);
    }
    // A shape whose size no number holds.
    npy(&array, "<f4", &[usize::MAX, usize::MAX, 3], &[0; 12]);
    let error = refused(&array, None, &[&array], &["no whole"]);
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");

    let images = folder.path().join("images");
    let png = save(&sized(0, 40, 30), &images, "a.png");
    let jpeg = folder.path().join("a.jpg");
    image::open(&png).unwrap().save(&jpeg).unwrap();
    let gif = folder.path().join("a.gif");
    let film: Vec<Rgb8> = (0..3).map(|i| sized(i, 40, 30)).collect();
    write_gif(&gif, &film, 50, Loops::Forever).unwrap();
    for path in [png, jpeg, gif] {
        let whole = fs::read(&path).unwrap();
        let right = ImageSet::read(&path, None).unwrap();
        for end in 1..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            // A PNG or a GIF may lack its end mark: then nothing is lost.
            if end + 12 >= whole.len()
                && let Ok(set) = ImageSet::read(&path, None)
            {
                assert_eq!(set.pixels(), right.pixels(), "{path:?} {end}");
                continue;
            }
            let error = refused(&path, None, &[&path], &["not a readable image"]);
            let DataError::Media(MediaError::NotAnImage { .. }) = error else {
                panic!("{error}");
            };
        }
        fs::write(&path, []).unwrap();
        refused(&path, None, &[&path], &["no pixels"]);
        fs::write(&path, "some words").unwrap();
        refused(&path, None, &[&path], &["not a readable image"]);
    }
    // Among others it is found too.
    save(&sized(0, 40, 30), &images, "a.png");
    let bad = images.join("b.gif");
    fs::write(&bad, "GIF89a").unwrap();
    refused(&images, None, &[&bad], &["not a readable image"]);
}
