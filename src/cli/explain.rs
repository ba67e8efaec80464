//! `foveate explain`: where trained agents look, in an episode or in image files, by
//! several methods, and how that compares with the truth; and where a pretrained vision
//! transformer looks.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::attention::{Empty, Newest};
use super::episode::{Episode, GLANCE, Moment, Moments, Work};
use super::error::CliError;
use super::film::{self, DELAY_MS};
use super::grid::{self, Cells, Row};
use super::method::{self, Shown};
use super::output::{note, print};
use super::raw::Raw;
use super::scoring::{self, Scores};
use super::session::{Session, Trained, choose_modes_together};
use super::stills::Still;
use super::transformer;
use crate::agents::explain::Explainer;
use crate::config::Inputs;
use crate::envs::native::Mode;
use crate::files::MAKE_FOLDER;
use crate::gpu::Gpu;
use crate::media::animation::{Loops, write_gif};
use crate::media::image_file;
use crate::saliency::Method;

const EXAMPLES: &str = "\
Examples:
  foveate explain --run runs/reach
  foveate explain --run runs/reach --modes train,color-hard,video-hard --method occlusion
  foveate explain --run runs/reach --images photos --method rise --out photos/explained
  foveate explain --run runs/reach --run runs/demo --modes video-hard \\
      --method guided,guided-gradcam,occlusion,rise --show mask
  foveate explain --run runs/reach --run runs/demo --method guided,rise --score --csv
  foveate explain --run runs/multimae --method attention --data data/reach/frames.safetensors

One run and one method: columns are what the agent sees (the newest frame of its stack),
the attribution of Q to the pixels (red raises, blue lowers), what the mask at quantile
rho keeps (nothing where the whole map is 0), the mask that the agent itself predicts (SGQN), and what is truly there (native
worlds; a legend says which colour is what). Episodes become attention.gif, one row per mode: the agent
acts in the first, the others show the same moments; with --at they become one PNG for
each step. Each image file becomes FILE.attention.png.

Several runs or methods, or --show: a grid.png for each step (--at, or --episode-steps and
--every; step 10 if none of them is given, the last of a shorter episode) or image file,
methods beside each other; agents below each other, one grid per mode, or of one agent its
modes. The first agent acts, the others see the same moments.

--raw also writes maps.safetensors: all maps as numbers, with shapes and units in its
metadata. --score writes no pictures: it compares maps and masks with the true pixels of
body and goal, over the moments of an episode, and prints the mean pointing game, precision
and recall of the mask at quantile rho, and area under the ROC curve; chance is the share
of true pixels. A map that is 0 everywhere is a miss: it points at nothing and its mask
keeps nothing, so pointing game, precision and recall are 0, and the area is 0.5; empty is
how many of the moments have one.

Occlusion and RISE ask the agent about many changed pictures, and the plain gradient goes
through whatever it sees with: these are for every agent, also on frozen encoders. Guided
backpropagation and Grad-CAM are about an agent's convolutions.

With --method attention, each image becomes attention-NUMBER.png: the image, the attention
rollout of the global (class) token, and what each head of the last block looks at there;
attention.safetensors has these numbers for every block.";

