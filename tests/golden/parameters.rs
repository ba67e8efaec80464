//! Names, shapes and counts of parameters at the paper's sizes (SPEC.md A.1,
//! A.6.4), from layouts alone: nothing is allocated on a device.

use std::collections::BTreeMap;

use foveate::nn::{
    Actor, Critic, Decoder, Encoder, InverseDynamics, NetworkShape, ParameterLayout,
};

/// The released defaults, six actions.
fn paper() -> NetworkShape {
    NetworkShape {
        image_size: 84,
        planes: 3,
        latent: None,
        shared_encoder: false,
        frame_stack: 3,
        action_dim: 6,
        num_shared_layers: 11,
        num_head_layers: 0,
        num_filters: 32,
        projection_dim: 100,
        hidden_dim: 1024,
        decoder_channels: [32, 128, 64],
        decoder_action: true,
    }
}

/// Every parameter of an SGQN agent.
fn layout() -> ParameterLayout {
    let (mut layout, shape) = (ParameterLayout::default(), paper());
    Decoder::push(&mut layout, &shape);
    for critic in ["critic", "critic_target"] {
        let encoder = format!("{critic}.encoder");
        Encoder::push_cnn(&mut layout, &encoder, &shape);
        Encoder::push_projection(&mut layout, &encoder, &shape);
        Critic::push_trunks(&mut layout, critic, &shape);
    }
    Actor::push(&mut layout, &shape);
    layout
}

/// The names and shapes of the released code, written out.
fn released() -> BTreeMap<String, Vec<usize>> {
    let mut list = BTreeMap::new();
    let mut layer = |name: String, weight: &[usize]| {
        list.insert(format!("{name}.weight"), weight.to_vec());
        // Layer norms and biases have as many elements as the weight has rows.
        list.insert(format!("{name}.bias"), weight[..1].to_vec());
    };
    for critic in ["critic", "critic_target"] {
        layer(
            format!("{critic}.encoder.shared_cnn.layers.2"),
            &[32, 9, 3, 3],
        );
        for i in [4, 6, 8, 10, 12, 14, 16, 18, 20, 22] {
            layer(
                format!("{critic}.encoder.shared_cnn.layers.{i}"),
                &[32, 32, 3, 3],
            );
        }
        for q in ["Q1", "Q2"] {
            layer(format!("{critic}.{q}.trunk.0"), &[1024, 106]);
            layer(format!("{critic}.{q}.trunk.2"), &[1024, 1024]);
            layer(format!("{critic}.{q}.trunk.4"), &[1, 1024]);
        }
    }
    for owner in ["critic", "critic_target", "actor"] {
        let projection = format!("{owner}.encoder.projection.projection");
        layer(format!("{projection}.0"), &[100, 14112]);
        layer(format!("{projection}.1"), &[100]);
    }
    layer("actor.mlp.0".to_string(), &[1024, 100]);
    layer("actor.mlp.2".to_string(), &[1024, 1024]);
    layer("actor.mlp.4".to_string(), &[12, 1024]);
    let decoder = "attribution_predictor.decoder";
    layer(format!("{decoder}.proj"), &[14112, 106]);
    layer(format!("{decoder}.conv1"), &[128, 32, 3, 3]);
    layer(format!("{decoder}.conv2"), &[64, 128, 3, 3]);
    layer(format!("{decoder}.conv3"), &[9, 64, 3, 3]);
    list
}

#[test]
fn names_and_shapes_are_the_released_ones() {
    let layout = layout();
    let entries = layout.layout().entries();
    let own: BTreeMap<_, _> = entries
        .iter()
        .map(|e| (e.name.clone(), e.shape.clone()))
        .collect();
    assert_eq!(own.len(), entries.len(), "a name occurs twice");
    assert_eq!(own, released());
}

#[test]
fn counts_are_the_released_ones() {
    let layout = layout();
    let count = |prefix: &str| -> usize {
        let entries = layout.layout().entries().iter();
        let found = entries.filter(|e| e.name.starts_with(prefix));
        found.map(|e| e.len()).sum()
    };
    for critic in ["critic", "critic_target"] {
        assert_eq!(count(&format!("{critic}.encoder.shared_cnn.")), 95_104);
        assert_eq!(count(&format!("{critic}.Q1.")), 1_160_193);
        assert_eq!(count(&format!("{critic}.Q2.")), 1_160_193);
    }
    for owner in ["critic", "critic_target", "actor"] {
        assert_eq!(count(&format!("{owner}.encoder.projection.")), 1_411_500);
    }
    assert_eq!(count("actor.mlp."), 1_165_324);
    assert_eq!(count("attribution_predictor.decoder.proj."), 1_509_984);
    assert_eq!(count("attribution_predictor.decoder.conv1."), 36_992);
    assert_eq!(count("attribution_predictor.decoder.conv2."), 73_792);
    assert_eq!(count("attribution_predictor.decoder.conv3."), 5_193);
    assert_eq!(count("attribution_predictor."), 1_625_961);
}

/// PAD: eight shared convolutions, and three heads of three: that of actor and critics, the
/// targets', and its own.
#[test]
fn a_head_of_its_own_stands_on_the_shared_convolutions() {
    let shape = NetworkShape {
        num_shared_layers: 8,
        num_head_layers: 3,
        ..paper()
    };
    assert_eq!((shape.feature_side(), shape.flat()), (21, 14112));
    let mut layout = ParameterLayout::default();
    InverseDynamics::push(&mut layout, &shape);
    Encoder::push_cnn(&mut layout, "critic.encoder", &shape);
    Encoder::push_head(&mut layout, "critic.encoder", &shape);
    let entries = layout.layout().entries();
    let names: Vec<&str> = (entries.iter())
        .map(|e| e.name.as_str())
        .filter(|n| n.ends_with("weight") && !n.contains("shared_cnn"))
        .collect();
    let expected = [
        "pad_head.encoder.head_cnn.layers.1.weight",
        "pad_head.encoder.head_cnn.layers.3.weight",
        "pad_head.encoder.head_cnn.layers.5.weight",
        "pad_head.encoder.projection.projection.0.weight",
        "pad_head.encoder.projection.projection.1.weight",
        "pad_head.mlp.0.weight",
        "pad_head.mlp.2.weight",
        "pad_head.mlp.4.weight",
        "critic.encoder.head_cnn.layers.1.weight",
        "critic.encoder.head_cnn.layers.3.weight",
        "critic.encoder.head_cnn.layers.5.weight",
    ];
    assert_eq!(names, expected);
    let count = |prefix: &str| -> usize {
        let found = entries.iter().filter(|e| e.name.starts_with(prefix));
        found.map(|e| e.len()).sum()
    };
    // As many as the eleven in one row have.
    assert_eq!(count("critic.encoder."), 95_104);
    assert_eq!(count("pad_head.encoder.head_cnn."), 3 * (32 * 32 * 9 + 32));
    let [hidden, inputs] = [1024, 200];
    let mlp = (inputs + 1) * hidden + (hidden + 1) * hidden + (hidden + 1) * 6;
    assert_eq!(count("pad_head.mlp."), mlp);
}

/// Maps shrink by the first stride, then by two pixels a layer.
#[test]
fn maps_have_the_released_sizes() {
    assert_eq!((paper().feature_side(), paper().flat()), (21, 14112));
    let small = NetworkShape {
        image_size: 64,
        ..paper()
    };
    assert_eq!((small.feature_side(), small.flat()), (11, 3872));
}
