//! `foveate explain`: where a trained agent looks, in its episodes or in image files; and
//! where a pretrained vision transformer does.

use std::path::{Path, PathBuf};

use super::attention::Method;
use super::error::CliError;
use super::film::{DELAY_MS, Film};
use super::output::print;
use super::session::{Session, Trained, choose_modes_together};
use super::{stills, transformer};
use crate::agents::explain::Explainer;
use crate::config::Inputs;
use crate::envs::native::Mode;
use crate::gpu::Gpu;
use crate::media::animation::{Loops, write_gif};
use crate::media::image_file;

const EXAMPLES: &str = "\
Examples:
  foveate explain --run runs/reach
  foveate explain --run runs/reach --modes train,color-hard,video-hard --method gradient
  foveate explain --run runs/reach --images photos --out photos/explained
  foveate explain --run runs/multimae --method attention --data data/reach/frames.safetensors

Columns: what the agent sees (the newest frame of its stack), the attribution of Q to
the pixels (red raises, blue lowers), what the mask at quantile rho keeps, the mask
that the agent itself predicts (SGQN), and what is truly there (native worlds; grey is
background). Episodes become attention.gif, one row per mode: the agent acts in the
first, the others show the same moments. Each image file becomes FILE.attention.png.

With --method attention, each image becomes attention-NUMBER.png: the image, the attention
rollout of the global (class) token, and what each head of the last block looks at there;
attention.safetensors has these numbers for every block.";

/// Show where a trained agent looks: an animation of an episode, or image files.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of the run; for attention also one of foveate pretrain, or a weights file
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// What is shown
    #[arg(long, value_enum, default_value_t = Shown::Guided)]
    method: Shown,
    /// Explain these images instead of an episode: a PNG or JPEG file, or a folder of them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["modes", "episode_steps", "backgrounds"])]
    images: Option<PathBuf>,
    /// Where the pictures go; media/ in the run directory if absent
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Looks, one row each; train,video-hard as far as the environment has them if absent
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Agent steps of the episode to show, at most
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    episode_steps: u32,
    /// Folder of videos, GIFs or images for the backgrounds of the video modes; the run's own if absent
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    #[command(flatten)]
    transformer: transformer::Options,
}

/// What is shown of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shown {
    /// The value of the action credited to pixels by guided backpropagation, what SGQN
    /// trains with
    Guided,
    /// The same by the plain gradient
    Gradient,
    /// Where a vision transformer's attention goes, per head and rolled out: of a
    /// pretrained encoder, on the images in --data
    Attention,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let method = match arguments.method {
        Shown::Guided => Method::Guided,
        Shown::Gradient => Method::Gradient,
        Shown::Attention => {
            let (options, out) = (&arguments.transformer, arguments.out.as_deref());
            let written = transformer::explain(&session.gpu()?, &arguments.run, options, out)?;
            return print_paths(&written);
        }
    };
    if arguments.transformer.data.is_some() {
        return Err(CliError::NotForMethod {
            option: "data",
            method: method.title(),
            right: "--method attention; an agent's images are named with --images",
        });
    }
    let gpu = session.gpu()?;
    let trained = Trained::load(
        &gpu,
        &arguments.run,
        &arguments.backgrounds,
        &arguments.python,
    )?;
    let out = (arguments.out.clone()).unwrap_or_else(|| trained.directory.media());
    let written = match &arguments.images {
        Some(images) => of_images(&trained, method, images, &out)?,
        None => {
            let default = [Mode::Train, Mode::VideoHard];
            let modes = choose_modes_together(&trained.config.env, &arguments.modes, &default)?;
            let film = Film {
                trained: &trained,
                method,
                modes: &modes,
                steps: arguments.episode_steps as usize,
            };
            vec![of_episode(&gpu, &film, &out)?]
        }
    };
    print_paths(&written)
}

fn print_paths(written: &[PathBuf]) -> Result<(), CliError> {
    let lines: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    print(&lines.join("\n"))
}

/// Films an episode into `out`; gives the animation's path.
pub(super) fn of_episode(gpu: &Gpu, film: &Film, out: &Path) -> Result<PathBuf, CliError> {
    let frames = film.shoot(gpu)?;
    make_folder(out)?;
    let path = out.join(format!("attention{}.gif", film.method.suffix()));
    write_gif(&path, &frames, DELAY_MS, Loops::Forever)?;
    Ok(path)
}

/// Explains image files one by one, each into a PNG in `out`.
fn of_images(
    trained: &Trained,
    method: Method,
    images: &Path,
    out: &Path,
) -> Result<Vec<PathBuf>, CliError> {
    let files = image_file::list(images)?;
    let inputs = trained.config.inputs;
    if inputs != Inputs::Rgb {
        let run = trained.directory.root().to_path_buf();
        return Err(CliError::ImagesWithoutSaliency { run, inputs });
    }
    let explainer = Explainer::of_pixels(&trained.agent, 1, method.rule())?;
    let mut written = vec![];
    for file in files {
        let panel = stills::explain(trained, &explainer, method, &file)?;
        make_folder(out)?;
        // The whole name of the file: cat.png and cat.jpg may lie side by side.
        let mut name = file.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".attention{}.png", method.suffix()));
        let path = out.join(name);
        panel.save_png(&path)?;
        written.push(path);
    }
    Ok(written)
}

pub(super) fn make_folder(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path).map_err(|source| CliError::File {
        action: "make the folder",
        path: path.to_path_buf(),
        source,
    })
}
