//! Videos decoded by OpenCV, in a Python process of its own: one that stumbles over a
//! damaged file takes no environment with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::handshake;
use super::options::BridgeOptions;
use super::process::Worker;
use super::protocol::{self, VideoRequest};
use super::{BridgeError, frame_bytes};

/// A long video takes seconds to decode, on a busy machine a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Decodes videos; the process starts with the first.
#[derive(Debug)]
pub struct VideoDecoder {
    options: BridgeOptions,
    worker: Option<Worker>,
}

impl VideoDecoder {
    /// One that runs in `python`, chosen as [`BridgeOptions::python`].
    pub fn new(python: Option<PathBuf>) -> VideoDecoder {
        VideoDecoder {
            options: BridgeOptions {
                python,
                ..BridgeOptions::new("")
            },
            worker: None,
        }
    }

    /// All frames of a video, u8[3, size, size] each, resized as in SPEC.md F.1; 1 or more.
    ///
    /// # Errors
    /// [`BridgeError::Video`] for a file that cannot be decoded, or where Python or
    /// OpenCV is missing; those of a worker that dies.
    pub fn decode(&mut self, path: &Path, size: usize) -> Result<Vec<Vec<u8>>, BridgeError> {
        self.decode_first(path, size, None)
    }

    /// [`decode`](Self::decode) of the first `most` frames.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode).
    pub fn decode_first(
        &mut self,
        path: &Path,
        size: usize,
        most: Option<usize>,
    ) -> Result<Vec<Vec<u8>>, BridgeError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let needs = |reason: String| BridgeError::Video {
            reason: format!(
                "'{}' is a video, which Python decodes with OpenCV: {reason}. GIFs and folders of .png or .jpg files need no Python",
                path.display()
            ),
        };
        let Some(text) = path.to_str() else {
            return Err(needs("its path is not Unicode".into()));
        };
        let request = VideoRequest {
            path: text.to_owned(),
            size,
            most,
        };
        let request = serde_json::to_vec(&request).unwrap_or_default();
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => match handshake::start(&self.options) {
                Ok((worker, _)) => worker,
                Err(e) => return Err(needs(e.to_string())),
            },
        };
        let kind = protocol::VIDEO;
        let reply = handshake::answered(&mut worker, "decode", kind, &request, PATIENCE);
        let reply = match reply {
            Err(BridgeError::ModuleMissing { message, .. }) => {
                let python = super::python::choose(self.options.python.as_deref()).program;
                let command = super::install_command(&python, &["opencv-python-headless<5"]);
                return Err(needs(format!(
                    "{message}; run `make real-envs` in a checkout of foveate, or `{command}`"
                )));
            }
            reply => reply?,
        };
        let bytes = reply.payload.len();
        if bytes == 0 || !bytes.is_multiple_of(frame_bytes(size)) {
            return Err(worker.rubbish("decode", format!("{bytes} bytes, which are no frames")));
        }
        self.worker = Some(worker);
        let frames = reply.payload.chunks_exact(frame_bytes(size));
        Ok(frames.map(<[u8]>::to_vec).collect())
    }
}
