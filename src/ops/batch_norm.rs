//! `batch_norm`: features of zero mean and unit variance over a batch, then a gain and a
//! bias (Ioffe and Szegedy 2015), composed of reductions and pointwise functions. Batches
//! and features of the networks that have it (SODA's) are few: a shader of its own would
//! save nothing that can be measured beside their convolutions.

use super::{DType, TapeError, UnaryKind, Var, shape_error};

impl Var {
    /// Normalises each feature of f32[B, N] over the batch: (x − mean) / √(variance + eps) ·
    /// gain + bias, with the biased variance of the batch; gain and bias are f32\[N\].
    /// There are no running averages: it is what PyTorch's `BatchNorm1d` gives in training.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes; [`TapeError::Option`] unless `eps` is
    /// positive and finite (a constant feature would divide by zero).
    pub fn batch_norm(&self, gain: &Var, bias: &Var, eps: f32) -> Result<Var, TapeError> {
        let (x, g, b) = (self.tensor(), gain.tensor(), bias.tensor());
        let fits = match x.shape[..] {
            [_, n] => x.dtype == DType::F32 && !x.is_empty() && g.shape == [n] && b.shape == [n],
            _ => false,
        };
        if !fits {
            let expected = "f32[B, N], not empty, gain f32[N], bias f32[N]";
            return Err(shape_error("batch_norm", &[&x, &g, &b], expected));
        }
        if !(eps.is_finite() && eps > 0.0) {
            return Err(TapeError::Option {
                op: "batch_norm",
                message: format!("got eps {eps}; expected a positive finite number"),
            });
        }
        let centred = self.sub(&self.mean(0..1)?)?;
        let variance = centred.unary(UnaryKind::Square)?.mean(0..1)?;
        let deviation = variance.affine(1.0, eps)?.unary(UnaryKind::Sqrt)?;
        centred.div(&deviation)?.mul(gain)?.add(bias)
    }
}