/// Show where trained agents look: an episode or image files, by several methods, or
/// scores against the truth.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of a run, once for each agent; for attention also one of foveate
    /// pretrain, or a weights file
    #[arg(long, value_name = "DIR", required = true)]
    run: Vec<PathBuf>,
    /// What is shown, one or several
    #[arg(
        long,
        value_enum,
        value_name = "METHOD,…",
        value_delimiter = ',',
        default_value = "guided"
    )]
    method: Vec<Shown>,
    /// Explain these images instead of an episode: a PNG or JPEG file, or a folder of them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["modes", "episode_steps", "backgrounds"])]
    images: Option<PathBuf>,
    /// Where the pictures go; media/ in the (first) run's directory if absent
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Looks, one row each; of dm_control one at a time. If absent train,video-hard of native
    /// worlds, else train
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Agent steps of the episode to show, at most [default: 60]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    episode_steps: Option<u32>,
    /// Of these steps explain every so many [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "images", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Explain these agent steps, from 0, as pictures instead of an animation
    #[arg(long, value_name = "STEP,…", value_delimiter = ',', conflicts_with_all = ["images", "episode_steps", "every"])]
    at: Vec<usize>,
    /// What the cells of a grid show of the maps [default: overlay]
    #[arg(long, value_enum, conflicts_with = "score")]
    show: Option<Cells>,
    /// Write the maps themselves too
    #[arg(long)]
    raw: bool,
    /// Compare with the true pixels of body and goal, in native worlds
    #[arg(long, conflicts_with_all = ["images", "data"])]
    score: bool,
    /// Print the scores as JSON
    // clap waives a requirement that another option forbids, so those are named again.
    #[arg(long, requires = "score", conflicts_with_all = ["images", "data", "show"])]
    json: bool,
    /// Print the scores as comma-separated values
    #[arg(long, requires = "score", conflicts_with_all = ["json", "images", "data", "show"])]
    csv: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
    /// Folder of backgrounds for the video modes; the run's own if absent. Either videos and
    /// GIFs, each a clip, or PNG and JPEG files, together one clip; both are refused
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    #[command(flatten)]
    options: method::Options,
    #[command(flatten)]
    transformer: transformer::Options,
}

/// The step that a grid shows unless told otherwise: things have begun to move.
const GRID_STEP: usize = 10;
/// Agent steps of an episode that are shown unless told otherwise.
const EPISODE_STEPS: u32 = 60;

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    arguments.options.check(&arguments.method)?;
    if let ([Shown::Attention], [run]) = (&arguments.method[..], &arguments.run[..]) {
        let (options, out) = (&arguments.transformer, arguments.out.as_deref());
        let quiet = arguments.quiet;
        let written = transformer::explain(&session.gpu()?, run, options, out, quiet)?;
        return print_paths(&written);
    }
    let methods = arguments.options.methods(&arguments.method)?;
    if arguments.transformer.data.is_some() {
        return Err(CliError::NotForMethod {
            option: "data",
            method: methods.first().map_or("", Method::name),
            right: "--method attention; an agent's images are named with --images",
        });
    }
    if arguments.score {
        arguments
            .run
            .iter()
            .try_for_each(|run| scoring::check(run))?;
    }
    let gpu = session.gpu()?;
    let (backgrounds, python) = (&arguments.backgrounds, &arguments.python);
    let mut runs = vec![];
    for run in &arguments.run {
        let trained = Trained::load(&gpu, run, backgrounds, python)?;
        method::check(&methods, &trained)?;
        runs.push(trained);
    }
    let out = (arguments.out.clone())
        .or_else(|| Some(runs.first()?.directory.media()))
        .unwrap_or_default();
    let asked = Asked {
        gpu: &gpu,
        arguments,
        labels: method::labels(&runs),
        runs: &runs,
        methods: &methods,
        out: &out,
    };
    match (&arguments.images, arguments.score) {
        (Some(images), _) => print_paths(&asked.of_images(images)?),
        (None, true) => asked.scores(),
        (None, false) => print_paths(&asked.of_episode()?),
    }
}

/// Says of how many frames nothing is kept, since no pixel of them matters.
fn say_empty(empty: Empty) {
    if let Some(words) = empty.words() {
        note(&format!("{words}: nothing is kept by the mask there"));
    }
}

fn print_paths(written: &[PathBuf]) -> Result<(), CliError> {
    let lines: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    print(&lines.join("\n"))
}

