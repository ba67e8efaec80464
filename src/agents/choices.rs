//! The actions among which an agent chooses: those of a discrete environment, or of a
//! continuous one the grid of its extremes and middles, {−1, 0, 1}^|A| (bang-off-bang;
//! Seyde et al. 2021, "Is Bang-Bang Control All You Need?").
//!
//! Environments and the replay know an action as the environment takes it; networks know
//! its number, from 0, as a one-hot row. On a grid the first component varies fastest:
//! number = Σₖ (aₖ + 1) 3ᵏ.

use crate::Error;
use crate::config::Config;
use crate::envs::ActionSpace;
use crate::ops::{BinaryKind, TapeError, Var};

/// Most actions of a grid: four components.
pub const MOST_OF_GRID: usize = 81;
/// Values of a component on a grid: −1, 0, 1.
const LEVELS: usize = 3;

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    count: usize,
    /// Components of a grid; `None`: the environment numbers its actions itself.
    grid: Option<usize>,
}

impl Choices {
    /// Those that an action space offers; `None` for a grid of more than
    /// [`MOST_OF_GRID`].
    pub fn of(space: ActionSpace) -> Option<Choices> {
        match space {
            ActionSpace::Discrete(count) => Some(Choices { count, grid: None }),
            ActionSpace::Continuous(components) => {
                let count = LEVELS.checked_pow(u32::try_from(components).ok()?)?;
                (count <= MOST_OF_GRID).then_some(Choices {
                    count,
                    grid: Some(components),
                })
            }
        }
    }

