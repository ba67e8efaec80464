//! The grid: a TOML file that says which runs there are.
//!
//! ```toml
//! agents = ["sac", "sgqn"]
//! tasks = ["native/reach", "native/cartpole"]
//! seeds = [1, 2, 3]
//! looks = ["train", "color-hard", "video-easy", "video-hard"]
//! episodes = 30                # of each evaluation; absent: the runs' eval_episodes
//!
//! [set]                        # the same in all runs: any option of `foveate train --set`
//! preset = "tiny"
//!
//! [axes]                       # further axes: any other option, with its values
//! rho = [0.9, 0.95]
//! ```

use std::path::Path;

use toml::{Table, Value};

use super::error::{GridError, SweepError};
use crate::config::{check_option, known_keys, nearest};
use crate::envs::native::Mode;

/// The keys of a grid.
pub(super) const KEYS: [&str; 7] = [
    "agents", "tasks", "seeds", "looks", "episodes", "set", "axes",
];

/// Options of runs that have an axis of their own in every grid.
const OWN_AXES: [(&str, &str); 3] = [("agent", "agents"), ("env", "tasks"), ("seed", "seeds")];

/// Most episodes of an evaluation, as in `foveate eval`.
const MOST_EPISODES: i64 = 10_000;

/// What varies between runs, and what is the same in all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Algorithms, as in `--agent`.
    pub agents: Vec<String>,
    /// Environment ids, as in `--env`.
    pub tasks: Vec<String>,
    pub seeds: Vec<u64>,
    /// Looks that every trained agent is evaluated in.
    pub looks: Vec<Mode>,
    /// Episodes of each evaluation; none: the run's own `eval_episodes`.
    pub episodes: Option<usize>,
    /// Further axes in the order of `config.toml`'s keys, each with its values, checked
    /// for their type.
    pub axes: Vec<(&'static str, Vec<Value>)>,
    /// Options common to all runs, in the same order.
    pub set: Vec<(&'static str, Value)>,
}

impl Grid {
    /// Reads the grid at `path`; also returns its text.
    ///
    /// # Errors
    /// [`SweepError::Read`], [`SweepError::Grid`].
    pub fn read(path: &Path) -> Result<(Grid, String), SweepError> {
        let text = std::fs::read_to_string(path).map_err(|source| SweepError::Read {
            path: path.to_owned(),
            source,
        })?;
        let grid = Grid::parse(&text).map_err(|error| error.of(path))?;
        Ok((grid, text))
    }

    /// Reads the text of a grid. Whether agents and options fit together is checked when
    /// it is expanded ([`super::Plan::of`]), whether worlds exist by whoever opens them.
    ///
    /// # Errors
    /// [`GridError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Grid, GridError> {
        let table: Table = toml::from_str(text)
            .map_err(|error| GridError::Syntax(error.to_string().trim().to_owned()))?;
        for key in table.keys() {
            if !KEYS.contains(&key.as_str()) {
                return Err(GridError::UnknownKey {
                    key: key.clone(),
                    nearest: nearest(key, KEYS),
                });
            }
        }
        let agents = texts(&table, "agents", "[\"sac\", \"sgqn\"]")?;
        for agent in &agents {
            check_option("agent", Value::String(agent.clone()), "agents")?;
        }
        let looks = texts(&table, "looks", "[\"train\", \"video-hard\"]")?;
        let grid = Grid {
            agents,
            tasks: texts(&table, "tasks", "[\"native/reach\"]")?,
            seeds: seeds(&table)?,
            looks: (looks.iter().map(|look| look.parse())).collect::<Result<_, _>>()?,
            episodes: episodes(&table)?,
            axes: axes(&table)?,
            set: options(&table)?,
        };
        for (key, _) in &grid.axes {
            if grid.set.iter().any(|(set, _)| set == key) {
                let key = key.to_string();
                return Err(GridError::Both { key });
            }
        }
        Ok(grid)
    }
}

