//! Saliency of any network on any image: which pixels a small convolutional network
//! looks at, by the plain gradient and by guided backpropagation.
//!
//! ```text
//! cargo run --release --example guided_backprop                       a drawn picture
//! cargo run --release --example guided_backprop -- photo.jpg          yours
//! cargo run --release --example guided_backprop -- photo.jpg out.png  into this file
//! ```
//!
//! The network has weights made by hand, so that one knows what it ought to look at: a
//! filter for red, then eight filters for edges of eight directions, then the mean of
//! them all. Its score counts outlines of red things; it is blind to all others. Any
//! other network that is recorded on a tape is explained in the same way. It has no
//! dense layer, so that it takes a picture of any shape that is larger than its filters:
//! yours is resized to 192 pixels along its longer side, and neither cropped, padded nor
//! stretched.

use std::f32::consts::{PI, TAU};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use foveate::gpu::{Gpu, GpuOptions};
use foveate::media::colormap::{Scale, Sequential, magnitude, strongest_channel};
use foveate::media::image_file;
use foveate::media::panel::PanelGrid;
use foveate::media::{MediaError, Rgb8};
use foveate::ops::Conv2dOptions;
use foveate::saliency::attribution;
use foveate::tape::{Gradient, Tape, TapeError, Tensor, Var};

/// The longer side of the picture in pixels.
const SIDE: usize = 192;
/// Side of an edge filter and their number; filter i looks along i/8 of a full turn.
const EDGE: usize = 7;
const EDGES: usize = 8;
/// Side of the neighbourhood over which edges are averaged.
const MEAN: usize = 5;

/// Gaussian derivatives in eight directions, f32[8, 1, 7, 7].
fn edge_filters() -> Vec<f32> {
    let middle = (EDGE / 2) as f32;
    let mut weights = vec![];
    for filter in 0..EDGES {
        let (sin, cos) = (TAU * filter as f32 / EDGES as f32).sin_cos();
        for at in 0..EDGE * EDGE {
            let x = (at % EDGE) as f32 - middle;
            let y = (at / EDGE) as f32 - middle;
            let bell = (-(x * x + y * y) / 4.0).exp();
            weights.push((x * cos + y * sin) * bell / 4.0);
        }
    }
    weights
}

/// The score of a picture f32[1, 3, H, W] in 0..1.
fn network(tape: &Tape, picture: &Var) -> Result<Var, TapeError> {
    let red = tape.constant(&[1, 3, 1, 1], &[1.0, -0.5, -0.5])?;
    let edges = tape.constant(&[EDGES, 1, EDGE, EDGE], &edge_filters())?;
    let mean = 1.0 / (EDGES * MEAN * MEAN) as f32;
    let mean = tape.full(&[1, EDGES, MEAN, MEAN], mean);
    // What is below the threshold, a bias, does not count.
    let threshold = |channels: usize, value: f32| tape.full(&[channels], -value);
    let stride = |stride: usize| Conv2dOptions {
        stride,
        ..Default::default()
    };
    picture
        .conv2d(&red, Some(&threshold(1, 0.1)), stride(1))?
        .relu()?
        .conv2d(&edges, Some(&threshold(EDGES, 0.1)), stride(1))?
        .relu()?
        .conv2d(&mean, Some(&threshold(1, 0.01)), stride(2))?
        .relu()?
        .sum_all()
}

/// A disc and a square before a soft gradient.
fn drawing() -> Result<Rgb8, MediaError> {
    let mut picture = Rgb8::filled(SIDE, SIDE, [0; 3])?;
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (u, v) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
            let in_disc = (u - 0.3).hypot(v - 0.35) < 0.18;
            // In the square's own axes, which are tilted by 18 degrees.
            let (sin, cos) = (PI / 10.0).sin_cos();
            let (a, b) = (u - 0.68, v - 0.65);
            let (a, b) = (a * cos + b * sin, b * cos - a * sin);
            let in_square = a.abs().max(b.abs()) < 0.17;
            let colour = if in_disc {
                [216, 96, 72]
            } else if in_square {
                [40, 88, 152]
            } else {
                [190.0 + 40.0 * u, 200.0 + 30.0 * v, 210.0].map(|c| c as u8)
            };
            picture.set(x, y, colour);
        }
    }
    Ok(picture)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", foveate::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> foveate::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let picture = match arguments.next() {
        Some(file) => image_file::resize_within(&image_file::read(&file)?, SIDE)?,
        None => drawing()?,
    };
    let out = (arguments.next()).unwrap_or_else(|| "guided_backprop.png".into());

    let gpu = Gpu::new_blocking(GpuOptions::default())?;
    let tape = Tape::new();
    let (height, width) = (picture.height(), picture.width());
    let pixels = tape.input("pixels", Tensor::f32(&[1, 3, height, width]));
    let score = network(&tape, &pixels)?;
    tape.output("score", &score);
    // An attribution map is a gradient, and a gradient is an ordinary value.
    for (name, rule) in [("gradient", Gradient::True), ("guided", Gradient::Guided)] {
        tape.output(name, &attribution(&tape, &score, &pixels, rule)?);
    }
    let program = tape.compile(&gpu)?;

    let values: Vec<f32> = (picture.to_chw().iter())
        .map(|&byte| f32::from(byte) / 255.0)
        .collect();
    program.write("pixels", &values)?;
    program.run()?;

    let show = |name: &str| -> foveate::Result<Option<Rgb8>> {
        let map: Vec<f32> = program.read_blocking(name)?;
        let map = strongest_channel(&map, 3, height, width)?;
        let scale = Scale::Quantile(0.995);
        let drawn = magnitude(&map, height, width, scale, Sequential::Inferno)?;
        Ok(Some(drawn))
    };
    let score: Vec<f32> = program.read_blocking("score")?;
    let grid = PanelGrid {
        columns: ["picture", "gradient", "guided backpropagation"]
            .map(String::from)
            .to_vec(),
        rows: vec![String::new()],
        cells: vec![Some(picture), show("gradient")?, show("guided")?],
        caption: format!("score {:.1}", score[0]),
        ..Default::default()
    };
    save(&grid.render()?, &out)
}

fn save(picture: &Rgb8, path: &Path) -> foveate::Result<()> {
    picture.save_png(path)?;
    println!("{}", path.display());
    Ok(())
}
