//! `put`: results of batches side by side in one table.

use super::state::{is_flat_f32, require_state};
use super::{Lower, Op, TapeError, Tensor, Var, shape_error};

/// Inputs: table f32[N], state; part f32[M]; number u32[1].
#[derive(Debug)]
struct Put;

impl Op for Put {
    fn name(&self) -> &'static str {
        "put"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [table, part, number]
                if is_flat_f32(table, table.len())
                    && is_flat_f32(part, part.len())
                    && **number == Tensor::u32(&[1]) =>
            {
                Ok(vec![])
            }
            _ => Err(shape_error(
                "put",
                inputs,
                "a table f32[N], a part f32[M] and its number u32[1]",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (table, part, number) = (cx.input(0), cx.input(1), cx.input(2));
        let count = part.tensor.len();
        cx.dispatch("put/put")
            .bind("part", &part)
            .bind("number", &number)
            .bind_part("table", &table, count)
            .u32("count", count)
            .u32("capacity", table.tensor.len())
            .linear(count)
    }

    fn writes(&self) -> &[usize] {
        &[0]
    }
}

impl Var {
    /// Part `number`, `u32[1]`, of `self`, state `f32[N]`, becomes `part`, `f32[M]`: elements
    /// number · M and on. What lies beyond the end of `self` is dropped. number · M must
    /// be below 2³².
    ///
    /// # Errors
    /// Other shapes or types, or `self` is not state.
    pub fn put(&self, part: &Var, number: &Var) -> Result<(), TapeError> {
        require_state("put", "the table", self)?;
        Var::record(Put, &[self, part, number]).map(|_| ())
    }
}
