//! Maps as numbers: what `--raw` writes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::episode::Moment;
use super::error::CliError;
use super::session::Trained;
use crate::agents::explain::Explanation;
use crate::data::{Explained, Maps};
use crate::saliency::Method;

/// The maps of several runs, a file for each.
pub(super) struct Raw<'a> {
    runs: &'a [Trained],
    methods: &'a [Method],
    maps: Vec<Maps>,
}

impl<'a> Raw<'a> {
    pub fn new(runs: &'a [Trained], methods: &'a [Method]) -> Raw<'a> {
        let names: Vec<&str> = methods.iter().map(Method::name).collect();
        let of_run = |run: &Trained| {
            let config = &run.config;
            Maps::new(config.image_size, config.frame_stack, &names)
        };
        Raw {
            runs,
            methods,
            maps: runs.iter().map(of_run).collect(),
        }
    }

    /// Takes a moment in all its looks.
    pub fn push_moment(&mut self, moment: &Moment) {
        for (maps, sight) in self.maps.iter_mut().zip(&moment.sights) {
            let looks = sight.explained.first().map_or(0, Vec::len);
            for source in 0..looks {
                let by_method: Vec<&Explanation> = (sight.explained.iter())
                    .map(|looks| &looks[source])
                    .collect();
                let segmentation = sight.segmentation.as_deref();
                push(maps, &by_method, segmentation, source, moment.step);
            }
        }
    }

    /// Takes an image: what each run makes of it by each method.
    pub fn push_image(&mut self, image: usize, explained: &[Vec<Explanation>]) {
        for (maps, by_method) in self.maps.iter_mut().zip(explained) {
            push(maps, &by_method.iter().collect::<Vec<_>>(), None, image, 0);
        }
    }

    /// Writes `maps.safetensors`, or one file for each run after its label. `sources` are
    /// the looks or the images.
    pub fn write(
        &self,
        out: &Path,
        labels: &[String],
        sources: &[String],
    ) -> Result<Vec<PathBuf>, CliError> {
        let mut written = vec![];
        let names = file_names(labels);
        for ((run, maps), name) in self.runs.iter().zip(&self.maps).zip(names) {
            let path = out.join(name);
            maps.write(&path, &self.notes(run, sources))?;
            written.push(path);
        }
        Ok(written)
    }

    fn notes(&self, run: &Trained, sources: &[String]) -> Value {
        let methods: Map<String, Value> = (self.methods.iter())
            .map(|method| {
                let notes = json!({"options": method.options(), "unit": unit(method)});
                (method.name().to_string(), notes)
            })
            .collect();
        json!({
            "agent": run.config.agent,
            "env": run.config.env,
            "step": run.step,
            "rho": run.config.rho,
            "frame_stack": run.config.frame_stack,
            "methods": methods,
            "sources": sources,
            "observation": "u8 [N,3F,S,S], frames oldest first, R G B each, 0..255",
            "map": "f32 [N,3F,S,S], signed: what Q1 (dqn, sgqn-dqn: Q) of observation and action owes each pixel",
            "mask": "u8 [N,F,S,S], 1 where the largest magnitude of the three channels is at least its rho-quantile in the frame and not 0",
            "q": "Q1 (dqn, sgqn-dqn: Q), in units of return",
            "action": match run.config.agent.chooses() {
                true => "the action of the largest Q, as the environment takes it",
                false => "the policy's mean, -1..1",
            },
            "predicted": "the mask that the agent predicts, probabilities",
            "segmentation": "of the newest frame: 0 background, 1 floor, from 2 what the task is about",
            "source": "index into sources: the look or the image",
        })
    }
}

/// A name for the file of each label, each differently, also where names that differ in
/// case alone are one. What may mean something to a file system becomes a dash.
fn file_names(labels: &[String]) -> Vec<String> {
    if labels.len() == 1 {
        return vec!["maps.safetensors".to_string()];
    }
    let plain = |c: char| match c.is_alphanumeric() || ['-', '_', '.'].contains(&c) {
        true => c,
        false => '-',
    };
    let (mut names, mut taken) = (vec![], HashSet::new());
    for label in labels {
        let label: String = label.chars().map(plain).collect();
        let numbered = (2..).map(|n| format!("maps-{label}-{n}.safetensors"));
        let mut names_of = std::iter::once(format!("maps-{label}.safetensors")).chain(numbered);
        names.extend(names_of.find(|name| taken.insert(name.to_lowercase())));
    }
    names
}

fn push(
    maps: &mut Maps,
    by_method: &[&Explanation],
    segmentation: Option<&[u8]>,
    source: usize,
    step: usize,
) {
    let Some(first) = by_method.first() else {
        return;
    };
    maps.push(&Explained {
        observation: &first.obs,
        action: &first.action,
        q: first.q,
        predicted: first.predicted.as_deref(),
        segmentation,
        source,
        step,
        maps: (by_method.iter())
            .map(|e| (e.map.as_slice(), e.mask.as_slice()))
            .collect(),
    });
}

fn unit(method: &Method) -> &'static str {
    match method {
        Method::Gradient | Method::Guided => "of Q1 per unit of 0..255",
        Method::GuidedGradCam => "a gradient (Q1 per unit of 0..255) times Grad-CAM",
        Method::Occlusion(_) => {
            "of Q1: what it loses, mean over the windows that cover the pixel; the same for the three channels of a frame"
        }
        Method::Rise(_) => {
            "of Q1: the mean of the masks weighted by Q1 less its mean, over the probability; the same for all channels"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::file_names;

    #[test]
    fn files_have_names_of_their_own_without_separators() {
        let of = |labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|l| l.to_string()).collect();
            file_names(&labels)
        };
        assert_eq!(of(&["sac ../.."]), ["maps.safetensors"]);
        let given = [
            "sac a b",
            "sac a-b",
            "SAC A-B",
            "sac-a-b-2",
            "sgqn ../..",
            "sac ö\\c",
        ];
        let expected = [
            "maps-sac-a-b.safetensors",
            "maps-sac-a-b-2.safetensors",
            "maps-SAC-A-B-3.safetensors",
            "maps-sac-a-b-2-2.safetensors",
            "maps-sgqn-..-...safetensors",
            "maps-sac-ö-c.safetensors",
        ];
        assert_eq!(of(&given), expected);
    }
}
