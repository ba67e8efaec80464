//! The networks of the pixel-SAC family (SPEC.md A.1, A.6.4). Parameter names are
//! those of the released PyTorch code, so weights move both ways.

use super::{Init, ParameterLayout, Scope};
use crate::ops::{Conv2dOptions, TapeError, Var};

/// Sizes of all networks of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkShape {
    /// Height and width of a frame.
    pub image_size: usize,
    /// Planes of a frame that the CNN sees: 3 for RGB.
    pub planes: usize,
    /// Frames in a stack.
    pub frame_stack: usize,
    /// Components of a frame's embedding, where a frozen encoder takes the place of CNN
    /// and projection (SPEC.md B.8).
    pub latent: Option<usize>,
    /// Whether actor and critics share CNN and projection, which the critics alone train
    /// and which have no target (SPEC.md B.8).
    pub shared_encoder: bool,
    /// |A|; for agents that choose, how many actions there are to choose from.
    pub action_dim: usize,
    /// Convolutions that the auxiliary phase shares too, the first with stride 2.
    pub num_shared_layers: usize,
    /// Convolutions behind those.
    pub num_head_layers: usize,
    /// Their channels.
    pub num_filters: usize,
    /// Width of the projection.
    pub projection_dim: usize,
    /// Width of the two hidden layers of actor and critics.
    pub hidden_dim: usize,
    /// Channels of the decoder: of its projection, and after its first and second convolution.
    pub decoder_channels: [usize; 3],
    /// Whether the decoder sees the action.
    pub decoder_action: bool,
}

impl NetworkShape {
    /// Channels of a frame stack.
    pub fn in_channels(&self) -> usize {
        self.planes * self.frame_stack
    }

    /// Components of the state z that actor and critics work on.
    pub fn state_dim(&self) -> usize {
        match self.latent {
            Some(width) => width * self.frame_stack,
            None => self.projection_dim,
        }
    }

    /// Side of the last feature map: 3×3 stride 2, then 3×3 stride 1, no padding.
    pub fn feature_side(&self) -> usize {
        let layers = self.num_shared_layers + self.num_head_layers;
        ((self.image_size - 3) / 2 + 1).saturating_sub(2 * (layers - 1))
    }

    /// Elements of the last feature map.
    pub fn flat(&self) -> usize {
        self.num_filters * self.feature_side().pow(2)
    }

    /// Side of the decoder's smallest map; two ×2 upsamplings lead back to the image.
    pub fn decoder_side(&self) -> usize {
        self.image_size / 4
    }
}

pub(super) const ORTHOGONAL: Init = Init::Orthogonal(1.0);
pub(super) const ZERO: Init = Init::Constant(0.0);
/// PyTorch's default.
const LAYER_NORM_EPS: f32 = 1e-5;

/// Number of layer `i` (from 0) of the shared CNN in the released code, where 0 is
/// the centre crop, 1 the division by 255 and odd numbers are ReLUs.
fn cnn_layer(i: usize) -> usize {
    2 * i + 2
}

/// Number of layer `i` (from 0) of the head CNN in the released code, where even numbers are
/// ReLUs.
fn head_layer(i: usize) -> usize {
    2 * i + 1
}

/// CNN and projection.
#[derive(Debug)]
pub struct Encoder;

impl Encoder {
    /// Appends `prefix.shared_cnn.*`; nothing where the encoder is frozen.
    pub fn push_cnn(layout: &mut ParameterLayout, prefix: &str, shape: &NetworkShape) {
        if shape.latent.is_some() {
            return;
        }
        for i in 0..shape.num_shared_layers {
            let name = format!("{prefix}.shared_cnn.layers.{}", cnn_layer(i));
            let input = if i == 0 {
                shape.in_channels()
            } else {
                shape.num_filters
            };
            let gain = Init::DeltaOrthogonal(std::f64::consts::SQRT_2);
            layout.conv3x3(&name, shape.num_filters, input, gain, ZERO);
        }
    }

    /// Appends `prefix.head_cnn.*`, if there are such layers.
    pub fn push_head(layout: &mut ParameterLayout, prefix: &str, shape: &NetworkShape) {
        if shape.latent.is_some() {
            return;
        }
        for i in 0..shape.num_head_layers {
            let name = format!("{prefix}.head_cnn.layers.{}", head_layer(i));
            let gain = Init::DeltaOrthogonal(std::f64::consts::SQRT_2);
            layout.conv3x3(&name, shape.num_filters, shape.num_filters, gain, ZERO);
        }
    }

