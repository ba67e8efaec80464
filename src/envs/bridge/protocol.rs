//! The messages between foveate and a worker, version 2.
//!
//! Every message is a header of [`HEADER_BYTES`] bytes and a payload; numbers
//! are little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | [`MAGIC`] |
//! | 4..6 | [`VERSION`] (these six bytes keep their place in every version) |
//! | 6..8 | kind |
//! | 8..12 | payload length, at most [`MAX_PAYLOAD`] |
//! | 12..16 | CRC-32 (IEEE) of bytes 6..12 and the payload |
//!
//! foveate sends requests; the worker answers each with one reply, whose kind is
//! the request's with bit [`REPLY`] set, or [`ERROR`]:
//!
//! | request | payload | reply's payload |
//! |---|---|---|
//! | [`OPEN`] | JSON [`OpenRequest`] | JSON [`OpenReply`] |
//! | [`RESET`] | environment `u32` | its frame |
//! | [`STEP`] | actions `f32[n][action_dim]` | n outcomes (`reward f32, terminated u8, truncated u8, success u8, zero u8, score f32`), then n frames |
//! | [`SAVE`] | – | opaque state |
//! | [`RESTORE`] | opaque state | n frames, then n × `u8`: 1 where the episode could not be continued and began anew |
//! | [`TASKS`] | – | JSON list of the suite's tasks |
//! | [`VIDEO`] | JSON [`VideoRequest`]; needs no [`OPEN`] | frames `u8[…][3][size][size]` |
//! | [`CLOSE`] | – | – (the worker then exits) |
//!
//! A frame is `u8[3][image_size][image_size]`: planes R, G, B, rows from the top.
//! Actions lie in [−1, 1] or, where they are discrete, are numbers from 0. `success` is 0,
//! 1 or [`UNKNOWN`]; `score` is the reward before any clipping.
//! [`ERROR`] carries JSON `{kind, message, traceback?, …}`, see [`ErrorReply`].
//! The worker also exits, silently, when its stdin ends.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// First bytes of every message.
pub const MAGIC: [u8; 4] = *b"FOVB";
/// Version of the protocol that this build speaks.
pub const VERSION: u16 = 2;
/// Length of a header.
pub const HEADER_BYTES: usize = 16;
/// No payload is longer; a larger length means that the stream is damaged.
pub const MAX_PAYLOAD: u32 = 1 << 30;

/// Builds the environments. Must come first, once.
pub const OPEN: u16 = 1;
/// Begins an episode of one environment.
pub const RESET: u16 = 2;
/// One agent step of all environments.
pub const STEP: u16 = 3;
/// Asks for everything that decides the future.
pub const SAVE: u16 = 4;
/// Puts a saved state back.
pub const RESTORE: u16 = 5;
/// Asks the worker to leave.
pub const CLOSE: u16 = 6;
/// Asks which tasks the suite has.
pub const TASKS: u16 = 7;
/// Has a video decoded.
pub const VIDEO: u16 = 8;
/// Set in the kind of a reply.
pub const REPLY: u16 = 0x80;
/// The request failed.
pub const ERROR: u16 = 0xFF;

/// Bytes of one environment's outcome in the reply to [`STEP`].
pub const OUTCOME_BYTES: usize = 12;
/// `success` of a task that does not speak of success.
pub const UNKNOWN: u8 = 255;

/// One decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is: a request, a reply or [`ERROR`].
    pub kind: u16,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Why no message could be read.
#[derive(Debug)]
pub enum StreamFault {
    /// The stream ended, within a message or between two.
    End,
    /// What came is not a message; says what was found.
    Rubbish(String),
    /// A message of another version of the protocol.
    Version(u16),
}

/// The payload of [`OPEN`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenRequest {
    /// Environment id, suite included.
    pub id: String,
    /// How many environments.
    pub n: usize,
    /// Height and width of a frame in pixels.
    pub image_size: usize,
    /// Control steps per agent step; the task's default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_repeat: Option<usize>,
    /// Seed of the group; each environment derives its own.
    pub seed: u64,
    /// Whether episodes are played to be judged: whole games, rewards unclipped.
    pub evaluation: bool,
    /// How the task is recoloured; not at all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// OpenGL backend to draw with (`egl`, `osmesa`, …); the suite's own choice where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renderer: Option<String>,
}

/// How the pictures of a task are recoloured (SPEC.md F.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Sky, and floor if `floor`, in the green that is keyed out.
    Green { floor: bool },
    /// Every episode draws one of these sets of colours.
    Colours { sets: Vec<ColourSet> },
}

