//! `binary`: pointwise functions of two tensors with broadcasting.

use super::{Backward, DType, Lower, Op, Operand, TapeError, Tensor, Var, shape_error};

/// Dimensions that the shader can broadcast over.
pub(super) const MAX_RANK: usize = 4;

/// A pointwise function of two tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryKind {
    Add,
    Sub,
    Mul,
    Div,
    /// The smaller; ties share the gradient.
    Min,
    /// The larger; ties share the gradient.
    Max,
    /// 1 where a < b, ½ where equal, else 0: the share of a in min(a, b). No gradient.
    Less,
    /// 1 where a = b, else 0. No gradient.
    Equal,
}

impl BinaryKind {
    fn key(self) -> &'static str {
        match self {
            BinaryKind::Add => "add",
            BinaryKind::Sub => "sub",
            BinaryKind::Mul => "mul",
            BinaryKind::Div => "div",
            BinaryKind::Min => "min",
            BinaryKind::Max => "max",
            BinaryKind::Less => "less",
            BinaryKind::Equal => "equal",
        }
    }
}

#[derive(Debug)]
struct Binary(BinaryKind);

/// The shape that two shapes broadcast to (aligned at their last dimensions).
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (dim(a, i), dim(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Strides (elements) by which `shape` is walked when broadcast to `out`; 0 where
/// it is repeated. Padded in front to `MAX_RANK`.
fn strides(shape: &[usize], out: &[usize]) -> [usize; MAX_RANK] {
    let mut result = [0; MAX_RANK];
    let mut stride = 1;
    for (i, &size) in shape.iter().enumerate().rev() {
        let j = i + out.len() - shape.len();
        if size != 1 || out[j] == 1 {
            result[MAX_RANK - out.len() + j] = if size == 1 { 0 } else { stride };
        }
        stride *= size;
    }
    result
}

fn lower(cx: &mut Lower, key: &str, a: &Operand, b: &Operand) -> Result<(), TapeError> {
    let y = cx.output(0);
    let (sa, sb) = (strides(a.shape(), y.shape()), strides(b.shape(), y.shape()));
    let mut size = [1; MAX_RANK];
    size[MAX_RANK - y.shape().len()..].copy_from_slice(y.shape());
    let same = a.shape() == y.shape() && b.shape() == y.shape();
    // What must be whole fours for them to stay together: all that there is, or the last
    // dimension, and of an operand the way to each of its fours or, where one element is
    // for all of a four, the elements that there are.
    let mut fours = vec![y.tensor.len()];
    if !same {
        fours.push(size[MAX_RANK - 1]);
        for (operand, strides) in [(a, &sa), (b, &sb)] {
            match strides[MAX_RANK - 1] {
                0 => fours.push(operand.tensor.len()),
                _ => fours.extend(&strides[..MAX_RANK - 1]),
            }
        }
    }
    let (dispatch, lane) = cx.in_fours(key, &fours);
    dispatch
        .bind("a", a)
        .bind("b", b)
        .bind("y", &y)
        .u32("same", same as usize)
        .u32("size_1", size[1])
        .u32("size_2", size[2])
        .u32("size_3", size[3] / lane)
        .u32("a_0", sa[0])
        .u32("a_1", sa[1])
        .u32("a_2", sa[2])
        .u32("a_3", sa[3])
        .u32("b_0", sb[0])
        .u32("b_1", sb[1])
        .u32("b_2", sb[2])
        .u32("b_3", sb[3])
        .lots(y.tensor.len() / lane)
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let wrong = || {
            shape_error(
                self.0.key(),
                inputs,
                "two non-empty f32 that broadcast, of up to 4 dimensions",
            )
        };
        let [a, b] = inputs else { return Err(wrong()) };
        let fits = |t: &Tensor| t.dtype == DType::F32 && !t.is_empty();
        match broadcast(&a.shape, &b.shape) {
            Some(shape) if fits(a) && fits(b) && shape.len() <= MAX_RANK => {
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => Err(wrong()),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None, None]);
        };
        let (a, b, y) = (&cx.inputs[0], &cx.inputs[1], &cx.outputs[0]);
        let of_a = || match self.0 {
            BinaryKind::Add | BinaryKind::Sub => Ok(g.clone()),
            BinaryKind::Mul => g.mul(b),
            BinaryKind::Div => g.div(b),
            BinaryKind::Min => g.mul(&a.binary(b, BinaryKind::Less)?),
            BinaryKind::Max => g.mul(&b.binary(a, BinaryKind::Less)?),
            BinaryKind::Less | BinaryKind::Equal => {
                Err(TapeError::NotDifferentiable { op: "compare" })
            }
        };
        let of_b = || match self.0 {
            BinaryKind::Add => Ok(g.clone()),
            BinaryKind::Sub => g.scale(-1.0),
            BinaryKind::Mul => g.mul(a),
            BinaryKind::Div => g.mul(y)?.div(b)?.scale(-1.0),
            BinaryKind::Min => g.mul(&b.binary(a, BinaryKind::Less)?),
            BinaryKind::Max => g.mul(&a.binary(b, BinaryKind::Less)?),
            BinaryKind::Less | BinaryKind::Equal => {
                Err(TapeError::NotDifferentiable { op: "compare" })
            }
        };
        let mut out = vec![None, None];
        if cx.needs[0] {
            out[0] = Some(of_a()?.sum_to(&a.shape())?);
        }
        if cx.needs[1] {
            out[1] = Some(of_b()?.sum_to(&b.shape())?);
        }
        Ok(out)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (a, b) = (cx.input(0), cx.input(1));
        lower(cx, &format!("binary/binary.{}", self.0.key()), &a, &b)
    }
}

