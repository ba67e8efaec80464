//! `matmul`: products of two matrices, either transposed, with bias and pointwise
//! tail; `linear` is the layer y = x Wᵀ + b.

use std::cmp::Reverse;
use std::num::NonZero;
use std::rc::Rc;
use std::thread::available_parallelism;

use super::lower::work;
use super::tiled::{TiledProduct, pays, suffix};
use super::{Backward, DType, Epilogue, Gradient, Lower, Op, TapeError, Tensor, Var, shape_error};
use crate::gpu::shader::{SHADERS, ShaderInfo};
use crate::gpu::{GpuError, Precision};

/// Columns of invocations in a workgroup of `matmul/matmul` without workgroup memory.
const SIDE: usize = 8;
/// Workgroups below which the sum over k is split to give the device more to do; for
/// tiles in workgroup memory see there.
const FEW_GROUPS: usize = 32;
const FEW_SUBGROUPS: usize = 8;
/// What a value costs that comes in a pair, of what it costs alone, on software Vulkan: the
/// product of benches/NOTES.md took 18.3 and then 13.2 ms, 5.1 of them for arithmetic.
const PAIR_LOAD: (usize, usize) = (3, 5);
/// The same of fours (`vec4`): 18 multiply-adds for the first value, 12 for each other.
const FOUR_LOAD: (usize, usize) = (3, 4);
/// Shortest piece of k that is worth a workgroup.
const SHORTEST_PIECE: usize = 256;
/// Workgroups for each of the threads that do them on software Vulkan.
const GROUPS_OF_THREAD: usize = 4;
/// Fewest rows that pay for loading the part of b that stays while they pass by.
const FEWEST_ROWS: usize = 96;

/// A permutation of `matmul/matmul` or `matmul/stationary` and the results of one of its
/// workgroups.
#[derive(Debug, Clone, Copy)]
struct Tile {
    shader: &'static ShaderInfo,
    /// Where rows pass by, the fewest, but for the last strip.
    rows: usize,
    columns: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// In registers.
    Registers,
    /// In registers, rows shared between the lanes of a subgroup; so many terms of the
    /// sum at a time. With pairs a load brings two neighbours.
    Subgroup { unroll: usize, pairs: bool },
    /// So many rows of b stay in the invocations' own arrays, rows of a pass by
    /// (`matmul/stationary`).
    Stationary { terms: usize },
    /// In workgroup memory.
    Tiled(TiledProduct),
}

impl Tile {
    fn of(shader: &'static ShaderInfo) -> Option<Tile> {
        if let Some(tiled) = TiledProduct::of(shader) {
            return Some(Tile::tiled(tiled));
        }
        let constant = |name| shader.constant(name).map(|n| n as usize);
        if let Some(terms) = constant("TERMS") {
            return Some(Tile {
                shader,
                rows: FEWEST_ROWS,
                columns: SIDE * constant("COLUMNS")?,
                kind: Kind::Stationary { terms },
            });
        }
        let unroll = constant("UNROLL")?;
        Some(Tile {
            shader,
            rows: 8 * constant("ROWS")? * constant("LANES")? / SIDE,
            columns: SIDE * constant("COLUMNS")?,
            kind: match shader.subgroups {
                true => Kind::Subgroup {
                    unroll,
                    pairs: constant("PAIRS").is_some(),
                },
                false => Kind::Registers,
            },
        })
    }

    fn tiled(tiled: TiledProduct) -> Tile {
        Tile {
            shader: tiled.shader,
            rows: tiled.rows,
            columns: tiled.columns,
            kind: Kind::Tiled(tiled),
        }
    }

    /// Rows of a workgroup: where they pass by, as many as leave each of the `threads` that
    /// do workgroups something to do. Sums do not depend on it.
    fn strip(&self, m: usize, n: usize, threads: usize) -> usize {
        match self.kind {
            Kind::Stationary { .. } => {
                let wanted = (threads * GROUPS_OF_THREAD).div_ceil(n.div_ceil(self.columns));
                m.div_ceil((m / self.rows).clamp(1, wanted))
            }
            _ => self.rows,
        }
    }

    /// Workgroups; where rows pass by, as many as any machine would have: shapes alone
    /// decide.
    fn groups(&self, m: usize, n: usize) -> usize {
        let along_rows = match self.kind {
            Kind::Stationary { .. } => (m / self.rows).max(1),
            _ => m.div_ceil(self.rows),
        };
        n.div_ceil(self.columns) * along_rows
    }

    /// Terms in a piece of the sum over k: all, or fewer to give the device more to do.
    /// They depend on shapes and tile alone: sums have one order.
    fn piece(&self, sizes: [usize; 3]) -> usize {
        let piece = sizes[2].div_ceil(self.splits(sizes));
        match self.kind {
            Kind::Subgroup { pairs: true, .. } => piece.next_multiple_of(2),
            Kind::Stationary { terms } => piece.next_multiple_of(terms),
            _ => piece,
        }
    }

