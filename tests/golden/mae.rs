//! MAE (`tests/fixtures/vit/02_mae`): two images of 16×16, patches of 4, tokens of 32 and
//! two blocks; a decoder of width 24 and one block; a quarter of the patches visible.

use foveate::nn::{Mae, MaeShape, ParameterLayout, PatchLoss, PixelOrder, Scope, patchify};
use foveate::tape::{Gradient, Tape, Var};

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict};
use crate::multimae::{GRADIENT, LOSS, OUTPUT, arena};
use crate::setup::{constant, run};

#[test]
fn both_losses_and_their_gradients() {
    let golden = Golden::open("vit/02_mae");
    let shape = MaeShape {
        height: 16,
        width: 16,
        channels: 3,
        patch: 4,
        dim: 32,
        decoder_dim: 24,
        depth: 2,
        decoder_depth: 1,
        heads: 2,
        decoder_heads: 2,
    };
    let mut layout = ParameterLayout::default();
    Mae::push_encoder(&mut layout, &shape);
    Mae::push_decoder(&mut layout, &shape);
    let arena = arena(&layout, &golden);
    let tape = Tape::new();
    let scope = Scope::new(&tape, &arena, "");
    let image = constant(&tape, &golden, "input.image");
    let visible = shape.patches() / 4;
    let sample = constant(&tape, &golden, "rand.noise")
        .keep_least(visible)
        .unwrap();
    let latent = Mae::encode(&tape, &scope, &image, Some(&sample), &shape).unwrap();
    let prediction = Mae::decode(&tape, &scope, &latent, &sample, &shape).unwrap();
    let target = patchify(&image, shape.patch, PixelOrder::ChannelsLast).unwrap();

    let names: Vec<String> = (layout.layout().entries().iter())
        .map(|e| e.name.clone())
        .collect();
    let states: Vec<Var> = (names.iter())
        .map(|name| tape.state(&arena, name).unwrap())
        .collect();
    let mut outputs = vec![];
    for (name, kind) in [
        ("plain", PatchLoss::Squared),
        ("norm_pix", PatchLoss::SquaredOfNormalised),
    ] {
        let loss = Mae::loss(&prediction, &image, &sample, &shape, kind).unwrap();
        let gradients = tape.gradients(&loss, &states, Gradient::True).unwrap();
        for (parameter, gradient) in names.iter().zip(gradients) {
            let gradient = gradient.unwrap_or_else(|| panic!("no gradient of {parameter}"));
            outputs.push((format!("grad.{name}.{parameter}"), gradient));
        }
        outputs.push((format!("out.loss_{name}"), loss));
    }
    outputs.push(("out.latent".to_string(), latent));
    outputs.push(("out.pred".to_string(), prediction));
    outputs.push(("out.target".to_string(), target));
    outputs.push(("mask.mask".to_string(), sample.masked.clone()));
    let ran = run(&tape, &outputs);

    compare::all(&golden, "", |name| match name {
        "mask.ids_restore" | "mask.ids_shuffle" => {
            Some(Verdict::LeftOut("the order of out.latent shows them"))
        }
        "mask.mask" => Some(Verdict::Compare(ran.get(name)?, Tolerance::Different(0))),
        _ if name.starts_with("posemb.") => Some(Verdict::LeftOut("tests/position.rs has them")),
        _ if name.starts_with("out.loss") => Some(Verdict::Compare(ran.get(name)?, LOSS)),
        _ if name.starts_with("out.") => Some(Verdict::Compare(ran.get(name)?, OUTPUT)),
        _ if name.starts_with("grad.") => Some(Verdict::Compare(ran.get(name)?, GRADIENT)),
        _ => ["input.", "param.", "rand."]
            .iter()
            .any(|p| name.starts_with(p))
            .then_some(Verdict::Input),
    });
}
