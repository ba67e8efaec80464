//! Attention maps of a vision transformer on images: a sheet for each, and the numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::episode::Work;
use super::error::CliError;
use super::explain::make_folder;
use crate::config::{Config, Inputs};
use crate::data::ImageSet;
use crate::gpu::Gpu;
use crate::media::Rgb8;
use crate::media::colormap::{Scale, heat_overlay};
use crate::media::panel::PanelGrid;
use crate::pretrained::{
    Architecture, AttentionProgram, EncoderOptions, ImageAttention, PretrainedEncoder,
};
use crate::run::RunDirectory;

/// What only attention maps need.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// With --method attention: images of the encoder's size, a folder of PNG, JPEG or GIF
    /// files, a .safetensors or a .npy file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["images", "modes", "episode_steps", "every", "at", "show", "raw", "backgrounds", "python"])]
    pub data: Option<PathBuf>,
    /// Saliency maps of these images, if they are not in the same file and the encoder
    /// takes such
    #[arg(long, value_name = "PATH", requires = "data")]
    saliency: Option<PathBuf>,
    /// Images of these to show, evenly spread
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..), requires = "data")]
    count: u32,
    /// Heads of the encoder, where a weights file does not tell
    #[arg(long, value_name = "N", requires = "data")]
    heads: Option<usize>,
    /// Side of its images in pixels, where a weights file does not tell or another is wanted
    #[arg(long, value_name = "N", requires = "data")]
    image_size: Option<usize>,
}

/// Fewer sheets are drawn at a glance: a bar would only flicker.
const GLANCE: usize = 50;

/// Shows the attention of the encoder in `run`: a run of `foveate pretrain`, a weights
/// file, or the run of an agent that sees through a frozen encoder. Gives the paths of what was written.
pub(super) fn explain(
    gpu: &Gpu,
    run: &Path,
    options: &Options,
    out: Option<&Path>,
    quiet: bool,
) -> Result<Vec<PathBuf>, CliError> {
    let Opened { encoder, inputs } = open(gpu, run, options)?;
    let side = encoder.image_size();
    let data = options.data.as_deref().ok_or(CliError::NoData { side })?;
    let set = ImageSet::read(data, options.saliency.as_deref())?;
    let (height, width) = (set.height(), set.width());
    if [height, width] != [side, side] {
        let square = height == width && height.is_multiple_of(encoder.patch());
        return Err(CliError::OtherImages {
            data: data.to_path_buf(),
            height,
            width,
            run: run.to_path_buf(),
            side,
            would_do: square && matches!(encoder.architecture(), Architecture::MultiMae(_)),
        });
    }
    let out = match (out, RunDirectory::open(run)) {
        (Some(out), _) => out.to_path_buf(),
        (None, Ok(directory)) => directory.media(),
        (None, Err(_)) => {
            let run = run.to_path_buf();
            return Err(CliError::NoOut { run });
        }
    };
    let modalities = match (inputs, set.has_saliency()) {
        (Some(Inputs::RgbAndSaliency), false) => {
            return Err(CliError::NoSaliency {
                path: data.to_path_buf(),
                needs: format!("the agent in '{}'", run.display()),
                hint: "name them with --saliency DIR",
            });
        }
        (None | Some(Inputs::RgbAndSaliency), true) => encoder.modalities().len(),
        _ => 1,
    };
    make_folder(&out)?;
    let program = AttentionProgram::new(gpu, &encoder, modalities)?;
    let shown = set.count().min(options.count as usize);
    let indices: Vec<usize> = (0..shown).map(|i| i * set.count() / shown).collect();
    let (mut maps, mut written) = (vec![], vec![]);
    let mut work = Work::new(shown, GLANCE, quiet);
    for &index in &indices {
        let scene = Scene::of(&set, index, modalities);
        let map = program.run(&scene.inputs())?;
        let path = out.join(format!("attention-{index:06}.png"));
        sheet(&encoder, &scene, &map, index)?.save_png(&path)?;
        written.push(path);
        maps.push(map);
        work.advance(1);
    }
    work.finish();
    let path = out.join("attention.safetensors");
    program.save(&path, &maps, &notes(&encoder, modalities, &indices))?;
    written.push(path);
    Ok(written)
}

/// An encoder, and what of frames an agent gives it; of none it is all that there is.
struct Opened {
    encoder: PretrainedEncoder,
    inputs: Option<Inputs>,
}

fn open(gpu: &Gpu, run: &Path, options: &Options) -> Result<Opened, CliError> {
    let (mut weights, mut inputs) = (run.to_path_buf(), None);
    if let Ok(directory) = RunDirectory::open(run) {
        let kept = directory.encoder();
        match Config::read(&directory.config()) {
            Ok(config) => {
                let Some(original) = config.encoder.weights() else {
                    let run = run.to_path_buf();
                    return Err(CliError::NoTransformer { run });
                };
                inputs = Some(config.inputs);
                // An agent keeps a copy in its run, once it has begun.
                weights = match kept.exists() {
                    true => kept,
                    false => original.to_path_buf(),
                };
            }
            // Nobody knows what this agent sees.
            Err(error) if kept.exists() => return Err(error.into()),
            // A run of pretraining.
            Err(_) => {}
        }
    }
    let options = EncoderOptions {
        heads: options.heads,
        image_size: options.image_size,
    };
    Ok(Opened {
        encoder: PretrainedEncoder::open_with(gpu, &weights, &options)?,
        inputs,
    })
}

