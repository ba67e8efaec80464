//! `concat`: tensors joined along one axis.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Parts that one dispatch joins.
const PARTS: usize = 4;

#[derive(Debug)]
struct Concat {
    axis: usize,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let axis = self.axis;
        let wrong = || {
            shape_error(
                "concat",
                inputs,
                format!("f32 that differ in dimension {axis} alone, not empty"),
            )
        };
        let mut shape = match inputs {
            [first, ..] if axis < first.shape.len() => first.shape.clone(),
            _ => return Err(wrong()),
        };
        shape[axis] = 0;
        for part in inputs {
            let others_agree = part.shape.len() == shape.len()
                && (0..shape.len()).all(|d| d == axis || part.shape[d] == shape[d]);
            if part.dtype != DType::F32 || part.is_empty() || !others_agree {
                return Err(wrong());
            }
            shape[axis] += part.shape[axis];
        }
        Ok(vec![Tensor::f32(&shape)])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None; cx.inputs.len()]);
        };
        let mut start = 0;
        (cx.inputs.iter().zip(cx.needs))
            .map(|(part, needed)| {
                let range = start..start + part.shape()[self.axis];
                start = range.end;
                needed.then(|| g.slice(self.axis, range)).transpose()
            })
            .collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let y = cx.output(0);
        let outer: usize = y.shape()[..self.axis].iter().product();
        let whole = y.tensor.len() / outer;
        let mut start = 0;
        let parts: Vec<_> = cx.inputs.to_vec();
        for chunk in parts.chunks(PARTS) {
            let width = |i: usize| chunk.get(i).map_or(0, |p| p.tensor.len() / outer);
            let part = |i: usize| chunk.get(i).unwrap_or(&chunk[0]);
            let widths: [usize; PARTS] = std::array::from_fn(width);
            let written: usize = widths.iter().sum();
            let sizes = [&widths[..], &[whole, start]].concat();
            let (dispatch, lane) = cx.in_fours("concat/concat", &sizes);
            dispatch
                .bind("part_0", part(0))
                .bind("part_1", part(1))
                .bind("part_2", part(2))
                .bind("part_3", part(3))
                .bind_part("y", &y, outer * written)
                .u32("whole", whole / lane)
                .u32("start", start / lane)
                .u32("width_0", widths[0] / lane)
                .u32("width_1", widths[1] / lane)
                .u32("width_2", widths[2] / lane)
                .u32("width_3", widths[3] / lane)
                .lots(outer * written / lane)?;
            start += written;
        }
        Ok(())
    }
}

impl Var {
    /// Joins f32 tensors along dimension `axis`; their other dimensions are equal.
    /// Four parts take one dispatch.
    ///
    /// # Errors
    /// [`TapeError::Shape`] if the shapes do not fit or a part is empty,
    /// [`TapeError::Option`] without parts.
    pub fn concat(parts: &[&Var], axis: usize) -> Result<Var, TapeError> {
        Var::record1(Concat { axis }, parts)
    }
}