/// The values of an axis: at least one, none twice.
fn list<'a>(table: &'a Table, axis: &str) -> Result<Option<&'a [Value]>, GridError> {
    let values = match table.get(axis) {
        None => return Ok(None),
        Some(Value::Array(values)) => values,
        Some(other) => return Err(wrong(axis, other, "a list of values in [ ]")),
    };
    if values.is_empty() {
        let axis = axis.to_owned();
        return Err(GridError::Empty { axis });
    }
    Ok(Some(values))
}

fn require_distinct<T: PartialEq + std::fmt::Display>(
    axis: &str,
    values: &[T],
) -> Result<(), GridError> {
    for (i, value) in values.iter().enumerate() {
        if values[..i].contains(value) {
            return Err(GridError::Duplicate {
                axis: axis.to_owned(),
                value: value.to_string(),
            });
        }
    }
    Ok(())
}

fn texts(
    table: &Table,
    axis: &'static str,
    example: &'static str,
) -> Result<Vec<String>, GridError> {
    let values = list(table, axis)?.ok_or(GridError::Missing { axis, example })?;
    require_distinct(axis, values)?;
    let text = |value: &Value| match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(wrong(axis, value, "a list of names in quotes")),
    };
    values.iter().map(text).collect()
}

fn seeds(table: &Table) -> Result<Vec<u64>, GridError> {
    let (axis, example) = ("seeds", "[1, 2, 3]");
    let values = list(table, axis)?.ok_or(GridError::Missing { axis, example })?;
    require_distinct(axis, values)?;
    let seed = |value: &Value| {
        (value.as_integer().and_then(|n| u64::try_from(n).ok()))
            .ok_or_else(|| wrong(axis, value, "a list of integers from 0"))
    };
    values.iter().map(seed).collect()
}

fn episodes(table: &Table) -> Result<Option<usize>, GridError> {
    let Some(value) = table.get("episodes") else {
        return Ok(None);
    };
    match value.as_integer() {
        Some(count) if (1..=MOST_EPISODES).contains(&count) => Ok(Some(count as usize)),
        _ => Err(wrong("episodes", value, "an integer from 1 to 10000")),
    }
}

/// A table of options, in the order of `config.toml`'s keys.
fn section<'a>(
    table: &'a Table,
    name: &'static str,
) -> Result<Vec<(&'static str, &'a Value)>, GridError> {
    let options = match table.get(name) {
        None => return Ok(vec![]),
        Some(Value::Table(options)) => options,
        Some(other) => return Err(wrong(name, other, "a table: [set] or [axes]")),
    };
    for key in options.keys() {
        if let Some((_, axis)) = OWN_AXES.iter().find(|(own, _)| own == key) {
            return Err(GridError::Reserved {
                section: name,
                key: key.clone(),
                axis,
            });
        }
        if !known_keys().any(|known| known == key) {
            return Err(GridError::Option(crate::config::ConfigError::UnknownKey {
                key: key.clone(),
                nearest: nearest(key, known_keys()),
                origin: format!("[{name}]"),
            }));
        }
    }
    let given = known_keys().filter_map(|key| Some((key, options.get(key)?)));
    Ok(given.collect())
}

fn axes(table: &Table) -> Result<Vec<(&'static str, Vec<Value>)>, GridError> {
    let mut axes = vec![];
    for (key, value) in section(table, "axes")? {
        let Value::Array(values) = value else {
            return Err(wrong(key, value, "a list of values in [ ]"));
        };
        if values.is_empty() {
            let axis = key.to_owned();
            return Err(GridError::Empty { axis });
        }
        let checked: Vec<Value> = (values.iter())
            .map(|value| Ok(check_option(key, value.clone(), "[axes]")?.1))
            .collect::<Result<_, GridError>>()?;
        // 1 and 1.0 are one number by now.
        require_distinct(key, &checked)?;
        axes.push((key, checked));
    }
    Ok(axes)
}

fn options(table: &Table) -> Result<Vec<(&'static str, Value)>, GridError> {
    (section(table, "set")?.into_iter())
        .map(|(key, value)| Ok(check_option(key, value.clone(), "[set]")?))
        .collect()
}

fn wrong(key: &str, given: &Value, expected: &'static str) -> GridError {
    GridError::WrongType {
        key: key.to_owned(),
        given: given.to_string(),
        expected,
    }
}