/// Films what the first agent makes of an episode by the first method into `out`; gives
/// the animation's path.
pub(super) fn film_of(
    gpu: &Gpu,
    episode: &Episode,
    out: &Path,
    quiet: bool,
    each: &mut dyn FnMut(&Moment) -> Result<(), CliError>,
) -> Result<PathBuf, CliError> {
    let mut frames = vec![];
    let (trained, method) = (&episode.runs[0], &episode.methods[0]);
    episode.watch(gpu, quiet, &mut |moment| {
        frames.push(film::panel(trained, method, episode.modes, moment)?);
        each(moment)
    })?;
    make_folder(out)?;
    let path = out.join(format!("attention{}.gif", method::suffix(method)));
    write_gif(&path, &frames, DELAY_MS, Loops::Forever)?;
    Ok(path)
}

/// What agents are to be asked.
struct Asked<'a> {
    gpu: &'a Gpu,
    arguments: &'a Arguments,
    runs: &'a [Trained],
    labels: Vec<String>,
    methods: &'a [Method],
    out: &'a Path,
}

impl Asked<'_> {
    /// Whether pictures are tables of agents and methods.
    fn is_grid(&self) -> bool {
        self.runs.len() > 1 || self.methods.len() > 1 || self.arguments.show.is_some()
    }

    fn cells(&self) -> Cells {
        self.arguments.show.unwrap_or_default()
    }

    fn modes(&self) -> Result<Vec<Mode>, CliError> {
        let default = [Mode::Train, Mode::VideoHard];
        choose_modes_together(&self.runs[0].config.env, &self.arguments.modes, &default)
    }

    /// Every so many steps, or those that were named.
    fn moments(&self) -> Moments {
        let Arguments {
            episode_steps,
            every,
            ..
        } = self.arguments;
        match &self.arguments.at[..] {
            [] => Moments::Every {
                steps: episode_steps.unwrap_or(EPISODE_STEPS) as usize,
                every: every.unwrap_or(1) as usize,
            },
            steps => Moments::At(steps.to_vec()),
        }
    }

    /// Whether something says which moments are shown.
    fn names_moments(&self) -> bool {
        let asked = self.arguments;
        !asked.at.is_empty() || asked.episode_steps.is_some() || asked.every.is_some()
    }

    fn of_episode(&self) -> Result<Vec<PathBuf>, CliError> {
        let modes = self.modes()?;
        let stills = self.is_grid() || !self.arguments.at.is_empty();
        let moments = match self.is_grid() && !self.names_moments() {
            true => Moments::Early(GRID_STEP),
            false => self.moments(),
        };
        let episode = Episode {
            runs: self.runs,
            methods: self.methods,
            modes: &modes,
            moments,
        };
        let (quiet, mut raw) = (self.arguments.quiet, Raw::new(self.runs, self.methods));
        let (mut written, mut empty) = (vec![], Empty::default());
        if stills {
            episode.watch(self.gpu, quiet, &mut |moment| {
                make_folder(self.out)?;
                written.extend(self.stills(&modes, moment)?);
                self.count_empty(moment, &mut empty)?;
                self.keep(|| raw.push_moment(moment));
                Ok(())
            })?;
        } else {
            let mut each = |moment: &Moment| {
                self.keep(|| raw.push_moment(moment));
                self.count_empty(moment, &mut empty)
            };
            written.push(film_of(self.gpu, &episode, self.out, quiet, &mut each)?);
        }
        say_empty(empty);
        written.extend(self.write_raw(&raw, modes.iter().map(Mode::to_string).collect())?);
        Ok(written)
    }

    /// Counts the maps of a moment's newest frames that say nothing.
    fn count_empty(&self, moment: &Moment, empty: &mut Empty) -> Result<(), CliError> {
        for (trained, sight) in self.runs.iter().zip(&moment.sights) {
            for explanation in sight.explained.iter().flatten() {
                empty.count(&Newest::of(explanation, trained.config.image_size)?.map);
            }
        }
        Ok(())
    }

    /// The pictures of one moment.
    fn stills(&self, modes: &[Mode], moment: &Moment) -> Result<Vec<PathBuf>, CliError> {
        let step = moment.step;
        if !self.is_grid() {
            let (trained, method) = (&self.runs[0], &self.methods[0]);
            let suffix = method::suffix(method);
            let path = self
                .out
                .join(format!("attention{suffix}-step{step:04}.png"));
            film::panel(trained, method, modes, moment)?.save_png(&path)?;
            return Ok(vec![path]);
        }
        let env = &self.runs[0].config.env;
        let row = |run: usize, mode: usize, label: String| -> Result<Row, CliError> {
            grid::row_of(moment, [run, mode], &self.runs[run].config, label)
        };
        let draw = |name: String, rows: &[Row], caption| -> Result<PathBuf, CliError> {
            let path = self.out.join(name);
            grid::draw(self.methods, rows, self.cells(), caption)?.save_png(&path)?;
            Ok(path)
        };
        if let [trained] = self.runs {
            let rows = (modes.iter().enumerate())
                .map(|(i, mode)| row(0, i, mode.to_string()))
                .collect::<Result<Vec<_>, _>>()?;
            let caption = format!("{} on {env}, step {step}", trained.config.agent);
            return Ok(vec![draw(
                format!("grid-step{step:04}.png"),
                &rows,
                caption,
            )?]);
        }
        let mut written = vec![];
        for (i, mode) in modes.iter().enumerate() {
            let rows = (self.labels.iter().enumerate())
                .map(|(run, label)| row(run, i, label.clone()))
                .collect::<Result<Vec<_>, _>>()?;
            let name = format!("grid-{mode}-step{step:04}.png");
            written.push(draw(name, &rows, format!("{env}, {mode}, step {step}"))?);
        }
        Ok(written)
    }

    /// Explains image files one by one, each into a PNG.
    fn of_images(&self, images: &Path) -> Result<Vec<PathBuf>, CliError> {
        let mut files = image_file::list(images)?;
        without_our_own(&mut files);
        let mut explainers = vec![];
        for trained in self.runs {
            let inputs = trained.config.inputs;
            if inputs != Inputs::Rgb {
                let run = trained.directory.root().to_path_buf();
                return Err(CliError::ImagesWithoutSaliency { run, inputs });
            }
            trained.restore_kernels(self.gpu)?;
            let methods = self.methods.iter();
            let of_run = methods.map(|m| Explainer::of_pixels(&trained.agent, 1, m));
            explainers.push(of_run.collect::<Result<Vec<_>, _>>()?);
        }
        let each: usize = explainers.iter().flatten().map(Explainer::steps).sum();
        let mut work = Work::new(each * files.len(), GLANCE, self.arguments.quiet);
        let (mut raw, mut names, mut written) = (Raw::new(self.runs, self.methods), vec![], vec![]);
        let mut empty = Empty::default();
        for (i, file) in files.iter().enumerate() {
            let still = Still::read(file)?;
            let (mut explained, mut rows) = (vec![], vec![]);
            for ((trained, explainers), label) in
                self.runs.iter().zip(&explainers).zip(&self.labels)
            {
                let (mut by_method, mut views) = (vec![], vec![]);
                for explainer in explainers {
                    let explanation =
                        still.explain(trained, explainer, &mut |done| work.advance(done))?;
                    empty.count(&Newest::of(&explanation, trained.config.image_size)?.map);
                    if self.is_grid() {
                        views.push(still.view(trained, &explanation)?);
                    }
                    by_method.push(explanation);
                }
                explained.push(by_method);
                rows.push(Row {
                    label: label.clone(),
                    views,
                    segmentation: None,
                    parts: &[],
                    rho: trained.config.rho,
                });
            }
            let (panel, kind) = match self.is_grid() {
                true => {
                    let caption = still.name().to_string();
                    let grid = grid::draw(self.methods, &rows, self.cells(), caption)?;
                    (grid, "grid".to_string())
                }
                false => {
                    let (trained, method) = (&self.runs[0], &self.methods[0]);
                    let panel = still.panel(trained, method, &explained[0][0])?;
                    (panel, format!("attention{}", method::suffix(method)))
                }
            };
            make_folder(self.out)?;
            // The whole name of the file: cat.png and cat.jpg may lie side by side.
            let mut name = file.file_name().unwrap_or_default().to_os_string();
            name.push(format!(".{kind}.png"));
            let path = self.out.join(name);
            panel.save_png(&path)?;
            written.push(path);
            names.push(still.name().to_string());
            self.keep(|| raw.push_image(i, &explained));
        }
        work.finish();
        say_empty(empty);
        written.extend(self.write_raw(&raw, names)?);
        Ok(written)
    }

    fn scores(&self) -> Result<(), CliError> {
        let modes = self.modes()?;
        let episode = Episode {
            runs: self.runs,
            methods: self.methods,
            modes: &modes,
            moments: self.moments(),
        };
        let mut raw = Raw::new(self.runs, self.methods);
        let mut keep = |moment: &Moment| self.keep(|| raw.push_moment(moment));
        let quiet = self.arguments.quiet;
        let scores = Scores::measure(self.gpu, &episode, &self.labels, quiet, &mut keep)?;
        for path in self.write_raw(&raw, modes.iter().map(Mode::to_string).collect())? {
            note(&path.display().to_string());
        }
        print(&match (self.arguments.json, self.arguments.csv) {
            (true, _) => format!("{:#}", scores.to_json()),
            (_, true) => scores.to_csv(),
            _ => scores.to_table(),
        })
    }

    /// Keeps numbers only where they are asked for: they take memory.
    fn keep(&self, push: impl FnOnce()) {
        if self.arguments.raw {
            push();
        }
    }

    fn write_raw(&self, raw: &Raw, sources: Vec<String>) -> Result<Vec<PathBuf>, CliError> {
        if !self.arguments.raw {
            return Ok(vec![]);
        }
        make_folder(self.out)?;
        raw.write(self.out, &self.labels, &sources)
    }
}