    /// Those of a configured agent; `None` for one that names its actions' components.
    ///
    /// # Errors
    /// [`Error::DiscreteActions`] and [`Error::TooManyChoices`] where agent and actions do
    /// not go together.
    pub fn of_agent(config: &Config, space: ActionSpace) -> Result<Option<Choices>, Error> {
        let (agent, env) = (config.agent, &config.env);
        match (agent.chooses(), space) {
            (true, ActionSpace::Continuous(components)) => match Choices::of(space) {
                None => Err(Error::TooManyChoices {
                    agent,
                    env: env.clone(),
                    components,
                    most: MOST_OF_GRID,
                }),
                choices => Ok(choices),
            },
            (true, ActionSpace::Discrete(_)) => Ok(Choices::of(space)),
            (false, ActionSpace::Discrete(count)) => Err(Error::DiscreteActions {
                agent,
                env: env.clone(),
                count: Some(count),
            }),
            (false, ActionSpace::Continuous(_)) => Ok(None),
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the environment takes the number itself.
    pub fn are_numbers(&self) -> bool {
        self.grid.is_none()
    }

    /// Action `number` as the environment takes it.
    pub fn action(&self, number: usize) -> Vec<f32> {
        match self.grid {
            None => vec![number as f32],
            Some(components) => (0..components as u32)
                .map(|k| (number / LEVELS.pow(k) % LEVELS) as f32 - 1.0)
                .collect(),
        }
    }

    /// Numbers f32[B, 1] → actions as the environment takes them, f32[B, |A|].
    ///
    /// # Errors
    /// Another shape.
    pub fn action_of(&self, number: &Var) -> Result<Var, TapeError> {
        let Some(components) = self.grid else {
            return Ok(number.clone());
        };
        let table: Vec<f32> = (0..self.count).flat_map(|i| self.action(i)).collect();
        // Exact: each sum has one term that is not zero.
        one_hot(number, self.count)?
            .matmul(&number.constant_like(&[self.count, components], &table))
    }

    /// Actions as the environment takes them, f32[B, |A|] → rows f32[B, N] with a 1 at the
    /// action's number and 0 elsewhere; of what is none of them only zeros.
    ///
    /// # Errors
    /// Another shape.
    pub fn one_hot(&self, action: &Var) -> Result<Var, TapeError> {
        let Some(components) = self.grid else {
            return one_hot(action, self.count);
        };
        let places: Vec<f32> = (0..components as u32)
            .map(|k| LEVELS.pow(k) as f32)
            .collect();
        let middle: f32 = places.iter().sum();
        let weighted = action.mul(&action.constant_like(&[1, components], &places))?;
        one_hot(&weighted.sum(1..2)?.affine(1.0, middle)?, self.count)
    }
}

/// Numbers f32[B, 1] below `count` → rows f32[B, count]: 1 at the number, 0 elsewhere. No
/// gradient.
///
/// # Errors
/// Another shape.
pub fn one_hot(number: &Var, count: usize) -> Result<Var, TapeError> {
    let numbers: Vec<f32> = (0..count).map(|i| i as f32).collect();
    let numbers = number.constant_like(&[1, count], &numbers);
    number.binary(&numbers, BinaryKind::Equal)?.detach()
}

/// Values f32[B, N] → the number of the largest of each row, f32[B, 1]; of several the
/// first. No gradient. Whatever the values are, the result is the number of an action.
///
/// # Errors
/// Another shape.
pub fn greedy(values: &Var) -> Result<Var, TapeError> {
    let count = values.shape()[1];
    let largest = values.binary(&values.max(1..2)?, BinaryKind::Equal)?;
    // N for the first action, 1 for the last: the first of the largest ranks highest.
    let ranks: Vec<f32> = (1..=count).rev().map(|rank| rank as f32).collect();
    let rank = largest
        .mul(&values.constant_like(&[1, count], &ranks))?
        .max(1..2)?;
    let last = values.constant_like(&[1, 1], &[count as f32 - 1.0]);
    (rank.affine(-1.0, count as f32)?.minimum(&last)?).detach()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AgentKind, Preset};

    #[test]
    fn a_grid_has_every_action_once_and_the_middle_in_its_middle() {
        for components in 1..=4 {
            let choices = Choices::of(ActionSpace::Continuous(components)).unwrap();
            assert_eq!(choices.count(), 3usize.pow(components as u32));
            let all: Vec<Vec<f32>> = (0..choices.count()).map(|i| choices.action(i)).collect();
            for (i, action) in all.iter().enumerate() {
                assert_eq!(action.len(), components);
                assert!(action.iter().all(|a| [-1.0, 0.0, 1.0].contains(a)));
                let number: f32 = (action.iter().enumerate())
                    .map(|(k, a)| (a + 1.0) * 3f32.powi(k as i32))
                    .sum();
                assert_eq!(number, i as f32);
            }
            assert_eq!(all[choices.count() / 2], vec![0.0; components]);
        }
        let two = Choices::of(ActionSpace::Continuous(2)).unwrap();
        assert_eq!([two.action(1), two.action(3)], [[0.0, -1.0], [-1.0, 0.0]]);
    }

    #[test]
    fn what_a_discrete_environment_offers_are_its_numbers() {
        let choices = Choices::of(ActionSpace::Discrete(18)).unwrap();
        assert_eq!((choices.count(), choices.action(17)), (18, vec![17.0]));
    }

    #[test]
    fn agents_and_actions_must_go_together() {
        let of = |agent, space| {
            let config = Config::new(agent, "gym/some", Preset::Tiny);
            Choices::of_agent(&config, space).map_err(|e| e.to_string())
        };
        let (one, many) = (ActionSpace::Continuous(1), ActionSpace::Continuous(5));
        assert_eq!(of(AgentKind::Sgqn, many), Ok(None));
        assert_eq!(of(AgentKind::Dqn, one).unwrap().unwrap().count(), 3);
        let discrete = ActionSpace::Discrete(7);
        assert_eq!(
            of(AgentKind::SgqnDqn, discrete).unwrap().unwrap().count(),
            7
        );
        let refused = of(AgentKind::Sgqn, discrete).unwrap_err();
        assert!(refused.contains("dqn or sgqn-dqn"), "{refused}");
        for components in [5, 40, usize::MAX] {
            let refused = of(AgentKind::Dqn, ActionSpace::Continuous(components)).unwrap_err();
            assert!(refused.contains("3^"), "{refused}");
            assert!(refused.contains("81"), "{refused}");
        }
    }
}
