//! What a recording knows of the world behind each frame.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::error::DataError;
use crate::media::MediaError;

/// The tensors that a recording of a native world has beside its frames.
const STATE: &str = "state";
const EPISODE: &str = "episode";

/// The state of the world at each frame of a recording, and the frame's episode.
#[derive(Debug, Clone, PartialEq)]
pub struct States {
    names: Vec<String>,
    /// f32[N, S], row-major, finite.
    values: Vec<f32>,
    /// i32[N].
    episode: Vec<i32>,
}

impl States {
    /// Reads `state`, `f32[N, S]`, and `episode`, `i32[N]`, of the safetensors file at `path`, as
    /// [`Recording::write_tensors`](super::Recording::write_tensors) writes it. The
    /// coordinates have the names in the file's metadata, else `state 0` and on.
    ///
    /// # Errors
    /// [`DataError::Damaged`]; [`DataError::NoTensor`] if it was recorded without;
    /// [`DataError::State`] for other elements or shapes, or a value that is no number.
    pub fn read(path: &Path) -> Result<States, DataError> {
        let bytes = fs::read(path).map_err(|source| {
            let path = path.to_owned();
            MediaError::Unreadable { path, source }
        })?;
        let damaged = |reason: String| DataError::Damaged {
            path: path.to_owned(),
            kind: "safetensors",
            reason,
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let wrong = |reason: String| DataError::State {
            path: path.to_owned(),
            reason,
        };
        let tensor = |name: &'static str, dtype: Dtype, rank: usize| {
            let view = file.tensor(name).map_err(|_| {
                let mut names = file.names();
                names.sort_unstable();
                DataError::NoTensor {
                    path: path.to_owned(),
                    name,
                    found: names.join(", "),
                }
            })?;
            let (given, shape) = (view.dtype(), view.shape().to_vec());
            if given != dtype || shape.len() != rank || shape.contains(&0) {
                return Err(wrong(format!(
                    "{name} is {given} {shape:?}; {dtype} of {rank} dimensions, none of them 0, is needed"
                )));
            }
            Ok(view)
        };
        let (state, episode) = (
            tensor(STATE, Dtype::F32, 2)?,
            tensor(EPISODE, Dtype::I32, 1)?,
        );
        let (count, width) = (state.shape()[0], state.shape()[1]);
        if episode.shape()[0] != count {
            return Err(wrong(format!(
                "there are {count} states and {} numbers of episodes; one of each for every frame is needed",
                episode.shape()[0]
            )));
        }
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(state.data());
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let (frame, coordinate) = (at / width, at % width);
            return Err(wrong(format!(
                "state[{frame}, {coordinate}] is {}; it must be a finite number",
                values[at]
            )));
        }
        Ok(States {
            names: names(&bytes, width),
            values,
            episode: bytemuck::pod_collect_to_vec(episode.data()),
        })
    }

    /// Frames, at least 1.
    pub fn count(&self) -> usize {
        self.episode.len()
    }

    /// What each coordinate is.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// f32[N, S] with S as many as there are names.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The number of each frame's episode.
    pub fn episode(&self) -> &[i32] {
        &self.episode
    }

    /// Only the coordinates of these indices, in their order.
    pub fn select(&self, coordinates: &[usize]) -> States {
        let rows = self.values.chunks_exact(self.names.len());
        States {
            names: (coordinates.iter())
                .map(|&i| self.names[i].clone())
                .collect(),
            values: rows
                .flat_map(|row| coordinates.iter().map(|&i| row[i]))
                .collect(),
            episode: self.episode.clone(),
        }
    }
}

/// The coordinates' names as [`Recording`](super::Recording) notes them.
fn names(bytes: &[u8], width: usize) -> Vec<String> {
    let noted = || -> Option<Vec<String>> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
        let notes = metadata.metadata().as_ref()?.get("foveate")?;
        let notes: Value = serde_json::from_str(notes).ok()?;
        let names = notes.get(STATE)?.as_array()?;
        (names.iter())
            .map(|name| name.as_str().map(str::to_string))
            .collect()
    };
    noted()
        .filter(|names| names.len() == width)
        .unwrap_or_else(|| (0..width).map(|i| format!("{STATE} {i}")).collect())
}
