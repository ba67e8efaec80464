//! Which attributions are asked for, and their options.

use std::path::Path;

use super::error::CliError;
use super::session::Trained;
use crate::saliency::{Method, Occlusion, Rise};

/// What is shown of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shown {
    /// The value of the action credited to pixels by guided backpropagation, what SGQN
    /// trains with
    Guided,
    /// The same by the plain gradient
    Gradient,
    /// Guided backpropagation where Grad-CAM of the last convolution is
    GuidedGradcam,
    /// What the value loses when a window of the picture is covered
    Occlusion,
    /// The mean of random masks, weighted by the value of what they leave
    Rise,
    /// Where a vision transformer's attention goes, per head and rolled out: of a
    /// pretrained encoder, on the images in --data
    Attention,
}

/// Options of single methods.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Occlusion: height and width of the window, HxW or one number [default: 8]
    #[arg(long, value_name = "PIXELS", value_parser = extents)]
    window: Option<[usize; 2]>,
    /// Occlusion: from one window to the next, down and along; at most the window [default: 4]
    #[arg(long, value_name = "PIXELS", value_parser = extents)]
    stride: Option<[usize; 2]>,
    /// Occlusion: what covered pixels become, on the scale 0 to 255 [default: 0]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    baseline: Option<f32>,
    /// Occlusion: cover all frames of the stack together instead of one at a time
    #[arg(long)]
    all_frames: bool,
    /// RISE: number of masks, at most what fits into 128 MiB [default: 4000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    masks: Option<u32>,
    /// RISE: cells of a side of a mask [default: 7]
    #[arg(long, value_name = "N")]
    cells: Option<usize>,
    /// RISE: how likely a cell is open, above 0 and at most 1 [default: 0.5]
    #[arg(long, value_name = "P")]
    probability: Option<f32>,
    /// RISE: seed of the masks [default: 1]
    #[arg(long, value_name = "N")]
    mask_seed: Option<u64>,
}

/// `8` or `10x7`.
fn extents(given: &str) -> Result<[usize; 2], String> {
    let (height, width) = given.split_once(['x', '×']).unwrap_or((given, given));
    match (height.trim().parse(), width.trim().parse()) {
        (Ok(height @ 1..), Ok(width @ 1..)) => Ok([height, width]),
        _ => Err("a number of pixels is needed, or height and width such as 10x7".to_string()),
    }
}

impl Options {
    /// Whether all options that were given are of methods that are shown.
    ///
    /// # Errors
    /// [`CliError::NotForMethod`].
    pub fn check(&self, shown: &[Shown]) -> Result<(), CliError> {
        let asked = |one: Shown| shown.contains(&one);
        let of_occlusion = [
            ("window", self.window.is_some()),
            ("stride", self.stride.is_some()),
            ("baseline", self.baseline.is_some()),
            ("all-frames", self.all_frames),
        ];
        let of_rise = [
            ("masks", self.masks.is_some()),
            ("cells", self.cells.is_some()),
            ("probability", self.probability.is_some()),
            ("mask-seed", self.mask_seed.is_some()),
        ];
        for (owner, options) in [(Shown::Occlusion, &of_occlusion), (Shown::Rise, &of_rise)] {
            let given = options.iter().find(|(_, given)| *given);
            if let (Some(&(option, _)), false) = (given, asked(owner)) {
                return Err(CliError::NotForMethod {
                    option,
                    method: shown.first().map_or("guided", |one| one.name()),
                    right: match owner {
                        Shown::Occlusion => "--method occlusion",
                        _ => "--method rise",
                    },
                });
            }
        }
        Ok(())
    }

    /// The methods that were asked for, each once, with their options.
    ///
    /// # Errors
    /// [`CliError::NotForMethod`] for options of others; [`CliError::AttentionAlone`].
    pub fn methods(&self, shown: &[Shown]) -> Result<Vec<Method>, CliError> {
        self.check(shown)?;
        let mut methods: Vec<Method> = vec![];
        for one in shown {
            let method = match one {
                Shown::Guided => Method::Guided,
                Shown::Gradient => Method::Gradient,
                Shown::GuidedGradcam => Method::GuidedGradCam,
                Shown::Occlusion => Method::Occlusion(self.occlusion()),
                Shown::Rise => Method::Rise(self.rise()),
                Shown::Attention => return Err(CliError::AttentionAlone),
            };
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        Ok(methods)
    }

    fn occlusion(&self) -> Occlusion {
        let default = Occlusion::default();
        Occlusion {
            window: self.window.unwrap_or(default.window),
            stride: self.stride.unwrap_or(default.stride),
            baseline: self.baseline.unwrap_or(default.baseline),
            per_frame: !self.all_frames,
        }
    }

    fn rise(&self) -> Rise {
        let default = Rise::default();
        Rise {
            masks: self.masks.map_or(default.masks, |n| n as usize),
            cells: self.cells.unwrap_or(default.cells),
            probability: self.probability.unwrap_or(default.probability),
            seed: self.mask_seed.unwrap_or(default.seed),
        }
    }
}

impl Shown {
    fn name(self) -> &'static str {
        match self {
            Shown::Guided => "guided",
            Shown::Gradient => "gradient",
            Shown::GuidedGradcam => "guided-gradcam",
            Shown::Occlusion => "occlusion",
            Shown::Rise => "rise",
            Shown::Attention => "attention",
        }
    }
}

/// Whether methods with their options are for an agent.
///
/// # Errors
/// [`CliError::MethodOption`].
pub(super) fn check(methods: &[Method], trained: &Trained) -> Result<(), CliError> {
    let (side, frames) = (trained.config.image_size, trained.config.frame_stack);
    for method in methods {
        let checked = match method {
            Method::Occlusion(options) => options.windows([side; 2], frames).map(|_| ()),
            Method::Rise(options) => options.masks([side; 2]).map(|_| ()),
            _ => Ok(()),
        };
        if let Err(error) = checked {
            return Err(CliError::MethodOption {
                run: trained.directory.root().to_path_buf(),
                reason: error.to_string(),
            });
        }
    }
    Ok(())
}

/// What tells files of other methods from those of the usual one.
pub(super) fn suffix(method: &Method) -> String {
    match method {
        Method::Guided => String::new(),
        other => format!("-{}", other.name()),
    }
}

/// What rows of agents are called, each differently: the agent and, where there are
/// several of it, the directory of its run.
pub(super) fn labels(runs: &[Trained]) -> Vec<String> {
    let agents: Vec<String> = runs.iter().map(|r| r.config.agent.to_string()).collect();
    let folder = |root: &Path| {
        let name = root.file_name().unwrap_or(root.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let mut labels: Vec<String> = vec![];
    for (run, agent) in runs.iter().zip(&agents) {
        let alone = agents.iter().filter(|a| *a == agent).count() == 1;
        let name = match alone {
            true => agent.clone(),
            false => format!("{agent} {}", folder(run.directory.root())),
        };
        let mut label = name.clone();
        let mut number = labels.len();
        while labels.contains(&label) {
            number += 1;
            label = format!("{name} ({number})");
        }
        labels.push(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_one_number_or_two() {
        assert_eq!(extents("8"), Ok([8, 8]));
        assert_eq!(extents("10x7"), Ok([10, 7]));
        for wrong in ["", "0", "8x", "x8", "8x0", "-3", "eight"] {
            assert!(extents(wrong).is_err(), "{wrong}");
        }
    }
}