/// Colours of a task, RGB in [0, 1] each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ColourSet {
    pub grid_rgb1: [f32; 3],
    pub grid_rgb2: [f32; 3],
    pub self_rgb: [f32; 3],
    pub skybox_rgb: [f32; 3],
}

/// The payload of [`VIDEO`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VideoRequest {
    /// Path of the file, absolute.
    pub path: String,
    /// Height and width that its frames are resized to.
    pub size: usize,
    /// So many frames at most, from the first; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
}

/// The payload of the reply to [`OPEN`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenReply {
    /// What was built.
    pub spec: SpecReply,
    /// Versions of the packages that decide physics and pixels.
    #[serde(default)]
    pub versions: std::collections::BTreeMap<String, String>,
}

/// The environments as the worker built them; see [`crate::envs::EnvSpec`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SpecReply {
    pub id: String,
    pub n: usize,
    pub image_size: usize,
    pub action_dim: usize,
    #[serde(default)]
    pub discrete_actions: Option<usize>,
    pub episode_steps: usize,
    pub action_repeat: usize,
}

/// The payload of [`ERROR`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ErrorReply {
    /// `raised`, `misuse`, `module_missing`, `renderer`, `unknown_environment`,
    /// `unsuitable`, `video`, `state`, `version` or `protocol`.
    pub kind: String,
    /// One line for a person.
    pub message: String,
    /// Python's traceback, where an exception was behind it.
    #[serde(default)]
    pub traceback: Option<String>,
    /// The missing module (`module_missing`).
    #[serde(default)]
    pub module: Option<String>,
    /// The nearest known id (`unknown_environment`).
    #[serde(default)]
    pub nearest: Option<String>,
    /// All known ids (`unknown_environment`).
    #[serde(default)]
    pub known: Option<String>,
}

/// A whole message, header included.
pub fn encode(kind: u16, payload: &[u8]) -> Vec<u8> {
    debug_assert!(payload.len() <= MAX_PAYLOAD as usize);
    let mut message = Vec::with_capacity(HEADER_BYTES + payload.len());
    message.extend_from_slice(&MAGIC);
    message.extend_from_slice(&VERSION.to_le_bytes());
    message.extend_from_slice(&kind.to_le_bytes());
    message.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = checksum(&message[6..12], payload);
    message.extend_from_slice(&crc.to_le_bytes());
    message.extend_from_slice(payload);
    message
}

/// Reads one message. Blocks until it is complete, the stream ends, or it is
/// clear that what comes is not a message.
pub fn read(stream: &mut impl Read) -> Result<Message, StreamFault> {
    let mut header = [0; HEADER_BYTES];
    // What does not begin like a message is recognised without waiting for more of it; what
    // came with it tells a person what it is.
    let mut got = 0;
    while got < MAGIC.len() {
        got += match stream.read(&mut header[got..]) {
            Ok(0) => return Err(StreamFault::End),
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return Err(StreamFault::End),
        };
        let known = got.min(MAGIC.len());
        if header[..known] != MAGIC[..known] {
            return Err(StreamFault::Rubbish(format!(
                "expected a message, found \"{}\"",
                header[..got].escape_ascii()
            )));
        }
    }
    let version_end = got.max(6);
    fill(stream, &mut header[got..version_end])?;
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != VERSION {
        return Err(StreamFault::Version(version));
    }
    fill(stream, &mut header[version_end..])?;
    let kind = u16::from_le_bytes([header[6], header[7]]);
    let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let crc = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    if length > MAX_PAYLOAD {
        return Err(StreamFault::Rubbish(format!(
            "a message claims {length} bytes, at most {MAX_PAYLOAD} are allowed"
        )));
    }
    // Grows with what really comes: a damaged length costs no memory.
    let mut payload = Vec::new();
    match stream.take(length.into()).read_to_end(&mut payload) {
        Ok(got) if got == length as usize => {}
        Ok(_) | Err(_) => return Err(StreamFault::End),
    }
    if checksum(&header[6..12], &payload) != crc {
        return Err(StreamFault::Rubbish(format!(
            "a message of {length} bytes arrived damaged (CRC-32 differs)"
        )));
    }
    Ok(Message { kind, payload })
}

fn checksum(kind_and_length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind_and_length);
    crc.update(payload);
    crc.finalize()
}

/// `read_exact`, with every end of the stream read as [`StreamFault::End`].
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<(), StreamFault> {
    stream
        .read_exact(buffer)
        .map_err(|_: io::Error| StreamFault::End)
}
