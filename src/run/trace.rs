//! What happened when, in the JSON of Chrome's trace events, which
//! <https://ui.perfetto.dev> and `chrome://tracing` open.
//! Source: "Trace Event Format", the JSON object format with complete (`X`) and
//! metadata (`M`) events; times are in microseconds.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// The only process that a trace shows.
const PROCESS: u32 = 1;

/// Slices of time on tracks.
#[derive(Debug, Clone)]
pub struct Trace {
    about: Map<String, Value>,
    tracks: u32,
    events: Vec<Value>,
}

/// A track of a [`Trace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track(u32);

impl Trace {
    /// An empty trace with a title; `about` says whatever else a reader should know.
    pub fn new(title: &str, about: Map<String, Value>) -> Trace {
        let mut trace = Trace {
            about,
            tracks: 0,
            events: vec![],
        };
        trace.describe("process_name", 0, title);
        trace
    }

    fn describe(&mut self, what: &str, track: u32, name: &str) {
        self.events.push(json!({
            "ph": "M",
            "pid": PROCESS,
            "tid": track,
            "name": what,
            "args": { "name": name },
        }));
    }

    /// A new track, below those that there are.
    pub fn track(&mut self, name: &str) -> Track {
        self.tracks += 1;
        self.describe("thread_name", self.tracks, name);
        Track(self.tracks)
    }

    /// A slice from `begin` on. Those of a track must not overlap.
    pub fn slice(
        &mut self,
        track: Track,
        name: &str,
        begin: Duration,
        time: Duration,
        arguments: Value,
    ) {
        self.events.push(json!({
            "ph": "X",
            "pid": PROCESS,
            "tid": track.0,
            "name": name,
            "ts": microseconds(begin),
            "dur": microseconds(time),
            "args": arguments,
        }));
    }

    /// The content of the file, one event on each line.
    pub fn to_json(&self) -> String {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        format!(
            "{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[\n{}\n]}}\n",
            Value::Object(self.about.clone()),
            events.join(",\n")
        )
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
