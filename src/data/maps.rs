//! Attribution maps with what they are about, as a file of tensors.

use std::path::Path;

use safetensors::Dtype;
use serde_json::{Value, json};

use super::tensors::{self, Written};
use crate::media::MediaError;

/// What was seen and explained once: a moment in one look, or an image.
#[derive(Debug, Clone)]
pub struct Explained<'a> {
    /// [3F, S, S] in 0..255.
    pub observation: &'a [f32],
    pub action: &'a [f32],
    pub q: f32,
    /// Probabilities, [3F, S, S], of agents that predict their mask.
    pub predicted: Option<&'a [f32]>,
    /// What each pixel of the newest frame belongs to, [S, S], where it is known.
    pub segmentation: Option<&'a [u8]>,
    /// Which look or which image it is, by its number.
    pub source: usize,
    /// The agent step.
    pub step: usize,
    /// For each method a map [3F, S, S] and a mask [F, S, S] of 0 and 1.
    pub maps: Vec<(&'a [f32], &'a [f32])>,
}

/// Maps of one agent in the order in which they were made, in memory until they are
/// written. Of each tensor the first extent is N, how many were pushed:
///
/// | tensor | elements | what it is |
/// |---|---|---|
/// | `observation` | u8[N, 3F, S, S] | frames, oldest first, R G B each, 0..255 |
/// | `action` | f32[N, A] | the policy's mean |
/// | `q` | `f32[N]` | Q1 of observation and action, in units of return |
/// | `METHOD.map` | f32[N, 3F, S, S] | what `q` owes each pixel, signed; its unit is in the notes |
/// | `METHOD.mask` | u8[N, F, S, S] | 1 where the map is among the largest of its frame and not 0 |
/// | `predicted` | f32[N, 3F, S, S] | the mask that the agent predicts, as probabilities |
/// | `segmentation` | u8[N, S, S] | of the newest frame: 0 background, 1 floor, from 2 what the task is about |
/// | `source`, `step` | `i32[N]` | which look or image, by its place in the notes; which agent step |
#[derive(Debug, Clone)]
pub struct Maps {
    side: usize,
    frames: usize,
    methods: Vec<String>,
    count: usize,
    observation: Vec<u8>,
    action: Vec<f32>,
    q: Vec<f32>,
    predicted: Vec<f32>,
    segmentation: Vec<u8>,
    source: Vec<i32>,
    step: Vec<i32>,
    map: Vec<Vec<f32>>,
    mask: Vec<Vec<u8>>,
}

impl Maps {
    /// Of stacks of `frames` frames of `side`×`side`, by these methods.
    pub fn new(side: usize, frames: usize, methods: &[&str]) -> Maps {
        Maps {
            side,
            frames,
            methods: methods.iter().map(|m| m.to_string()).collect(),
            count: 0,
            observation: vec![],
            action: vec![],
            q: vec![],
            predicted: vec![],
            segmentation: vec![],
            source: vec![],
            step: vec![],
            map: vec![vec![]; methods.len()],
            mask: vec![vec![]; methods.len()],
        }
    }

    /// Takes one more.
    pub fn push(&mut self, explained: &Explained) {
        let bytes = explained.observation.iter();
        let bytes = bytes.map(|v| v.round().clamp(0.0, 255.0) as u8);
        self.count += 1;
        self.observation.extend(bytes);
        self.action.extend(explained.action);
        self.q.push(explained.q);
        self.predicted
            .extend(explained.predicted.unwrap_or_default());
        self.segmentation
            .extend(explained.segmentation.unwrap_or_default());
        self.source.push(explained.source as i32);
        self.step.push(explained.step as i32);
        let kept = self.map.iter_mut().zip(&mut self.mask);
        for ((maps, masks), (map, mask)) in kept.zip(&explained.maps) {
            maps.extend(*map);
            masks.extend(mask.iter().map(|&v| u8::from(v > 0.5)));
        }
    }

    /// How many were pushed.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Writes the file. `notes`, with the shapes and what the tensors are, become its
    /// metadata, as JSON under `foveate`.
    ///
    /// # Errors
    /// [`MediaError::Unwritable`].
    pub fn write(&self, path: &Path, notes: &Value) -> Result<(), MediaError> {
        let (n, f, s) = (self.count, self.frames, self.side);
        let stack = vec![n, 3 * f, s, s];
        let per_action = self.action.len() / n.max(1);
        let names: Vec<[String; 2]> = (self.methods.iter())
            .map(|m| [format!("{m}.map"), format!("{m}.mask")])
            .collect();
        let mut written: Vec<Written> = vec![
            (
                "action",
                Dtype::F32,
                vec![n, per_action],
                cast(&self.action),
            ),
            ("q", Dtype::F32, vec![n], cast(&self.q)),
            ("source", Dtype::I32, vec![n], cast(&self.source)),
            ("step", Dtype::I32, vec![n], cast(&self.step)),
        ];
        for (name, map) in names.iter().zip(&self.map) {
            written.push((&name[0], Dtype::F32, stack.clone(), cast(map)));
        }
        if !self.predicted.is_empty() {
            written.push((
                "predicted",
                Dtype::F32,
                stack.clone(),
                cast(&self.predicted),
            ));
        }
        written.push(("observation", Dtype::U8, stack, &self.observation));
        for (name, mask) in names.iter().zip(&self.mask) {
            written.push((&name[1], Dtype::U8, vec![n, f, s, s], mask));
        }
        if !self.segmentation.is_empty() {
            written.push(("segmentation", Dtype::U8, vec![n, s, s], &self.segmentation));
        }
        let shapes = written.iter().map(|(name, _, shape, _)| {
            let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
            (name.to_string(), json!(extents.join("×")))
        });
        let mut notes = notes.clone();
        notes["shapes"] = Value::Object(shapes.collect());
        tensors::write(path, &notes.to_string(), &written)
    }
}

fn cast<T: bytemuck::NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_pushed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.safetensors");
        let mut maps = Maps::new(2, 1, &["guided", "rise"]);
        for step in 0..2 {
            maps.push(&Explained {
                observation: &[9.6; 12],
                action: &[0.5, -0.5],
                q: step as f32,
                predicted: None,
                segmentation: Some(&[0, 1, 2, 3]),
                source: 1,
                step,
                maps: vec![
                    (&[step as f32; 12], &[1.0, 0.0, 0.0, 1.0]),
                    (&[7.0; 12], &[0.0; 4]),
                ],
            });
        }
        maps.write(&path, &json!({"agent": "sgqn"})).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &str| file.tensor(name).unwrap();
        assert_eq!(tensor("guided.map").shape(), [2, 3, 2, 2]);
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor("guided.map").data());
        assert_eq!(values, [[0.0; 12], [1.0; 12]].concat());
        assert_eq!(tensor("guided.mask").data(), [1, 0, 0, 1, 1, 0, 0, 1]);
        assert_eq!(tensor("rise.mask").shape(), [2, 1, 2, 2]);
        assert_eq!(tensor("observation").data(), [10; 24]);
        assert_eq!(tensor("segmentation").shape(), [2, 2, 2]);
        assert_eq!(tensor("action").shape(), [2, 2]);
        assert!(file.tensor("predicted").is_err());
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let notes: Value =
            serde_json::from_str(&header.metadata().clone().unwrap()["foveate"]).unwrap();
        assert_eq!(notes["agent"], "sgqn");
        assert_eq!(notes["shapes"]["rise.map"], "2×3×2×2");
    }
}
