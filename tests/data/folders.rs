//! Images and maps as files and in folders.

use std::fs;

use foveate::data::{DataError, ImageSet};
use foveate::media::Rgb8;
use foveate::media::animation::{Loops, write_gif};

use crate::{
    AREA, HEIGHT, WIDTH, chw, folder, grey, map, maps, npy, picture, refused, save, sized,
};

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
