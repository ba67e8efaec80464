//! Published returns, to stand beside ours: `published.csv` names their sources.

/// Tasks and agents, by the names that they have here.
const TABLE: &str = include_str!("published.csv");
/// Agent steps after which they were measured.
pub const STEPS: u64 = 500_000;

/// A return that a paper reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub mean: f64,
    /// Over seeds; averages over tasks have none.
    pub deviation: Option<f64>,
    /// The paper and its table.
    pub source: &'static str,
}

/// What is measured of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Mean return.
    Return,
    /// Episodes in which the task was done, in per cent.
    Success,
}

impl Metric {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Return => "return",
            Metric::Success => "success_percent",
        }
    }
}

/// What a paper reports for an agent (as [`crate::sweep::PlannedRun::published_as`] names
/// it) on a task in a look, at so many control steps per agent step.
pub fn find(
    task: &str,
    look: &str,
    metric: Metric,
    agent: &str,
    action_repeat: usize,
) -> Option<Published> {
    rows().find_map(|row| {
        let [t, l, m, a, repeat, mean, deviation, source] = row;
        let same = (t, l, m, a) == (task, look, metric.name(), agent)
            && repeat.parse() == Ok(action_repeat);
        same.then(|| {
            Some(Published {
                mean: mean.parse().ok()?,
                deviation: Some(deviation.parse().ok()?),
                source,
            })
        })?
    })
}

/// The lines of the file that hold numbers.
fn rows() -> impl Iterator<Item = [&'static str; 8]> {
    (TABLE.lines())
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            cells.try_into().ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::native::Mode;

    #[test]
    fn every_line_is_read_and_none_twice() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        assert_eq!(rows().count(), lines.count());
        let mut keys: Vec<_> = rows()
            .map(|row| [row[0], row[1], row[2], row[3], row[4]])
            .collect();
        for [task, look, metric, agent, repeat] in &keys {
            assert!(look.parse::<Mode>().is_ok(), "{look}");
            let metrics = [Metric::Return, Metric::Success];
            let metric = metrics.into_iter().find(|m| m.name() == *metric).unwrap();
            let found = find(task, look, metric, agent, repeat.parse().unwrap()).unwrap();
            assert!(found.mean.is_finite() && found.deviation.is_some());
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn numbers_are_those_of_the_papers() {
        let at = |task, look, agent, repeat| {
            let found = find(task, look, Metric::Return, agent, repeat)?;
            Some((found.mean, found.deviation.unwrap(), found.source))
        };
        let walk = "dm_control/walker-walk";
        let expected = Some((739.0, 21.0, "SGQN table 1"));
        assert_eq!(at(walk, "video-hard", "sgqn", 4), expected);
        assert_eq!(at(walk, "video-hard", "sgqn", 2), None);
        let swing = "dm_control/cartpole-swingup";
        let expected = Some((753.0, 45.0, "SGQN table 5"));
        assert_eq!(at(swing, "video-easy", "svea", 8), expected);
        let expected = Some((837.0, 23.0, "SVEA"));
        assert_eq!(at(swing, "color-hard", "svea-conv", 8), expected);
        assert_eq!(at("native/cartpole", "video-easy", "svea", 8), None);
        let drawer = "metaworld/drawer-open-v3";
        assert_eq!(at(drawer, "train", "visarl-multimae", 1), None);
        let found = find(drawer, "train", Metric::Success, "visarl-multimae", 1).unwrap();
        assert_eq!((found.mean, found.deviation), (83.0, Some(20.0)));
    }
}
