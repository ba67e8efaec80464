//! The networks that agents learn beside actor and critics (SPEC.md A.5). Parameter names
//! are those of the released code.

use super::networks::{ORTHOGONAL, ZERO};
use super::{Encoder, Init, NetworkShape, ParameterLayout, Scope, Trunk};
use crate::ops::{TapeError, Var};

/// PyTorch's default.
const BATCH_NORM_EPS: f32 = 1e-5;

/// SODA's networks: a multi-layer perceptron on the CNN's features makes an embedding,
/// another one predicts from it the embedding that a slow copy of the first makes of
/// another view.
#[derive(Debug)]
pub struct SodaNetwork;

impl SodaNetwork {
    /// Appends `predictor.encoder.projection.mlp.*` and `predictor.mlp.mlp.*`; the CNN is
    /// the critics'.
    pub fn push(layout: &mut ParameterLayout, shape: &NetworkShape) {
        let width = shape.projection_dim;
        push_mlp(
            layout,
            "predictor.encoder.projection.mlp",
            shape.flat(),
            width,
        );
        push_mlp(layout, "predictor.mlp.mlp", width, width);
    }

    /// A CNN's features [B, filters, n, n] → embedding [B, projection_dim], by the
    /// perceptron in `scope`, `predictor` or `predictor_target`.
    pub fn embed(scope: &Scope, features: &Var) -> Result<Var, TapeError> {
        mlp(&scope.sub("encoder.projection.mlp"), &features.flatten()?)
    }

    /// Embedding [B, projection_dim] → prediction [B, projection_dim].
    pub fn predict(scope: &Scope, embedding: &Var) -> Result<Var, TapeError> {
        mlp(&scope.sub("mlp.mlp"), embedding)
    }

    /// Pixels [B, 3F, H, W] → embedding, by the slow copy in `scope`, which has a CNN of its
    /// own.
    pub fn target(scope: &Scope, obs: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let features = Encoder::cnn(&scope.sub("encoder"), obs, shape)?;
        SodaNetwork::embed(scope, &features)
    }
}

/// Linear, batch norm, ReLU, linear: layers 0, 1, 3.
fn push_mlp(layout: &mut ParameterLayout, name: &str, input: usize, width: usize) {
    layout.linear(&format!("{name}.0"), width, input, ORTHOGONAL, ZERO);
    layout.push(format!("{name}.1.weight"), &[width], Init::Constant(1.0));
    layout.push(format!("{name}.1.bias"), &[width], ZERO);
    layout.linear(&format!("{name}.3"), width, width, ORTHOGONAL, ZERO);
}

fn mlp(scope: &Scope, x: &Var) -> Result<Var, TapeError> {
    let hidden = scope.batch_norm("1", &scope.linear("0", x)?, BATCH_NORM_EPS)?;
    scope.linear("3", &hidden.relu()?)
}

/// PAD's head on the shared convolutions: the action that lies between two observations.
#[derive(Debug)]
pub struct InverseDynamics;

impl InverseDynamics {
    /// Appends `pad_head.encoder.head_cnn.*`, `pad_head.encoder.projection.*` and
    /// `pad_head.mlp.*`; the shared convolutions are the critics'.
    pub fn push(layout: &mut ParameterLayout, shape: &NetworkShape) {
        Encoder::push_head(layout, "pad_head.encoder", shape);
        Encoder::push_projection(layout, "pad_head.encoder", shape);
        let sizes = [2 * shape.projection_dim, shape.hidden_dim, shape.action_dim];
        Trunk::push(layout, "pad_head.mlp", sizes);
    }

    /// What the shared convolutions make of B observations and then of those that followed,
    /// [2B, filters, m, m] → actions [B, |A|], linear. `scope` is `pad_head`.
    pub fn forward(scope: &Scope, shared: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let encoder = scope.sub("encoder");
        let features = Encoder::head_cnn(&encoder, shared, shape)?;
        let z = Encoder::projection(&encoder, &features)?;
        let batch = z.shape()[0] / 2;
        let (now, then) = (z.slice(0, 0..batch)?, z.slice(0, batch..2 * batch)?);
        Trunk::forward(&scope.sub("mlp"), &Var::concat(&[&now, &then], 1)?)
    }
}
