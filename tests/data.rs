//! Sets of images: every kind of file that is read, and what is said of what is not.

use std::fs;
use std::path::{Path, PathBuf};

use foveate::data::{DataError, ImageSet, Moment, Recording};
use foveate::media::animation::{Loops, write_gif};
use foveate::media::{MediaError, Rgb8};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

/// Pictures of 4 rows and 6 columns.
const HEIGHT: usize = 4;
const WIDTH: usize = 6;
const AREA: usize = HEIGHT * WIDTH;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A picture in which every byte differs from its neighbours.
fn picture(i: usize) -> Rgb8 {
    sized(i, WIDTH, HEIGHT)
}

fn sized(i: usize, width: usize, height: usize) -> Rgb8 {
    let bytes = (0..3 * width * height).map(|j| (41 * i + 7 * j) as u8);
    Rgb8::new(width, height, bytes.collect()).unwrap()
}

fn grey(i: usize) -> Rgb8 {
    let bytes = map(i).into_iter().flat_map(|v| [v; 3]);
    Rgb8::new(WIDTH, HEIGHT, bytes.collect()).unwrap()
}

fn map(i: usize) -> Vec<u8> {
    (0..AREA).map(|j| (90 * i + 11 * j) as u8).collect()
}

fn save(picture: &Rgb8, folder: &Path, name: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    picture.save_png(&path).unwrap();
    path
}

/// A file as `numpy.save` writes it.
fn npy(path: &Path, descr: &str, shape: &[usize], body: &[u8]) {
    let shape: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let mut head = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}")
        .into_bytes();
    head.resize((head.len() + 11).next_multiple_of(64) - 11, b' ');
    head.push(b'\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head);
    bytes.extend(body);
    fs::write(path, bytes).unwrap();
}

type Tensor<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

fn tensors(path: &Path, tensors: &[Tensor]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn hwc(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| picture(i).into_data()).collect()
}

fn chw(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| picture(i).to_chw()).collect()
}

fn maps(count: usize) -> Vec<u8> {
    (0..count).flat_map(map).collect()
}

