//! `watch`: appends scalars to a ring that is read asynchronously.

use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Inputs: scalars packed 64 elements apart, f32[64·count]; the ring, u32[1 + rows·count].
#[derive(Debug)]
pub(crate) struct Watch {
    count: usize,
}

impl Watch {
    pub fn record(packed: &Var, ring: &Var, count: usize) -> Result<(), TapeError> {
        Var::record(Watch { count }, &[packed, ring]).map(|_| ())
    }
}

impl Op for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [packed, ring] if packed.len() == 64 * self.count && ring.dtype == DType::U32 => {
                Ok(vec![])
            }
            _ => Err(shape_error(
                "watch",
                inputs,
                "packed scalars and a u32 ring",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (packed, ring) = (cx.input(0), cx.input(1));
        let rows = (ring.tensor.len() - 1) / self.count;
        cx.dispatch("watch/watch")
            .bind_part("packed", &packed, self.count)
            .bind_part("ring", &ring, 1 + self.count)
            .u32("count", self.count)
            .u32("rows", rows)
            .linear_groups(1)
    }

    fn writes(&self) -> &[usize] {
        &[1]
    }
}