    /// Pieces that the sum is cut into, but for rounding.
    fn splits(&self, [m, n, k]: [usize; 3]) -> usize {
        let few = match self.kind {
            Kind::Registers => FEW_GROUPS,
            Kind::Subgroup { .. } | Kind::Stationary { .. } => FEW_SUBGROUPS,
            Kind::Tiled(tiled) => return tiled.pieces([m, n, k], SHORTEST_PIECE),
        };
        (few / self.groups(m, n)).min(k / SHORTEST_PIECE).max(1)
    }

    /// Workgroups of the dispatch, each of so many rows: along columns, along rows, and for
    /// pieces of the sum.
    fn dispatched(&self, [m, n, k]: [usize; 3], rows: usize) -> [usize; 3] {
        let splits = k.div_ceil(self.piece([m, n, k]));
        [n.div_ceil(self.columns), m.div_ceil(rows), splits]
    }

    /// Estimated cost on software Vulkan, where one subgroup is a workgroup.
    fn work(&self, [m, n, k]: [usize; 3]) -> usize {
        let columns = self.columns / SIDE;
        match self.kind {
            Kind::Subgroup { unroll, pairs } => {
                let rows = self.rows / 8;
                let (mut loads, sums) = (unroll * (rows + columns), 8 * rows * columns);
                if pairs {
                    loads = loads * PAIR_LOAD.0 / PAIR_LOAD.1;
                }
                let steps = k.div_ceil(unroll) * work(loads, sums, unroll);
                self.groups(m, n) * (steps + 2 * work(sums, 0, 0))
            }
            Kind::Stationary { terms } => {
                // Products need no writing back. Storing is taken to cost what loading does,
                // and a to come in fours, as most do.
                let held = terms * columns;
                let row = work((terms / 8 + 2 * columns) * FOUR_LOAD.0 / FOUR_LOAD.1, 0, 0) + held;
                let tile = work(2 * held * FOUR_LOAD.0 / FOUR_LOAD.1, 0, 0);
                let tiles = n.div_ceil(self.columns) * m * row + self.groups(m, n) * tile;
                k.div_ceil(terms) * tiles
            }
            _ => usize::MAX,
        }
    }

