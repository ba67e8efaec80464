//! `attention`: softmax(scale · q kᵀ) v for every batch row and head, without storing
//! scores (FlashAttention-2, Dao 2023). Heads lie side by side inside the last axis, and
//! operands may share a tensor, as linear layers produce them.

mod kernels;

use self::kernels::{Kernel, Tile};
use super::tiled::suffix;
use super::{
    Backward, DType, DispatchBuilder, Lower, Op, Operand, TapeError, Tensor, Var, shape_error,
};
use crate::gpu::GpuError;

/// Shaders read four elements at a time: heads are so many of these.
const FOUR: usize = 4;
/// Elements of the largest head.
const LARGEST_HEAD: usize = 128;

/// How an attention is divided into heads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    /// Heads, side by side inside the last axis; a head has 4, 8, 12, … 128 elements.
    pub heads: usize,
    /// Factor of the scores; `None` is 1 / √(elements of a head).
    pub scale: Option<f32>,
}

impl AttentionOptions {
    /// That many heads, and the usual scale.
    pub fn heads(heads: usize) -> AttentionOptions {
        AttentionOptions { heads, scale: None }
    }
}

/// Which operands share a tensor, one behind the other inside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// q, k, v.
    Separate,
    /// q, \[k | v\].
    Keys,
    /// \[q | k | v\].
    All,
}

/// Where q, k or v is: in which tensor, how long a row of that is, and where in the
/// row it begins. In fours.
#[derive(Debug, Clone, Copy)]
struct View {
    input: usize,
    row: usize,
    first: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    /// Elements of a head.
    head: usize,
    scale: f32,
    /// q, k, v.
    views: [View; 3],
}

impl Packing {
    /// For q, k and v: the input, how many share it, and the place among them.
    fn places(self) -> [(usize, usize, usize); 3] {
        match self {
            Packing::Separate => [(0, 1, 0), (1, 1, 0), (2, 1, 0)],
            Packing::Keys => [(0, 1, 0), (1, 2, 0), (1, 2, 1)],
            Packing::All => [(0, 3, 0), (0, 3, 1), (0, 3, 2)],
        }
    }

    /// The shapes that fit.
    fn expected(self) -> &'static str {
        match self {
            Packing::Separate => "f32 q[B, N, W], k[B, M, W], v[B, M, W], not empty",
            Packing::Keys => "f32 q[B, N, W], kv[B, M, 2·W], not empty",
            Packing::All => "f32 qkv[B, N, 3·W], not empty",
        }
    }
}

/// What all of its operations know.
#[derive(Debug, Clone, Copy)]
struct Layout {
    options: AttentionOptions,
    packing: Packing,
}

impl Layout {
    fn sizes(&self, inputs: &[&Tensor]) -> Result<Sizes, TapeError> {
        let misfit = || shape_error("attention", inputs, self.packing.expected());
        let places = self.packing.places();
        let three = |input: usize| match inputs.get(input) {
            Some(t) if t.dtype == DType::F32 && !t.is_empty() => match t.shape[..] {
                [batch, rows, row] => Some([batch, rows, row]),
                _ => None,
            },
            _ => None,
        };
        let mut shapes = [[0; 3]; 3];
        for (shape, (input, sharing, _)) in shapes.iter_mut().zip(places) {
            let [batch, rows, row] = three(input).ok_or_else(misfit)?;
            if row % sharing != 0 {
                return Err(misfit());
            }
            *shape = [batch, rows, row / sharing];
        }
        let [[batch, queries, width], k, v] = shapes;
        if k != v || k[0] != batch || k[2] != width {
            return Err(misfit());
        }
        let heads = self.options.heads;
        let head = width.checked_div(heads).unwrap_or(0);
        if head * heads != width || head % FOUR != 0 || !(FOUR..=LARGEST_HEAD).contains(&head) {
            return Err(TapeError::Option {
                op: "attention",
                message: format!(
                    "{heads} heads in a width of {width}; heads of {FOUR}, {}, {}, … \
                     {LARGEST_HEAD} elements can be computed",
                    2 * FOUR,
                    3 * FOUR
                ),
            });
        }
        let scale = self.options.scale.unwrap_or(1.0 / (head as f32).sqrt());
        if !scale.is_finite() {
            return Err(TapeError::Option {
                op: "attention",
                message: format!("the scale must be finite, got {scale}"),
            });
        }
        Ok(Sizes {
            batch,
            queries,
            keys: k[1],
            heads,
            head,
            scale,
            views: places.map(|(input, sharing, place)| View {
                input,
                row: sharing * width / FOUR,
                first: place * width / FOUR,
            }),
        })
    }

    /// Of a lowering whose first `before` inputs are none of q, k and v.
    fn lowered(&self, cx: &Lower, before: usize) -> Result<(Sizes, [Operand; 3]), TapeError> {
        let operands = &cx.inputs[before..];
        let tensors: Vec<&Tensor> = operands.iter().map(|o| &o.tensor).collect();
        let sizes = self.sizes(&tensors)?;
        Ok((sizes, sizes.views.map(|v| operands[v.input].clone())))
    }
}

