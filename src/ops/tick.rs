//! `tick`: counts runs on the device.

use super::state::require_state;
use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Input: the counter, u32[1].
#[derive(Debug)]
struct Tick;

impl Op for Tick {
    fn name(&self) -> &'static str {
        "tick"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [counter] if counter.dtype == DType::U32 && counter.shape == [1] => Ok(vec![]),
            _ => Err(shape_error("tick", inputs, "a u32[1]")),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let counter = cx.input(0);
        cx.dispatch("tick/tick")
            .bind("counter", &counter)
            .linear_groups(1)
    }

    fn writes(&self) -> &[usize] {
        &[0]
    }
}

impl Var {
    /// Adds 1 to `self`, state `u32[1]` (it wraps after 2³²). What is recorded later on
    /// the tape sees the new count.
    ///
    /// Errors: another shape or type, or not state.
    pub fn tick(&self) -> Result<(), TapeError> {
        require_state("tick", "the counter", self)?;
        Var::record(Tick, &[self]).map(|_| ())
    }
}