    /// The tiles that suit a device, the one for a product that the estimate prefers
    /// first; and others that it can run, but not quickly.
    fn candidates(cx: &Lower, op: &MatMul, sizes: [usize; 3]) -> (Vec<Tile>, Vec<Tile>) {
        let capabilities = cx.capabilities();
        let pieces = |tile: &TiledProduct| tile.pieces(sizes, SHORTEST_PIECE);
        let tiled = TiledProduct::candidates(cx, "matmul/matmul.", sizes, pieces);
        let tiled: Vec<Tile> = tiled.into_iter().map(Tile::tiled).collect();
        // Only they have permutations for it.
        if cx.precision() == Precision::F16 {
            return (tiled, vec![]);
        }
        let tiles = |prefix: &'static str| -> Vec<Tile> {
            let shaders = SHADERS.iter().filter(|s| s.key.starts_with(prefix));
            shaders.filter_map(Tile::of).collect()
        };
        // Sharing rows between lanes wins on software Vulkan (subgroups of 8).
        if capabilities.subgroup_size == Some(8) {
            let mut shared = tiles("matmul/matmul.subgroup_");
            if let Some(prefix) = op.pairs(sizes) {
                shared.extend(tiles(prefix));
            }
            if let Some(prefix) = op.stationary(sizes).filter(|_| capabilities.software) {
                shared.extend(tiles(prefix));
            }
            shared.sort_by_key(|tile| tile.work(sizes));
            if capabilities.software {
                return (shared, tiled);
            }
            return ([tiled, shared].concat(), vec![]);
        }
        let [m, n, _] = sizes;
        let mut plain = tiles("matmul/matmul.wide");
        plain.extend(tiles("matmul/matmul.narrow"));
        // Those first that give the device enough to do, of them the largest.
        plain.sort_by_key(|t| (t.groups(m, n) < FEW_GROUPS, Reverse(t.rows * t.columns)));
        if plain.iter().all(|t| t.groups(m, n) < FEW_GROUPS) {
            plain.reverse();
        }
        match !capabilities.software && pays(sizes) {
            true => ([tiled, plain].concat(), vec![]),
            false => ([plain, tiled].concat(), vec![]),
        }
    }
}

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

    /// The tiles that load neighbours in pairs, where memory runs along an even number of
    /// rows, columns or terms, and terms are even.
    fn pairs(&self, [m, n, k]: [usize; 3]) -> Option<&'static str> {
        let even = |size: usize| size.is_multiple_of(2);
        match (self.transpose_a, self.transpose_b) {
            (false, false) if even(k) && even(n) => Some("matmul/matmul.pairs_nn_"),
            (false, true) if even(k) => Some("matmul/matmul.pairs_nt_"),
            (true, false) if even(k) && even(m) && even(n) => Some("matmul/matmul.pairs_tn_"),
            _ => None,
        }
    }

    /// The tiles by which rows of a pass, where n is whole fours, and k where memory of a or
    /// b runs along it. Not for few rows, which would be over before what stays is loaded.
    fn stationary(&self, [m, n, k]: [usize; 3]) -> Option<&'static str> {
        let fours = |size: usize| size.is_multiple_of(4);
        match (self.transpose_a, self.transpose_b) {
            _ if m < FEWEST_ROWS || !fours(n) => None,
            (false, false) if fours(k) => Some("matmul/stationary.nn_"),
            (false, true) if fours(k) => Some("matmul/stationary.nt_"),
            (true, false) => Some("matmul/stationary.tn_"),
            _ => None,
        }
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
        let (tiles, others) = Tile::candidates(cx, self, [m, n, k]);
        // Asked once: it may be another number the next time.
        let threads = available_parallelism().map_or(1, NonZero::get);
        let strip = |t: &Tile| t.strip(m, n, threads);
        let (tiles, others) = cx.dispatchable(tiles, others, |t| t.dispatched([m, n, k], strip(t)));
        let layout = |transposed| if transposed { "t" } else { "n" };
        let class = format!(
            "matmul {m}x{k}x{n} {}{}{}",
            layout(self.transpose_a),
            layout(self.transpose_b),
            suffix(cx.precision()),
        );
        let shaders = |tiles: &[Tile]| tiles.iter().map(|t| t.shader).collect::<Vec<_>>();
        let chosen = cx.choose(class, shaders(&tiles), &shaders(&others));
        let Some(tile) = chosen.and_then(Tile::of) else {
            let reason = "there is no shader 'matmul/matmul'".to_string();
            let what = "matmul".to_string();
            return Err(GpuError::Rejected { what, reason }.into());
        };
        let piece = tile.piece([m, n, k]);
        let rows = strip(&tile);
        let groups = tile.dispatched([m, n, k], rows);
        let splits = groups[2];
        let target = if splits > 1 {
            cx.workspace(Tensor::f32(&[splits, m, n]))
        } else {
            c.clone()
        };
        let whole = splits == 1;
        let dispatch = cx.dispatch(tile.shader.key);
        let dispatch = match tile.kind {
            Kind::Stationary { .. } => dispatch.u32("rows", rows),
            _ => {
                let (a_i, a_k) = if self.transpose_a { (1, m) } else { (k, 1) };
                let (b_k, b_j) = if self.transpose_b { (1, k) } else { (n, 1) };
                let dispatch = dispatch.u32("a_i", a_i).u32("a_k", a_k);
                dispatch.u32("b_k", b_k).u32("b_j", b_j)
            }
        };
        (dispatch.bind("a", &a))
            .bind("b", &b)
            .bind("bias", &bias)
            .bind("gate", &gate)
            .bind("c", &target)
            .u32("m", m)
            .u32("n", n)
            .u32("k", k)
            .u32("piece", piece)
            .u32("has_bias", (self.bias && whole) as usize)
            .u32("tail", if whole { tail_code(self.epilogue) } else { 0 })
            .flops(2 * (m * n) as u64 * k as u64)
            .groups(groups.map(|n| n as u32))?;
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

    /// The layer y = x Wᵀ + b along the last dimension: `x[…, in]`, `weight[out, in]`,
    /// `bias[out]` → `[…, out]`.
    pub fn linear(&self, weight: &Var, bias: &Var) -> Result<Var, TapeError> {
        if let [outer @ .., _, input] = &self.shape()[..]
            && !outer.is_empty()
            && let Some(rows) = self.len().checked_div(*input)
        {
            let y = self.reshape(&[rows, *input])?.linear(weight, bias)?;
            let mut shape = self.shape();
            shape.truncate(shape.len() - 1);
            shape.extend(y.shape().last());
            return y.reshape(&shape);
        }
        let op = MatMul {
            transpose_a: false,
            transpose_b: true,
            bias: true,
            epilogue: Epilogue::None,
        };
        Var::record1(op, &[self, weight, bias])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the number of threads, strips cover all rows, each has some, and workgroups
    /// are enough where rows allow it.
    #[test]
    fn strips_cover_the_rows() {
        let tile = ShaderInfo::find("matmul/stationary.nn_128x64").and_then(Tile::of);
        let tile = tile.unwrap();
        for threads in [1, 2, 16, 64] {
            for m in [96, 97, 191, 192, 193, 768, 9217] {
                for n in [4, 64, 68, 768] {
                    let rows = tile.strip(m, n, threads);
                    let [columns, strips, _] = tile.dispatched([m, n, 128], rows);
                    let what = format!("{m} rows, {n} columns, {threads} threads");
                    assert!(rows * strips >= m && rows * (strips - 1) < m, "{what}");
                    let enough = columns * strips >= GROUPS_OF_THREAD * threads;
                    assert!(enough || rows < 2 * FEWEST_ROWS, "{what}");
                    assert!(rows >= FEWEST_ROWS, "{what}");
                }
            }
        }
    }
}