/// What stands in the metadata of the raw maps: which images, and which tokens are what.
fn notes(
    encoder: &PretrainedEncoder,
    modalities: usize,
    indices: &[usize],
) -> BTreeMap<&'static str, String> {
    let mut tokens: Vec<String> = (encoder.modalities().iter().enumerate())
        .take(modalities)
        .map(|(i, modality)| {
            let places = encoder.patch_tokens(i);
            format!("{} {}..{}", modality.name, places.start, places.end)
        })
        .collect();
    let name = whole_name(encoder);
    tokens.push(format!("{name} {}", encoder.whole_token(modalities)));
    let images: Vec<String> = indices.iter().map(usize::to_string).collect();
    BTreeMap::from([("images", images.join(",")), ("tokens", tokens.join(", "))])
}

/// What the token that stands for the whole is called.
fn whole_name(encoder: &PretrainedEncoder) -> &'static str {
    match encoder.architecture() {
        Architecture::Mae(_) => "class token",
        Architecture::MultiMae(_) => "global token",
    }
}

/// One of the images, with its map if the encoder sees that too.
struct Scene {
    /// Bytes [3, S, S], and [1, S, S] of the map.
    images: Vec<Vec<f32>>,
    pictures: Vec<Vec<u8>>,
}

impl Scene {
    fn of(set: &ImageSet, index: usize, modalities: usize) -> Scene {
        let colours = |bytes: &[u8]| match bytes.len() == set.height() * set.width() {
            true => bytes.repeat(3),
            false => bytes.to_vec(),
        };
        let image = set.image(index).unwrap_or_default();
        let map = set.saliency(index).unwrap_or_default();
        let floats = |bytes: &[u8]| bytes.iter().map(|&b| f32::from(b)).collect();
        let mut scene = Scene {
            images: vec![floats(&colours(image)), floats(map)],
            pictures: vec![colours(image), colours(map)],
        };
        scene.images.truncate(modalities);
        scene.pictures.truncate(modalities);
        scene
    }

    fn inputs(&self) -> Vec<&[f32]> {
        self.images.iter().map(Vec::as_slice).collect()
    }
}

/// A row for each of a scene's images: the image, the rollout, and every head of the last
/// block. Colours of a column have one scale: its largest share is the brightest.
fn sheet(
    encoder: &PretrainedEncoder,
    scene: &Scene,
    map: &ImageAttention,
    index: usize,
) -> Result<Rgb8, CliError> {
    let (side, depth, heads) = (encoder.image_size(), encoder.depth(), encoder.heads());
    let tokens = map.rollout.len();
    let last = &map.heads[(depth - 1) * heads * tokens..];
    let mut views: Vec<&[f32]> = vec![&map.rollout];
    views.extend(last.chunks_exact(tokens));
    let places = || (0..scene.images.len()).map(|i| encoder.patch_tokens(i));
    let largest = |view: &[f32]| {
        let values = places().flat_map(|range| &view[range]);
        values.fold(0.0f32, |most, &v| most.max(v))
    };
    let mut columns = vec![
        "input".to_string(),
        format!("rollout, largest {:.3}", largest(&map.rollout)),
    ];
    for (head, view) in views[1..].iter().enumerate() {
        columns.push(format!(
            "block {depth}, head {}, largest {:.3}",
            head + 1,
            largest(view)
        ));
    }
    let mut cells = vec![];
    for (picture, range) in scene.pictures.iter().zip(places()) {
        let picture = Rgb8::from_chw(picture, side, side)?;
        cells.push(Some(picture.clone()));
        for view in &views {
            let pixels = upsampled(&view[range.clone()], side, encoder.patch());
            let scale = Scale::Fixed(largest(view));
            cells.push(Some(heat_overlay(&picture, &pixels, scale)?));
        }
    }
    let rows = (encoder.modalities().iter().take(scene.images.len()))
        .map(|modality| match modality.name.as_str() {
            "rgb" => "RGB".to_string(),
            name => name.to_string(),
        })
        .collect();
    let name = whole_name(encoder);
    let own = map.rollout[encoder.whole_token(scene.images.len())];
    let grid = PanelGrid {
        columns,
        rows,
        cells,
        caption: format!(
            "image {index}: the share of each patch in the {name}; by rollout {own:.3} is the token's own"
        ),
        legends: vec![],
    };
    Ok(grid.render()?)
}

/// Values of patches [S / patch]² on pixels [S, S].
fn upsampled(values: &[f32], side: usize, patch: usize) -> Vec<f32> {
    let across = side / patch;
    (0..side * side)
        .map(|i| values[i / side / patch * across + i % side / patch])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_cover_their_pixels() {
        let pixels = upsampled(&[1.0, 2.0, 3.0, 4.0], 4, 2);
        let rows = [[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]];
        assert_eq!(pixels, [rows[0], rows[0], rows[1], rows[1]].concat());
    }
}
