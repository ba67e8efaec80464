//! Sets of images: every kind of file that is read, and what is said of what is not.

mod arrays;
mod folders;
mod recordings;

use std::fs;
use std::path::{Path, PathBuf};

use foveate::data::{DataError, ImageSet};
use foveate::media::Rgb8;
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
