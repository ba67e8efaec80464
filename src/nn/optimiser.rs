//! Adam over a range of an arena.

use std::ops::Range;

use super::ParameterLayout;
use crate::gpu::{Arena, ArenaLayout, Gpu, GpuError};
use crate::ops::{AdamOptions, DType, TapeError, Var};
use crate::tape::Tape;

/// Adam over one range of the parameters, with its moments.
#[derive(Debug, Clone)]
pub struct Optimiser {
    /// Elements of the parameter arena.
    range: Range<usize>,
    options: AdamOptions,
    first_moment: Arena,
    second_moment: Arena,
    /// Steps taken and bias corrections: see [`Var::adam`].
    time: Arena,
}

impl Optimiser {
    /// Allocates the moments (zero) of the parameters in `range`, and the time.
    ///
    /// # Errors
    /// Those of allocating.
    pub fn new(
        gpu: &Gpu,
        name: &str,
        parameters: &ParameterLayout,
        range: Range<usize>,
        options: AdamOptions,
    ) -> Result<Optimiser, GpuError> {
        let moment = |which: &str| {
            let layout = parameters.sub_layout(range.clone(), |n| format!("{name}.{which}.{n}"));
            Arena::new(gpu, &format!("{name} {which}"), layout)
        };
        let mut time = ArenaLayout::default();
        time.push(format!("{name}.time"), &[4]);
        Ok(Optimiser {
            first_moment: moment("m")?,
            second_moment: moment("v")?,
            time: Arena::new(gpu, &format!("{name} time"), time)?,
            range,
            options,
        })
    }

    /// Another one of the same parameters with the same options, whose moments are its own.
    ///
    /// # Errors
    /// Those of allocating.
    pub fn fresh(&self, gpu: &Gpu) -> Result<Optimiser, GpuError> {
        let again = |arena: &Arena| Arena::new(gpu, arena.label(), arena.layout().clone());
        Ok(Optimiser {
            range: self.range.clone(),
            options: self.options,
            first_moment: again(&self.first_moment)?,
            second_moment: again(&self.second_moment)?,
            time: again(&self.time)?,
        })
    }

    /// The elements of the parameter arena that it moves.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Records the gradient of `loss` with respect to this optimiser's parameters and
    /// one Adam step. Returns the gradients, one for each tensor that has one.
    pub fn step(
        &self,
        tape: &Tape,
        parameters: &Arena,
        loss: &Var,
    ) -> Result<Vec<(String, Var)>, TapeError> {
        let gradients = tape.arena_gradients(loss, parameters, self.range.clone())?;
        let whole = |arena: &Arena| tape.state_range(arena, 0..self.range.len(), DType::F32);
        let time = tape.state_range(&self.time, 0..4, DType::U32);
        tape.state_range(parameters, self.range.clone(), DType::F32)
            .adam(
                &gradients.packed,
                &whole(&self.first_moment),
                &whole(&self.second_moment),
                &time,
                self.options,
            )?;
        Ok(gradients.named)
    }

    /// What it keeps from step to step.
    pub fn arenas(&self) -> [&Arena; 3] {
        [&self.first_moment, &self.second_moment, &self.time]
    }
}
