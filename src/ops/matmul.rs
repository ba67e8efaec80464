//! `matmul`: products of two matrices, either transposed, with bias and pointwise
//! tail; `linear` is the layer y = x Wᵀ + b.

use std::rc::Rc;

use super::{Backward, DType, Epilogue, Gradient, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Results of a workgroup of one permutation of `matmul/matmul`: 8 × 8 invocations of
/// 8 ROWS × COLUMNS.
#[derive(Debug, Clone, Copy)]
struct Tile {
    name: &'static str,
    rows: usize,
    columns: usize,
}

const WIDE_SHARED: Tile = Tile {
    name: "wide",
    rows: 128,
    columns: 32,
};
const WIDE: Tile = Tile {
    name: "wide",
    rows: 64,
    columns: 64,
};
const NARROW: Tile = Tile {
    name: "narrow",
    rows: 64,
    columns: 32,
};
/// Workgroups below which the sum over k is split to give the device more to do.
const FEW_GROUPS: usize = 32;
/// Shortest piece of k that is worth a workgroup.
const SHORTEST_PIECE: usize = 256;

/// c[M, N] = op(a) op(b) (+ bias[N]); op transposes where asked.
#[derive(Debug, Clone)]
struct MatMul {
    transpose_a: bool,
    transpose_b: bool,
    bias: bool,
    epilogue: Epilogue,
}

/// The number by which `common/epilogue.wgsl` knows a tail.
pub(super) fn tail_code(epilogue: Epilogue) -> usize {
    match epilogue {
        Epilogue::None => 0,
        Epilogue::Relu => 1,
        Epilogue::Gate(Gradient::True) => 2,
        Epilogue::Gate(Gradient::Guided) => 3,
    }
}

impl MatMul {
    /// (m, n, k) of the product.
    fn sizes(&self, a: &[usize], b: &[usize]) -> Option<[usize; 3]> {
        let ([a0, a1], [b0, b1]) = (a, b) else {
            return None;
        };
        let (m, k) = if self.transpose_a {
            (*a1, *a0)
        } else {
            (*a0, *a1)
        };
        let (k2, n) = if self.transpose_b {
            (*b1, *b0)
        } else {
            (*b0, *b1)
        };
        (k == k2 && m * n * k > 0).then_some([m, n, k])
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let sizes = match inputs {
            [a, b, ..] if inputs.iter().all(|t| t.dtype == DType::F32) => {
                self.sizes(&a.shape, &b.shape)
            }
            _ => None,
        };
        match sizes {
            Some([m, n, _]) if !self.bias || inputs[2].shape == [n] => {
                Ok(vec![Tensor::f32(&[m, n])])
            }
            _ => Err(shape_error(
                "matmul",
                inputs,
                format!(
                    "a {}, b {}{}",
                    if self.transpose_a { "[K, M]" } else { "[M, K]" },
                    if self.transpose_b { "[N, K]" } else { "[K, N]" },
                    if self.bias { ", bias [N]" } else { "" },
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut out = vec![None; cx.inputs.len()];
        let Some(g) = &cx.grads[0] else {
            return Ok(out);
        };
        let (a, b) = (&cx.inputs[0], &cx.inputs[1]);
        if cx.needs[0] {
            out[0] = Some(match (self.transpose_a, self.transpose_b) {
                (false, tb) => g.matmul_transposed(b, false, !tb)?,
                (true, tb) => b.matmul_transposed(g, tb, true)?,
            });
        }
        if cx.needs[1] {
            out[1] = Some(match (self.transpose_a, self.transpose_b) {
                (ta, false) => a.matmul_transposed(g, !ta, false)?,
                (ta, true) => g.matmul_transposed(a, true, ta)?,
            });
        }
        if self.bias && cx.needs[2] {
            out[2] = Some(g.sum(0..1)?.reshape(&cx.inputs[2].shape())?);
        }
        Ok(out)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (a, b, c) = (cx.input(0), cx.input(1), cx.output(0));
        let Some([m, n, k]) = self.sizes(a.shape(), b.shape()) else {
            return Err(shape_error(
                "matmul",
                &[&a.tensor, &b.tensor],
                "matrices that fit",
            ));
        };
        let bias = if self.bias { cx.input(2) } else { a.clone() };
        let gate = match self.epilogue {
            Epilogue::Gate(_) => cx.input(2 + self.bias as usize),
            _ => a.clone(),
        };
        // Sharing rows between lanes wins on software Vulkan (subgroups of 8).
        let (suffix, shared) = match cx.capabilities().subgroup_size {
            Some(8) => ("_subgroup", true),
            _ => ("", false),
        };
        let groups = |tile: Tile| n.div_ceil(tile.columns) * m.div_ceil(tile.rows);
        let (wide, narrow) = if shared {
            (WIDE_SHARED, NARROW)
        } else {
            (WIDE, NARROW)
        };
        let tile = if groups(wide) >= FEW_GROUPS {
            wide
        } else {
            narrow
        };
        // The number of splits depends on shapes and tiles alone: sums have one order.
        let splits = (FEW_GROUPS / groups(tile)).min(k / SHORTEST_PIECE).max(1);
        let piece = k.div_ceil(splits);
        let splits = k.div_ceil(piece);
        let (a_i, a_k) = if self.transpose_a { (1, m) } else { (k, 1) };
        let (b_k, b_j) = if self.transpose_b { (1, k) } else { (n, 1) };
        let target = if splits > 1 {
            cx.workspace(Tensor::f32(&[splits, m, n]))
        } else {
            c.clone()
        };
        let whole = splits == 1;
        cx.dispatch(&format!("matmul/matmul.{}{suffix}", tile.name))
            .bind("a", &a)
            .bind("b", &b)
            .bind("bias", &bias)
            .bind("gate", &gate)
            .bind("c", &target)
            .u32("m", m)
            .u32("n", n)
            .u32("k", k)
            .u32("a_i", a_i)
            .u32("a_k", a_k)
            .u32("b_k", b_k)
            .u32("b_j", b_j)
            .u32("piece", piece)
            .u32("splits", splits)
            .u32("has_bias", (self.bias && whole) as usize)
            .u32("tail", if whole { tail_code(self.epilogue) } else { 0 })
            .groups([
                n.div_ceil(tile.columns) as u32,
                m.div_ceil(tile.rows) as u32,
                splits as u32,
            ])?;
        if whole {
            return Ok(());
        }
        cx.dispatch("matmul/join")
            .bind("partial", &target)
            .bind("bias", &bias)
            .bind("gate", &gate)
            .bind("c", &c)
            .u32("count", m * n)
            .u32("n", n)
            .u32("splits", splits)
            .u32("has_bias", self.bias as usize)
            .u32("tail", tail_code(self.epilogue))
            .linear(m * n)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Rc<dyn Op>> {
        (self.epilogue == Epilogue::None).then(|| {
            Rc::new(MatMul {
                epilogue,
                ..self.clone()
            }) as Rc<dyn Op>
        })
    }
}

impl Var {
    /// a[M, K] · b[K, N] → [M, N].
    pub fn matmul(&self, b: &Var) -> Result<Var, TapeError> {
        self.matmul_transposed(b, false, false)
    }

    /// op(a) · op(b), where op transposes if asked: a is [M, K] or [K, M], b is
    /// [K, N] or [N, K].
    pub fn matmul_transposed(
        &self,
        b: &Var,
        transpose_a: bool,
        transpose_b: bool,
    ) -> Result<Var, TapeError> {
        let op = MatMul {
            transpose_a,
            transpose_b,
            bias: false,
            epilogue: Epilogue::None,
        };
        Var::record1(op, &[self, b])
    }

    /// The layer y = x Wᵀ + b: `x[B, in]`, `weight[out, in]`, `bias[out]` → `[B, out]`.
    pub fn linear(&self, weight: &Var, bias: &Var) -> Result<Var, TapeError> {
        let op = MatMul {
            transpose_a: false,
            transpose_b: true,
            bias: true,
            epilogue: Epilogue::None,
        };
        Var::record1(op, &[self, weight, bias])
    }
}
