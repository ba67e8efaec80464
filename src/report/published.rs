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

/// What a paper reports for an agent (as `--agent` names it; `svea-conv` with random
/// convolutions) on a task in a look, at so many control steps per agent step.
pub fn find(task: &str, look: &str, agent: &str, action_repeat: usize) -> Option<Published> {
    rows().find_map(|row| {
        let [t, l, a, repeat, mean, deviation, source] = row;
        let same = (t, l, a) == (task, look, agent) && repeat.parse() == Ok(action_repeat);
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
fn rows() -> impl Iterator<Item = [&'static str; 7]> {
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
        let mut keys: Vec<_> = rows().map(|row| [row[0], row[1], row[2], row[3]]).collect();
        for [task, look, agent, repeat] in &keys {
            assert!(look.parse::<Mode>().is_ok(), "{look}");
            let found = find(task, look, agent, repeat.parse().unwrap()).unwrap();
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
            let found = find(task, look, agent, repeat)?;
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
    }
}
