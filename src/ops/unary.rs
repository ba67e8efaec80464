//! `unary`: pointwise functions of one tensor, and the ReLU whose gradient rule can
//! be swapped.

use super::{Backward, DType, Epilogue, Gradient, Lower, Op, TapeError, Tensor, Var, shape_error};

/// A pointwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryKind {
    /// max(0, x).
    Relu,
    /// tanh x.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// eˣ.
    Exp,
    /// ln x, for positive x; below the smallest normal number it is that number's
    /// logarithm, with gradient 0.
    Log,
    /// x².
    Square,
    /// √x, for x ≥ 0; its gradient at 0 is 0.
    Sqrt,
    /// |x|; its gradient at 0 is 0.
    Abs,
    /// x Φ(x), Φ being the normal distribution's integral: the exact GELU, by erf
    /// (Hendrycks and Gimpel 2016).
    Gelu,
}

impl UnaryKind {
    fn key(self) -> &'static str {
        match self {
            UnaryKind::Relu => "relu",
            UnaryKind::Tanh => "tanh",
            UnaryKind::Sigmoid => "sigmoid",
            UnaryKind::Exp => "exp",
            UnaryKind::Log => "log",
            UnaryKind::Square => "square",
            UnaryKind::Sqrt => "sqrt",
            UnaryKind::Abs => "abs",
            UnaryKind::Gelu => "gelu",
        }
    }

    /// Whether the derivative is computed from the result (else from the operand).
    fn saves_result(self) -> bool {
        use UnaryKind::*;
        matches!(self, Relu | Tanh | Sigmoid | Exp | Sqrt)
    }
}

/// y = f(x). f32 of any shape.
#[derive(Debug)]
struct Unary(UnaryKind);

fn same_float(
    op: &'static str,
    inputs: &[&Tensor],
    operands: usize,
) -> Result<Vec<Tensor>, TapeError> {
    let fits = inputs.len() == operands
        && inputs
            .iter()
            .all(|t| t.dtype == DType::F32 && t.shape == inputs[0].shape && !t.is_empty());
    if !fits {
        return Err(shape_error(
            op,
            inputs,
            format!("{operands} non-empty f32 of one shape"),
        ));
    }
    Ok(vec![inputs[0].clone()])
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        "unary"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        same_float(self.0.key(), inputs, 1)
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None]);
        };
        let saved = if self.0.saves_result() {
            &cx.outputs[0]
        } else {
            &cx.inputs[0]
        };
        let gradient = match self.0 {
            UnaryKind::Relu => Var::record1(ReluGate(cx.rule), &[g, saved])?,
            kind => Var::record1(UnaryGradient(kind), &[g, saved])?,
        };
        Ok(vec![Some(gradient)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let key = format!("unary/forward.{}", self.0.key());
        let (dispatch, count) = cx.pointwise(&key, x.tensor.len());
        dispatch.bind("x", &x).bind("y", &y).lots(count)
    }

    fn as_epilogue(&self) -> Option<Epilogue> {
        (self.0 == UnaryKind::Relu).then_some(Epilogue::Relu)
    }
}

/// g · f'(x). Inputs: g, and x or f(x).
#[derive(Debug)]
struct UnaryGradient(UnaryKind);

impl Op for UnaryGradient {
    fn name(&self) -> &'static str {
        "unary_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        same_float(self.0.key(), inputs, 2)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, saved, dx) = (cx.input(0), cx.input(1), cx.output(0));
        let key = format!("unary/gradient.{}", self.0.key());
        let (dispatch, count) = cx.pointwise(&key, g.tensor.len());
        dispatch
            .bind("g", &g)
            .bind("saved", &saved)
            .bind("dx", &dx)
            .lots(count)
    }
}

/// The backward pass of a ReLU: inputs g and the ReLU's result.
#[derive(Debug)]
struct ReluGate(Gradient);

impl Op for ReluGate {
    fn name(&self) -> &'static str {
        "relu_gate"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        same_float("relu_gate", inputs, 2)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, gate, dx) = (cx.input(0), cx.input(1), cx.output(0));
        let key = match self.0 {
            Gradient::True => "unary/gradient.relu",
            Gradient::Guided => "unary/gradient.relu_guided",
        };
        let (dispatch, count) = cx.pointwise(key, g.tensor.len());
        dispatch
            .bind("g", &g)
            .bind("saved", &gate)
            .bind("dx", &dx)
            .lots(count)
    }

    fn as_epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Gate(self.0))
    }
}

/// y = scale · x + shift.
#[derive(Debug)]
struct Affine {
    scale: f32,
    shift: f32,
}

impl Op for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        same_float("affine", inputs, 1)
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let scaled = cx.grads[0].as_ref().map(|g| g.affine(self.scale, 0.0));
        Ok(vec![scaled.transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let (dispatch, count) = cx.pointwise("unary/affine", x.tensor.len());
        dispatch
            .bind("x", &x)
            .bind("y", &y)
            .f32("scale", self.scale)
            .f32("shift", self.shift)
            .lots(count)
    }
}

impl Var {
    /// A pointwise function of every element.
    pub fn unary(&self, kind: UnaryKind) -> Result<Var, TapeError> {
        Var::record1(Unary(kind), &[self])
    }

    /// max(0, x). Its gradient follows the rule of [`Gradient`].
    pub fn relu(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Relu)
    }

    /// tanh x.
    pub fn tanh(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Tanh)
    }

    /// 1 / (1 + e⁻ˣ).
    pub fn sigmoid(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Sigmoid)
    }

    /// eˣ.
    pub fn exp(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Exp)
    }

    /// |x|.
    pub fn abs(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Abs)
    }

    /// x (1 + erf(x / √2)) / 2, the exact GELU.
    pub fn gelu(&self) -> Result<Var, TapeError> {
        self.unary(UnaryKind::Gelu)
    }

    /// scale · x + shift.
    pub fn affine(&self, scale: f32, shift: f32) -> Result<Var, TapeError> {
        Var::record1(Affine { scale, shift }, &[self])
    }

    /// factor · x.
    pub fn scale(&self, factor: f32) -> Result<Var, TapeError> {
        self.affine(factor, 0.0)
    }
}