/// Chooses a permutation and starts its dispatch with the parameters that all three
/// kernels have in common; also says how many workgroups it needs.
fn start<'a>(
    cx: &'a mut Lower,
    kernel: Kernel,
    s: &Sizes,
) -> Result<(DispatchBuilder<'a>, [u32; 3]), TapeError> {
    let groups = |tile: &Tile| {
        let own = kernel.rows(s).0.div_ceil(tile.rows);
        [own * tile.slices, s.heads, s.batch]
    };
    let (tiles, others) = kernel.candidates(s, cx.precision(), cx.capabilities());
    let (tiles, others) = cx.dispatchable(tiles, others, groups);
    let class = format!(
        "{} {}x{} {}x{}x{}{}",
        kernel.file(),
        s.batch,
        s.heads,
        s.queries,
        s.keys,
        s.head,
        suffix(cx.precision())
    );
    let shaders = |tiles: &[Tile]| tiles.iter().map(|t| t.shader).collect::<Vec<_>>();
    let chosen = cx.choose(class, shaders(&tiles), &shaders(&others));
    let Some(tile) = chosen.and_then(Tile::of) else {
        let reason = format!("there is no shader '{}'", kernel.file());
        let what = "attention".to_string();
        return Err(GpuError::Rejected { what, reason }.into());
    };
    let groups = groups(&tile).map(|n| n as u32);
    let [q, k, v] = s.views;
    let dispatch = cx
        .dispatch(tile.shader.key)
        .u32("queries", s.queries)
        .u32("keys", s.keys)
        .u32("heads", s.heads)
        .u32("quads", s.head / FOUR)
        .u32("q_row", q.row)
        .u32("q_first", q.first)
        .u32("k_row", k.row)
        .u32("k_first", k.first)
        .u32("v_row", v.row)
        .u32("v_first", v.first)
        .u32("o_row", s.heads * s.head / FOUR)
        .f32("scale", s.scale)
        .f32("scale_log2e", s.scale * std::f32::consts::LOG2_E);
    Ok((dispatch, groups))
}

impl Sizes {
    /// Floating-point operations of one product of queries and keys over all heads.
    fn product(&self) -> u64 {
        2 * (self.batch * self.heads * self.head) as u64 * (self.queries * self.keys) as u64
    }
}

/// q, k, v → o\[B, N, W\], and for each row of scores \[B, heads, N\] the largest and one
/// over the sum, which its gradient needs.
#[derive(Debug)]
struct Attention(Layout);

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let s = self.0.sizes(inputs)?;
        Ok(vec![
            Tensor::f32(&[s.batch, s.queries, s.heads * s.head]),
            Tensor::f32(&[s.batch, s.heads, s.queries, 2]),
        ])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut grads = vec![None; cx.inputs.len()];
        let Some(g) = &cx.grads[0] else {
            return Ok(grads);
        };
        let (o, statistics) = (&cx.outputs[0], &cx.outputs[1]);
        let heads = self.0.options.heads;
        let row_term = Var::record1(RowTerm { heads }, &[g, o])?;
        let mut inputs = vec![g, statistics, &row_term];
        inputs.extend(cx.inputs);
        let wanted: Vec<usize> = (0..cx.inputs.len()).collect();
        let part = |of: &[usize]| -> Vec<usize> {
            // What one kernel computes together is recorded together.
            if of.iter().any(|&i| cx.needs[i]) {
                of.to_vec()
            } else {
                vec![]
            }
        };
        let parts = match self.0.packing {
            Packing::All => vec![part(&wanted)],
            _ => vec![part(&wanted[..1]), part(&wanted[1..])],
        };
        for wanted in parts.into_iter().filter(|p| !p.is_empty()) {
            let gradient = AttentionGradient {
                layout: self.0,
                wanted: wanted.clone(),
            };
            for (i, found) in wanted.iter().zip(Var::record(gradient, &inputs)?) {
                grads[*i] = Some(found);
            }
        }
        Ok(grads)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (s, [q, k, v]) = self.0.lowered(cx, 0)?;
        let (o, statistics) = (cx.output(0), cx.output(1));
        let (dispatch, groups) = start(cx, Kernel::Forward, &s)?;
        dispatch
            .bind("q", &q)
            .bind("k", &k)
            .bind("v", &v)
            .bind("o", &o)
            .bind("statistics", &statistics)
            .flops(2 * s.product())
            .groups(groups)
    }
}

/// Inputs: g, o, both \[B, N, W\]. Output: the sum of g · o over each head, \[B, heads, N\].
#[derive(Debug)]
struct RowTerm {
    heads: usize,
}

