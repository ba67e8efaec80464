//! `mse`: mean squared error.

use super::reduce::{join_pieces, pieces_of};
use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// a, b → mean (a − b)².
#[derive(Debug)]
struct Mse;

impl Op for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [a, b] if a.dtype == DType::F32 && a == b && !a.is_empty() => {
                Ok(vec![Tensor::f32(&[1])])
            }
            _ => Err(shape_error(
                "mse",
                inputs,
                "two f32 of one shape, not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let (a, b) = (&cx.inputs[0], &cx.inputs[1]);
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None, None]);
        };
        if cx.needs[0] && cx.needs[1] {
            let both = Var::record(MseGradient { both: true }, &[g, a, b])?;
            return Ok(both.into_iter().map(Some).collect());
        }
        let one = |needed: bool, a, b| {
            needed
                .then(|| Var::record1(MseGradient { both: false }, &[g, a, b]))
                .transpose()
        };
        Ok(vec![one(cx.needs[0], a, b)?, one(cx.needs[1], b, a)?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (a, b, y) = (cx.input(0), cx.input(1), cx.output(0));
        let count = a.tensor.len();
        let (piece, pieces, partial) = pieces_of(cx, count, &y);
        let mean = 1.0 / count as f32;
        cx.dispatch("mse/forward")
            .bind("a", &a)
            .bind("b", &b)
            .bind("y", &partial)
            .u32("count", count)
            .u32("piece", piece)
            .u32("pieces", pieces)
            .f32("scale", if pieces == 1 { mean } else { 1.0 })
            .linear_groups(pieces)?;
        join_pieces(cx, &partial, &y, mean)
    }
}

/// Inputs: g\[1\], a, b. Outputs: the gradient of a and, if `both`, of b.
#[derive(Debug)]
struct MseGradient {
    both: bool,
}

impl Op for MseGradient {
    fn name(&self) -> &'static str {
        "mse_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[1].clone(); 1 + self.both as usize])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, a, b, da) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
        let db = self.both.then(|| cx.output(1));
        let count = a.tensor.len();
        let mut dispatch = cx
            .dispatch(if self.both {
                "mse/gradient.both"
            } else {
                "mse/gradient.one"
            })
            .bind("g", &g)
            .bind("a", &a)
            .bind("b", &b)
            .bind("da", &da)
            .u32("count", count)
            .f32("scale", 2.0 / count as f32);
        if let Some(db) = &db {
            dispatch = dispatch.bind("db", db);
        }
        dispatch.linear(count)
    }
}

impl Var {
    /// Mean of (self − target)² over all elements: f32\[1\]. Both are f32 of one
    /// shape, and gradients flow into both ([`detach`](Var::detach) a fixed target).
    ///
    /// # Errors
    /// [`TapeError::Shape`] if the shapes differ or are empty.
    pub fn mse(&self, target: &Var) -> Result<Var, TapeError> {
        Var::record1(Mse, &[self, target])
    }
}
