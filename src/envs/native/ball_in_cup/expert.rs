//! A controller that tries throws in its head.

use super::super::planar::vector::sub;
use super::super::vectorised::Task;
use super::{BallInCup, BallInCupState, FORCE, STIFFNESS};

/// Control steps of each of the two actions of a throw, and how far ahead it sees.
const PIECE: usize = 8;
const FORESIGHT: usize = 40;

impl BallInCup {
    /// Nothing once the ball is in the cup. Before that it tries throws, each two actions
    /// long and then after the ball, and begins the one that ends best.
    pub(super) fn throw(&self, state: &BallInCupState) -> [f32; 2] {
        if state.inside() {
            return [0.0; 2];
        }
        const SIDES: [f32; 3] = [-1.0, 0.0, 1.0];
        let firsts = SIDES.map(|z| SIDES.map(|x| [x, z]));
        let thens = [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]];
        let mut best = (self.worth(state, &[]), beneath(state));
        for first in firsts.as_flattened() {
            for then in thens {
                let worth = self.worth(state, &[*first, then]);
                if worth > best.0 {
                    best = (worth, *first);
                }
            }
        }
        best.1
    }

    /// What becomes of a throw: the return until [`FORESIGHT`], and how well the ball was
    /// above the cup in between. Where actions are so long that a throw would take all of
    /// it, an action more than that, whatever is done: returns of different lengths do not
    /// compare.
    fn worth(&self, state: &BallInCupState, throw: &[[f32; 2]]) -> f64 {
        let repeat = self.action_repeat;
        let piece = (PIECE / repeat).max(1);
        let mut state = *state;
        let (mut sum, mut best) = (0.0, f64::NEG_INFINITY);
        for step in 0..(FORESIGHT / repeat).max(2 * piece + 1) {
            let thrown = throw.get(step / piece);
            let action = thrown.copied().unwrap_or_else(|| beneath(&state));
            for _ in 0..repeat {
                sum += self.step(&mut state, &action);
            }
            if thrown.is_none() {
                let [aside, above] = sub(state.ball(), state.cup());
                best = best.max(above.min(0.05) - 0.2 * aside.abs());
            }
        }
        sum + best
    }
}

/// Brings the cup under where the ball will be, low enough to let it in.
fn beneath(state: &BallInCupState) -> [f32; 2] {
    let ball = state.position[2] + 0.06 * state.velocity[2];
    let hold = STIFFNESS / FORCE * ball;
    let x = hold + 12.0 * (ball - state.position[0]);
    [x.clamp(-1.0, 1.0) as f32, -0.6]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long actions are: where the ball lies in a cup that is held low, a throw that
    /// holds it there is worth what none is.
    ///
    /// Sabotage tried: as many steps as the throw itself needs. Turns this red from 14 on.
    #[test]
    fn throws_are_compared_over_the_same_time() {
        for repeat in [1, 4, 8, 14, 20, 40] {
            let world = BallInCup::new(repeat);
            // The springs give 0.15 m to the push and 0.064 m to both weights.
            let state = BallInCupState {
                position: [0.0, -0.214, 0.0, 0.12],
                velocity: [0.0; 4],
            };
            let [still, thrown] = [&[][..], &[[0.0, -0.6]; 2]].map(|t| world.worth(&state, t));
            assert!(still > 30.0, "{still}");
            assert!((still - thrown).abs() < 0.1, "{repeat}: {still} {thrown}");
        }
    }
}