impl Op for RowTerm {
    fn name(&self) -> &'static str {
        "attention_row_term"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let shape = &inputs[0].shape;
        Ok(vec![Tensor::f32(&[shape[0], self.heads, shape[1]])])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, o, row_term) = (cx.input(0), cx.input(1), cx.output(0));
        let count = row_term.tensor.len();
        cx.dispatch("attention/row_term")
            .bind("g", &g)
            .bind("o", &o)
            .bind("row_term", &row_term)
            .u32("count", count)
            .u32("queries", o.shape()[1])
            .u32("heads", self.heads)
            .u32("quads", o.shape()[2] / self.heads / FOUR)
            .linear(count)
    }
}

/// Inputs: g, statistics, the row term, and the attention's own. Outputs: the gradients
/// of those among its own that are wanted; k and v come together.
#[derive(Debug)]
struct AttentionGradient {
    layout: Layout,
    wanted: Vec<usize>,
}

/// Inputs of a gradient before the attention's own.
const BEFORE: usize = 3;

impl Op for AttentionGradient {
    fn name(&self) -> &'static str {
        "attention_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let of = |&i: &usize| inputs[BEFORE + i].clone();
        Ok(self.wanted.iter().map(of).collect())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (s, [q, k, v]) = self.layout.lowered(cx, BEFORE)?;
        let (g, statistics, row_term) = (cx.input(0), cx.input(1), cx.input(2));
        let of = |view: View| {
            let place = self.wanted.iter().position(|&i| i == view.input);
            place.map(|i| cx.output(i))
        };
        let [dq, dk, dv] = s.views.map(of);
        if let Some(dq) = dq {
            let (dispatch, groups) = start(cx, Kernel::QueryGradient, &s)?;
            dispatch
                .bind("g", &g)
                .bind("q", &q)
                .bind("k", &k)
                .bind("v", &v)
                .bind("statistics", &statistics)
                .bind("row_term", &row_term)
                .bind("dq", &dq)
                // g vᵀ and the sum; that scores are computed anew is the kernel's affair.
                .flops(2 * s.product())
                .groups(groups)?;
        }
        if let (Some(dk), Some(dv)) = (dk, dv) {
            // Where k and v share a tensor, so do their gradients: one binding, as no
            // memory may be bound twice for writing. The other has to be something.
            let together = dk.same_memory(&dv, 0);
            let dv = match together {
                true => cx.workspace(Tensor::f32(&[FOUR])),
                false => dv,
            };
            let (dispatch, groups) = start(cx, Kernel::KeyGradient, &s)?;
            dispatch
                .bind("g", &g)
                .bind("q", &q)
                .bind("k", &k)
                .bind("v", &v)
                .bind("statistics", &statistics)
                .bind("row_term", &row_term)
                .bind("dk", &dk)
                .bind("dv", &dv)
                .flops(2 * s.product())
                .groups(groups)?;
        }
        Ok(())
    }
}

impl Var {
    fn attend(packing: Packing, o: AttentionOptions, inputs: &[&Var]) -> Result<Var, TapeError> {
        let attention = Attention(Layout {
            options: o,
            packing,
        });
        let outputs = Var::record(attention, inputs)?;
        outputs.into_iter().next().ok_or(TapeError::Option {
            op: "attention",
            message: "has no output".to_string(),
        })
    }

    /// Softmax(scale · q kᵀ) v in each head: `self` is q f32\[B, N, W\], `k` and `v` are
    /// f32\[B, M, W\], the result is f32\[B, N, W\]. Heads lie side by side in W. Any
    /// numbers of queries and keys; scores are never stored, and neither they nor their
    /// gradients can overflow as long as scores stay within ±1e37.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes; [`TapeError::Option`] unless W divides into
    /// heads of 4, 8, 12, … 128 elements and the scale is finite.
    pub fn attention(&self, k: &Var, v: &Var, options: AttentionOptions) -> Result<Var, TapeError> {
        Var::attend(Packing::Separate, options, &[self, k, v])
    }

    /// [`attention`](Self::attention) to keys and values that lie in one tensor, as one
    /// linear layer makes them: `self` is q f32\[B, N, W\], `kv` is f32\[B, M, 2·W\] with
    /// all heads of k before those of v. Read in place; so is its gradient written.
    ///
    /// # Errors
    /// Those of [`attention`](Self::attention).
    pub fn cross_attention(&self, kv: &Var, options: AttentionOptions) -> Result<Var, TapeError> {
        Var::attend(Packing::Keys, options, &[self, kv])
    }

    /// [`attention`](Self::attention) of tokens to each other: `self` is f32\[B, N, 3·W\]
    /// with all heads of q, then those of k, then those of v, as the fused linear layer of
    /// Vision transformers makes them. Read in place; so is its gradient written. The
    /// result is f32\[B, N, W\].
    ///
    /// # Errors
    /// Those of [`attention`](Self::attention).
    pub fn self_attention(&self, options: AttentionOptions) -> Result<Var, TapeError> {
        Var::attend(Packing::All, options, &[self])
    }
}
