//! The end of a run: what must be the same to the bit, however often it was interrupted.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

/// Names and contents of the files in a folder.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|e| {
            let name = e.file_name().into_string().unwrap();
            (name, fs::read(e.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// What must not depend on anything but the options.
#[derive(PartialEq)]
pub struct End {
    /// Both that are kept: parameters, moments, counters, environment, progress.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// Lines of `metrics.jsonl` up to the wall-clock time.
    pub metrics: Vec<String>,
}

impl End {
    pub fn of(run: &Path) -> End {
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        End {
            checkpoints: files(&run.join("checkpoints")),
            metrics: (metrics.lines())
                .map(|line| line.split_once(",\"seconds\":").unwrap().0.to_string())
                .collect(),
        }
    }

    /// The same but for the number of pieces in which the replay was written, which is
    /// another where a checkpoint was written between two others.
    #[allow(dead_code)] // not every test program stops a run there
    #[track_caller]
    pub fn assert_same_state(&self, other: &End) {
        assert_eq!(self.metrics, other.metrics);
        let states = [self, other].map(|end| {
            let newest = end.checkpoints.last().unwrap();
            let (_, header) = SafeTensors::read_metadata(&newest.1).unwrap();
            let texts = header.metadata().as_ref().unwrap();
            // What is no object is the checksum of all.
            let mut values: Vec<serde_json::Value> = (texts.values())
                .filter_map(|text| serde_json::from_str(text).ok())
                .filter(serde_json::Value::is_object)
                .collect();
            assert_eq!(values.len(), 1);
            for value in &mut values {
                if let Some(replay) = value.get_mut("replay").and_then(|r| r.as_object_mut()) {
                    assert!(replay.remove("segments").is_some());
                }
            }
            let tensors = SafeTensors::deserialize(&newest.1).unwrap().tensors();
            let mut tensors: Vec<(String, Vec<u8>)> = (tensors.into_iter())
                .map(|(name, view)| (name, view.data().to_vec()))
                .collect();
            tensors.sort();
            (newest.0.clone(), values, tensors)
        });
        assert_eq!(states[0].0, states[1].0);
        assert_eq!(states[0].1, states[1].1);
        for (ours, theirs) in states[0].2.iter().zip(&states[1].2) {
            assert!(ours == theirs, "{} differs", ours.0);
        }
        assert_eq!(states[0].2.len(), states[1].2.len());
    }

    #[track_caller]
    pub fn assert_same(&self, other: &End) {
        assert_eq!(self.metrics, other.metrics);
        let names = |end: &End| -> Vec<String> {
            end.checkpoints
                .iter()
                .map(|(name, _)| name.clone())
                .collect()
        };
        assert_eq!(names(self), names(other));
        for ((name, ours), (_, theirs)) in self.checkpoints.iter().zip(&other.checkpoints) {
            let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            assert!(
                ours == theirs,
                "{name}: {} and {} bytes, different from byte {same}",
                ours.len(),
                theirs.len()
            );
        }
    }
}
