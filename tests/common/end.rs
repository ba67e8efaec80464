//! The end of a run: what must be the same to the bit, however often it was interrupted.

use std::fs;
use std::path::Path;

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