    /// Appends `prefix.projection.projection.*`: linear and layer norm; nothing where the
    /// encoder is frozen.
    pub fn push_projection(layout: &mut ParameterLayout, prefix: &str, shape: &NetworkShape) {
        if shape.latent.is_some() {
            return;
        }
        let name = format!("{prefix}.projection.projection");
        layout.linear(
            &format!("{name}.0"),
            shape.projection_dim,
            shape.flat(),
            ORTHOGONAL,
            ZERO,
        );
        layout.push(
            format!("{name}.1.weight"),
            &[shape.projection_dim],
            Init::Constant(1.0),
        );
        layout.push(format!("{name}.1.bias"), &[shape.projection_dim], ZERO);
    }

    /// What actor and critics share: the CNN's features of pixels [B, C·F, H, W], with a
    /// shared encoder z itself, or embeddings [B, F·width] as they are.
    pub fn features(scope: &Scope, obs: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        if shape.latent.is_some() {
            return Ok(obs.clone());
        }
        Encoder::features_of_maps(scope, &Encoder::cnn(scope, obs, shape)?, shape)
    }

    /// [`features`](Encoder::features) from the CNN's maps, [B, filters, n, n].
    pub fn features_of_maps(
        scope: &Scope,
        maps: &Var,
        shape: &NetworkShape,
    ) -> Result<Var, TapeError> {
        match shape.shared_encoder {
            true => Encoder::projection(scope, maps),
            false => Ok(maps.clone()),
        }
    }

    /// Features → z [B, state_dim]: projected by each of actor and critics for itself,
    /// unless they share what they work on.
    pub fn state(scope: &Scope, features: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        match shape.latent.is_some() || shape.shared_encoder {
            true => Ok(features.clone()),
            false => Encoder::projection(scope, features),
        }
    }

    /// Pixels [B, C·F, H, W] in 0..255 → features [B, filters, n, n]: the shared
    /// convolutions, then the head's.
    pub fn cnn(scope: &Scope, obs: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        Encoder::head_cnn(scope, &Encoder::shared_cnn(scope, obs, shape)?, shape)
    }

    /// What the shared convolutions make of pixels → what the head's make of it: each after
    /// a ReLU.
    pub fn head_cnn(scope: &Scope, x: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let mut x = x.clone();
        for i in 0..shape.num_head_layers {
            let name = format!("head_cnn.layers.{}", head_layer(i));
            x = scope.conv2d(&name, &x.relu()?, Conv2dOptions::default())?;
        }
        Ok(x)
    }

    /// Pixels [B, C·F, H, W] in 0..255 → [B, filters, m, m]: /255, then convolutions with
    /// ReLUs between them and none after the last.
    pub fn shared_cnn(scope: &Scope, obs: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let mut x = obs.clone();
        for i in 0..shape.num_shared_layers {
            let options = match i {
                // The division by 255 is the first layer's factor.
                0 => Conv2dOptions {
                    stride: 2,
                    scale: 1.0 / 255.0,
                    ..Default::default()
                },
                _ => Conv2dOptions::default(),
            };
            if i > 0 {
                x = x.relu()?;
            }
            x = scope.conv2d(&format!("shared_cnn.layers.{}", cnn_layer(i)), &x, options)?;
        }
        Ok(x)
    }

    /// Features → z [B, projection_dim]: linear, layer norm, tanh.
    pub fn projection(scope: &Scope, features: &Var) -> Result<Var, TapeError> {
        let scope = scope.sub("projection.projection");
        let x = scope.linear("0", &features.flatten()?)?;
        scope.layer_norm("1", &x, LAYER_NORM_EPS)?.tanh()
    }
}

/// A multi-layer perceptron of two hidden layers: linear layers 0, 2, 4 with ReLUs between.
#[derive(Debug)]
pub struct Trunk;

impl Trunk {
    /// Appends `prefix.{0,2,4}.*`.
    pub fn push(layout: &mut ParameterLayout, prefix: &str, [input, hidden, out]: [usize; 3]) {
        for (layer, o, i) in [(0, hidden, input), (2, hidden, hidden), (4, out, hidden)] {
            layout.linear(&format!("{prefix}.{layer}"), o, i, ORTHOGONAL, ZERO);
        }
    }

    /// x [B, in] → [B, out].
    pub fn forward(scope: &Scope, x: &Var) -> Result<Var, TapeError> {
        let x = scope.linear("0", x)?.relu()?;
        let x = scope.linear("2", &x)?.relu()?;
        scope.linear("4", &x)
    }
}

/// The policy's own part: projection and trunk.
#[derive(Debug)]
pub struct Actor;

impl Actor {
    /// Appends `actor.encoder.projection.*`, unless it is shared, and `actor.mlp.*`.
    pub fn push(layout: &mut ParameterLayout, shape: &NetworkShape) {
        if !shape.shared_encoder {
            Encoder::push_projection(layout, "actor.encoder", shape);
        }
        let sizes = [shape.state_dim(), shape.hidden_dim, 2 * shape.action_dim];
        Trunk::push(layout, "actor.mlp", sizes);
    }