/// Leaves out what an earlier `foveate explain` drew of the other files: `CAT.png.attention.png`
/// beside `CAT.png`.
fn without_our_own(files: &mut Vec<PathBuf>) {
    let names: BTreeSet<OsString> = (files.iter())
        .filter_map(|file| Some(file.file_name()?.to_owned()))
        .collect();
    files.retain(|file| {
        // NAME.KIND.png, where KIND has no dot.
        let of = Path::new(file.file_stem().unwrap_or_default());
        let kind = of.extension().and_then(|kind| kind.to_str());
        let is_ours =
            |kind: &str| ["grid", "attention"].contains(&kind) || kind.starts_with("attention-");
        let png = file.extension().is_some_and(|end| end == "png");
        let drawn = png && kind.is_some_and(is_ours);
        let of = of.file_stem().unwrap_or_default();
        !(drawn && names.contains(of))
    });
}

pub(super) fn make_folder(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path).map_err(|source| CliError::File {
        action: MAKE_FOLDER,
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_pictures_are_left_out() {
        let mut files = [
            "a/attention.png",
            "a/cat.png",
            "a/cat.png.attention-rise.png",
            "a/cat.png.attention.jpg",
            "a/cat.png.attention.png",
            "a/cat.png.attentional.png",
            "a/cat.png.grid.png",
            "a/dog.png.grid.png",
            "a/grid.png",
        ]
        .map(PathBuf::from)
        .to_vec();
        without_our_own(&mut files);
        let right = [
            "attention.png",
            "cat.png",
            "cat.png.attention.jpg",
            "cat.png.attentional.png",
            "dog.png.grid.png",
            "grid.png",
        ];
        assert_eq!(files, right.map(|name| Path::new("a").join(name)));
    }
}