#[track_caller]
fn refused(images: &Path, saliency: Option<&Path>, named: &[&Path], said: &[&str]) -> DataError {
    let error = ImageSet::read(images, saliency).unwrap_err();
    let message = error.to_string();
    for path in named {
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
    for text in said {
        assert!(message.contains(text), "no '{text}' in: {message}");
    }
    assert!(error.is_user_mistake(), "{message}");
    error
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = folder();
    for (i, name) in [(1, "b.PNG"), (0, "a.png"), (2, "c.jpg")] {
        // Content decides, not the name.
        save(&picture(i), folder.path(), name);
    }
    fs::write(folder.path().join("notes.txt"), "no image").unwrap();
    fs::create_dir(folder.path().join("d.png")).unwrap();
    let set = ImageSet::read(folder.path(), None).unwrap();
    assert_eq!(
        (set.count(), set.channels(), set.height(), set.width()),
        (3, 3, HEIGHT, WIDTH)
    );
    assert_eq!(set.pixels(), chw(3));
    assert_eq!(set.image(2), Some(&picture(2).to_chw()[..]));
    assert_eq!(set.image(3), None);
    assert!(!set.has_saliency() && set.saliency(0).is_none());

    let flat = image::RgbImage::from_pixel(8, 8, image::Rgb([40, 120, 200]));
    let jpeg = folder.path().join("photo.jpeg");
    flat.save(&jpeg).unwrap();
    let set = ImageSet::read(&jpeg, None).unwrap();
    assert_eq!((set.count(), set.height(), set.width()), (1, 8, 8));
    let near = |range: std::ops::Range<usize>, right: u8| {
        set.pixels()[range].iter().all(|v| v.abs_diff(right) < 4)
    };
    assert!(near(0..64, 40) && near(64..128, 120) && near(128..192, 200));
}

#[test]
fn every_frame_of_an_animation_is_an_image() {
    let folder = folder();
    let films: Vec<Rgb8> = (0..3).map(picture).collect();
    let gif = folder.path().join("b.gif");
    write_gif(&gif, &films, 100, Loops::Forever).unwrap();
    let set = ImageSet::read(&gif, None).unwrap();
    assert_eq!(set.pixels(), chw(3));

    save(&picture(7), folder.path(), "a.png");
    save(&picture(8), folder.path(), "c.png");
    let set = ImageSet::read(folder.path(), None).unwrap();
    assert_eq!(set.count(), 5);
    assert_eq!(set.image(0), Some(&picture(7).to_chw()[..]));
    assert_eq!(set.image(3), Some(&picture(2).to_chw()[..]));
    assert_eq!(set.image(4), Some(&picture(8).to_chw()[..]));
}

#[test]
fn maps_are_matched_by_stem() {
    let folder = folder();
    let (images, saliency) = (folder.path().join("images"), folder.path().join("saliency"));
    for (i, name) in ["a.png", "a.b.png", "c.png"].iter().enumerate() {
        save(&picture(i), &images, name);
    }
    // In order of whole names "a.b.png" is before "a.png" and behind "a.GIF".
    save(&grey(0), &saliency, "a.GIF");
    save(&grey(1), &saliency, "a.b.jpg");
    save(&grey(2), &saliency, "c.png");
    let set = ImageSet::read(&images, Some(&saliency)).unwrap();
    assert_eq!(set.image(0), Some(&picture(1).to_chw()[..]));
    assert_eq!(set.saliency(0), Some(&map(1)[..]));
    assert_eq!(set.saliency(1), Some(&map(0)[..]));
    assert_eq!(set.saliency(2), Some(&map(2)[..]));
    assert_eq!(set.saliency_pixels().unwrap().len(), 3 * AREA);
}

#[test]
fn an_animation_needs_a_map_for_each_frame() {
    let folder = folder();
    let (images, saliency) = (folder.path().join("images"), folder.path().join("saliency"));
    save(&picture(0), &images, "a.png");
    save(&grey(0), &saliency, "a.png");
    let film = |i: usize, n: usize| (i..i + n).map(grey).collect::<Vec<_>>();
    write_gif(&images.join("b.gif"), &film(1, 2), 50, Loops::Forever).unwrap();
    let of_film = saliency.join("b.gif");
    write_gif(&of_film, &film(3, 2), 50, Loops::Forever).unwrap();
    let set = ImageSet::read(&images, Some(&saliency)).unwrap();
    assert_eq!((set.count(), set.saliency(2)), (3, Some(&map(4)[..])));

    // As many in all, but not of each.
    write_gif(&of_film, &film(3, 1), 50, Loops::Forever).unwrap();
    write_gif(&saliency.join("a.gif"), &film(0, 2), 50, Loops::Forever).unwrap();
    fs::remove_file(saliency.join("a.png")).unwrap();
    let error = refused(
        &images,
        Some(&saliency),
        &[&saliency.join("a.gif"), &images.join("a.png")],
        &["2 saliency maps", "1 images"],
    );
    assert!(matches!(error, DataError::Count { .. }), "{error}");
}

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
fn what_is_no_set_is_named() {
    let folder = folder();
    let root = folder.path();
    let missing = root.join("missing");
    let error = refused(&missing, None, &[&missing], &["images", "folder", ".npy"]);
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    let one = save(&picture(0), &root.join("one"), "a.png");
    let error = refused(&one, Some(&missing), &[&missing], &["saliency maps"]);
    assert!(matches!(error, DataError::Missing { .. }), "{error}");

    let empty = root.join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("a.txt"), "").unwrap();
    let error = refused(&empty, None, &[&empty], &["no images", ".png"]);
    assert!(matches!(error, DataError::Empty { .. }), "{error}");
    let error = refused(&one, Some(&empty), &[&empty], &["no saliency maps"]);
    assert!(matches!(error, DataError::Empty { .. }), "{error}");

    let other = root.join("set.tar");
    fs::write(&other, "x").unwrap();
    let error = refused(&other, None, &[&other], &[".safetensors"]);
    assert!(matches!(error, DataError::UnknownKind { .. }), "{error}");
}