    /// Features → raw policy [B, 2|A|]: means, then raw log σ.
    pub fn forward(scope: &Scope, features: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let z = Encoder::state(&scope.sub("encoder"), features, shape)?;
        Trunk::forward(&scope.sub("mlp"), &z)
    }
}

/// Two Q functions on one encoder.
#[derive(Debug)]
pub struct Critic;

impl Critic {
    /// Appends `prefix.Q1.trunk.*` and `prefix.Q2.trunk.*`.
    pub fn push_trunks(layout: &mut ParameterLayout, prefix: &str, shape: &NetworkShape) {
        let sizes = [shape.state_dim() + shape.action_dim, shape.hidden_dim, 1];
        for q in ["Q1", "Q2"] {
            Trunk::push(layout, &format!("{prefix}.{q}.trunk"), sizes);
        }
    }

    /// z [B, state_dim] and action [B, |A|] → Q1, Q2, [B, 1] each.
    pub fn trunks(scope: &Scope, z: &Var, action: &Var) -> Result<[Var; 2], TapeError> {
        let x = Var::concat(&[z, action], 1)?;
        Ok([
            Trunk::forward(&scope.sub("Q1.trunk"), &x)?,
            Trunk::forward(&scope.sub("Q2.trunk"), &x)?,
        ])
    }

    /// Features and action → Q1, Q2.
    pub fn forward(
        scope: &Scope,
        features: &Var,
        action: &Var,
        shape: &NetworkShape,
    ) -> Result<[Var; 2], TapeError> {
        let z = Encoder::state(&scope.sub("encoder"), features, shape)?;
        Critic::trunks(scope, &z, action)
    }
}

/// A value for each of N actions, on the critics' encoder (Mnih et al. 2015).
#[derive(Debug)]
pub struct ValueHead;

impl ValueHead {
    /// Appends `prefix.Q.trunk.*`.
    pub fn push(layout: &mut ParameterLayout, prefix: &str, shape: &NetworkShape) {
        let sizes = [shape.state_dim(), shape.hidden_dim, shape.action_dim];
        Trunk::push(layout, &format!("{prefix}.Q.trunk"), sizes);
    }

    /// Features → Q of every action, [B, N].
    pub fn forward(scope: &Scope, features: &Var, shape: &NetworkShape) -> Result<Var, TapeError> {
        let z = Encoder::state(&scope.sub("encoder"), features, shape)?;
        Trunk::forward(&scope.sub("Q.trunk"), &z)
    }
}

/// SGQN's mask predictor (SPEC.md A.6.4).
#[derive(Debug)]
pub struct Decoder;

impl Decoder {
    /// Appends `attribution_predictor.decoder.*` with PyTorch's default initialisation.
    pub fn push(layout: &mut ParameterLayout, shape: &NetworkShape) {
        let [base, first, second] = shape.decoder_channels;
        let input = shape.projection_dim
            + if shape.decoder_action {
                shape.action_dim
            } else {
                0
            };
        let default = |fan_in: usize| Init::Uniform(1.0 / (fan_in as f64).sqrt());
        let name = |layer: &str| format!("attribution_predictor.decoder.{layer}");
        let flat = base * shape.decoder_side().pow(2);
        layout.linear(&name("proj"), flat, input, default(input), default(input));
        let convs = [
            ("conv1", first, base),
            ("conv2", second, first),
            ("conv3", shape.in_channels(), second),
        ];
        for (layer, out, input) in convs {
            layout.conv3x3(
                &name(layer),
                out,
                input,
                default(9 * input),
                default(9 * input),
            );
        }
    }

    /// z [B, projection_dim] and action → logits [B, 3F, H, W]: linear, then three
    /// padded convolutions, the last two on maps enlarged ×2 (nearest). ReLU and
    /// nearest enlargement commute, so the ReLU runs on the small map.
    pub fn forward(
        scope: &Scope,
        z: &Var,
        action: &Var,
        shape: &NetworkShape,
    ) -> Result<Var, TapeError> {
        let input = if shape.decoder_action {
            Var::concat(&[z, action], 1)?
        } else {
            z.clone()
        };
        let side = shape.decoder_side();
        let x = scope.linear("proj", &input)?;
        let x = x.reshape(&[z.shape()[0], shape.decoder_channels[0], side, side])?;
        let options = |upsample| Conv2dOptions {
            stride: 1,
            pad: 1,
            upsample,
            ..Default::default()
        };
        let x = scope.conv2d("conv1", &x.relu()?, options(1))?;
        let x = scope.conv2d("conv2", &x.relu()?, options(2))?;
        scope.conv2d("conv3", &x.relu()?, options(2))
    }
}
