//! `foveate explain`: where a trained agent looks, in its episodes or in image files.

use std::path::{Path, PathBuf};

use super::attention::Method;
use super::error::CliError;
use super::film::{DELAY_MS, Film};
use super::output::print;
use super::session::{Session, Trained, choose_modes};
use super::stills;
use crate::agents::explain::Explainer;
use crate::envs::native::Mode;
use crate::gpu::Gpu;
use crate::media::animation::{Loops, write_gif};
use crate::media::image_file;

const EXAMPLES: &str = "\
Examples:
  foveate explain --run runs/reach
  foveate explain --run runs/reach --modes train,color-hard,video-hard --method gradient
  foveate explain --run runs/reach --images photos --out photos/explained

Columns: what the agent sees (the newest frame of its stack), the attribution of Q to
the pixels (red raises, blue lowers), what the mask at quantile rho keeps, the mask
that the agent itself predicts (SGQN), and what is truly there (native worlds; grey is
background). Episodes become attention.gif, one row per mode: the agent acts in the
first, the others show the same moments. Each image file becomes FILE.attention.png.";

/// Show where a trained agent looks: an animation of an episode, or image files.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// How pixels are credited with the value of the action
    #[arg(long, value_enum, default_value_t = Method::Guided)]
    method: Method,
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
    /// Folder of images for the backgrounds of the video modes; the run's own if absent
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// Python with dm_control, for real environments [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let gpu = session.gpu()?;
    let trained = Trained::load(
        &gpu,
        &arguments.run,
        &arguments.backgrounds,
        &arguments.python,
    )?;
    let out = (arguments.out.clone()).unwrap_or_else(|| trained.directory.media());
    let written = match &arguments.images {
        Some(images) => of_images(&trained, arguments.method, images, &out)?,
        None => {
            let default = [Mode::Train, Mode::VideoHard];
            let modes = choose_modes(&trained.config.env, &arguments.modes, &default)?;
            let film = Film {
                trained: &trained,
                method: arguments.method,
                modes: &modes,
                steps: arguments.episode_steps as usize,
            };
            vec![of_episode(&gpu, &film, &out)?]
        }
    };
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

fn make_folder(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path).map_err(|source| CliError::File {
        action: "make the folder",
        path: path.to_path_buf(),
        source,
    })
}