/// Repeats a tensor along its dimensions of size 1.
#[derive(Debug)]
struct Broadcast(Vec<usize>);

impl Op for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32
                && !x.is_empty()
                && !self.0.contains(&0)
                && self.0.len() <= MAX_RANK
                && broadcast(&x.shape, &self.0).as_ref() == Some(&self.0) =>
            {
                Ok(vec![Tensor::f32(&self.0)])
            }
            _ => Err(shape_error(
                "broadcast",
                inputs,
                format!(
                    "a non-empty f32 that broadcasts to {:?}, of up to 4 dimensions, none of them 0",
                    self.0
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let summed = cx.grads[0]
            .as_ref()
            .map(|g| g.sum_to(&cx.inputs[0].shape()));
        Ok(vec![summed.transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let x = cx.input(0);
        if x.tensor.len() > 1 {
            return lower(cx, "binary/binary.first", &x, &x);
        }
        let y = cx.output(0);
        let (dispatch, count) = cx.pointwise("binary/fill", y.tensor.len());
        dispatch.bind("x", &x).bind("y", &y).lots(count)
    }
}

impl Var {
    /// A pointwise function of two tensors that broadcast against each other.
    pub fn binary(&self, other: &Var, kind: BinaryKind) -> Result<Var, TapeError> {
        Var::record1(Binary(kind), &[self, other])
    }

    /// self + other.
    pub fn add(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Add)
    }

    /// self − other.
    pub fn sub(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Sub)
    }

    /// self · other.
    pub fn mul(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Mul)
    }

    /// self / other.
    pub fn div(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Div)
    }

    /// The smaller of each pair.
    pub fn minimum(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Min)
    }

    /// The larger of each pair.
    pub fn maximum(&self, other: &Var) -> Result<Var, TapeError> {
        self.binary(other, BinaryKind::Max)
    }

    /// Repeated along dimensions of size 1 to `shape`.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Var, TapeError> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Var::record1(Broadcast(shape.to_vec()), &[self])
    }

    /// The reverse of broadcasting: summed over what was repeated.
    pub fn sum_to(&self, shape: &[usize]) -> Result<Var, TapeError> {
        let mut x = self.clone();
        let lead = x.shape().len() - shape.len();
        let mut axis = x.shape().len();
        while axis > 0 {
            let repeated =
                |x: &Var, i: usize| i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1);
            let end = axis;
            while axis > 0 && repeated(&x, axis - 1) {
                axis -= 1;
            }
            if axis < end {
                x = x.sum(axis..end)?;
            } else {
                axis -= 1;
            }
        }
        x.reshape(shape)
    }
}