#[test]
fn images_of_several_sizes_are_named() {
    let folder = folder();
    let images = folder.path().join("images");
    let first = save(&picture(0), &images, "a.png");
    save(&picture(1), &images, "b.png");
    let wide = save(&sized(2, WIDTH + 1, HEIGHT), &images, "c.png");
    let error = refused(&images, None, &[&wide, &first], &["4×7", "4×6"]);
    assert!(matches!(error, DataError::Size { .. }), "{error}");

    // Maps of one size, but not that of the images.
    fs::remove_file(&wide).unwrap();
    let saliency = folder.path().join("saliency");
    let large = Rgb8::filled(2 * WIDTH, 2 * HEIGHT, [9; 3]).unwrap();
    save(&large, &saliency, "a.png");
    save(&large, &saliency, "b.png");
    let error = refused(&images, Some(&saliency), &[&saliency], &["8×12", "4×6"]);
    assert!(matches!(error, DataError::Size { .. }), "{error}");
}

#[test]
fn a_map_that_lacks_or_is_too_many_is_named() {
    let folder = folder();
    let (images, saliency) = (folder.path().join("images"), folder.path().join("saliency"));
    for name in ["a.png", "b.png", "c.png"] {
        save(&picture(0), &images, name);
    }
    save(&grey(0), &saliency, "b.png");
    let error = refused(
        &images,
        Some(&saliency),
        &[&images.join("a.png"), &saliency],
        &["no saliency map", "a.png", "2 images"],
    );
    assert!(matches!(error, DataError::NoMap { .. }), "{error}");

    save(&grey(0), &saliency, "a.png");
    save(&grey(0), &saliency, "c.png");
    let extra = save(&grey(0), &saliency, "d.png");
    let error = refused(&images, Some(&saliency), &[&extra, &images], &["d.png"]);
    assert!(matches!(error, DataError::NoImage { .. }), "{error}");

    fs::remove_file(extra).unwrap();
    let twice = save(&grey(0), &saliency, "c.jpg");
    let error = refused(
        &images,
        Some(&saliency),
        &[&twice, &saliency.join("c.png")],
        &["stem"],
    );
    assert!(matches!(error, DataError::StemTwice { .. }), "{error}");

    let few = folder.path().join("few.npy");
    npy(&few, "|u1", &[2, HEIGHT, WIDTH], &maps(2));
    let error = refused(
        &images,
        Some(&few),
        &[&few, &images],
        &["2 saliency maps", "3 images"],
    );
    assert!(matches!(error, DataError::Count { .. }), "{error}");
}

#[test]
fn a_map_in_colour_is_named() {
    let folder = folder();
    let one = save(&picture(0), &folder.path().join("images"), "a.png");
    let mut heat = grey(0);
    heat.set(5, 2, [200, 40, 0]);
    let coloured = save(&heat, folder.path(), "heat.png");
    let error = refused(
        &one,
        Some(&coloured),
        &[&coloured],
        &["red 200", "row 2", "column 5"],
    );
    assert!(matches!(error, DataError::Colour { .. }), "{error}");
    // What a lossy file does to grey is no colour.
    heat.set(5, 2, [103, 100, 98]);
    save(&heat, folder.path(), "heat.png");
    let set = ImageSet::read(&one, Some(&coloured)).unwrap();
    assert_eq!(set.saliency(0).unwrap()[2 * WIDTH + 5], 100);
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

#[test]
fn patches_that_do_not_divide_are_answered_with_those_that_do() {
    let folder = folder();
    let one = save(&sized(0, 24, 36), folder.path(), "a.png");
    let set = ImageSet::read(&one, None).unwrap();
    for patch in [1, 2, 3, 4, 6, 12] {
        set.check_patch(patch).unwrap();
    }
    for (patch, said) in [
        (8, "1, 2, 3, 4, 6, 12, or resize them to 40×24"),
        (7, "or resize them to 35×21"),
        (16, "or resize them to 32×32"),
        (100, "or resize them to 100×100"),
        (0, "patches that do: 1, 2, 3, 4, 6, 12"),
    ] {
        let error = set.check_patch(patch).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, DataError::Patch { .. }), "{message}");
        assert!(error.is_user_mistake());
        for text in [one.to_str().unwrap(), "36×24", said] {
            assert!(message.contains(text), "no '{text}' in: {message}");
        }
    }
}

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
        assert!(!error.is_user_mistake());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}
