//! MultiMAE with RGB and saliency (`tests/fixtures/vit/03_multimae`): two samples of
//! 64×64, patches of 8, tokens of 32, two blocks; three decoders of one block.

use std::collections::HashMap;

use foveate::gpu::Arena;
use foveate::nn::{
    MultiMae, MultiMaeShape, ParameterLayout, PixelOrder, Scope, patchify, unpatchify,
};
use foveate::ops::{AdamOptions, SampledTokens};
use foveate::tape::{DType, Gradient, Tape, Var};

use crate::common::golden::Golden;
use crate::common::gpu;
use crate::compare::{self, Tolerance, Verdict};
use crate::setup::{constant, run};

/// Of the fixtures' README: outputs 2e-5, losses 1e-5, gradients 1e-4.
pub const OUTPUT: Tolerance = Tolerance::Largest(2e-5);
pub const LOSS: Tolerance = Tolerance::Largest(1e-5);
const ORDER: PixelOrder = PixelOrder::ChannelsFirst;
pub const GRADIENT: Tolerance = Tolerance::Largest(1e-4);

pub fn shape() -> MultiMaeShape {
    MultiMaeShape {
        dim: 32,
        decoder_dim: 32,
        depth: 2,
        decoder_depth: 1,
        heads: 2,
        decoder_heads: 2,
        ..MultiMaeShape::visarl()
    }
}

/// Parameters with the released values.
pub fn arena(layout: &ParameterLayout, golden: &Golden) -> Arena {
    let arena = layout.allocate(&gpu(), "multimae", 3).unwrap();
    let mut released: Vec<String> = golden.names();
    released.retain(|name| name.starts_with("param."));
    for entry in arena.layout().entries() {
        let name = format!("param.{}", entry.name);
        released.retain(|other| *other != name);
        let (shape, values) = golden.f32(&name);
        assert_eq!(entry.shape, shape, "{name}");
        gpu()
            .write(&arena.slice(entry.range()), bytemuck::cast_slice(&values))
            .unwrap();
    }
    assert!(released.is_empty(), "ours lacks {released:?}");
    arena
}

/// The whole layout; names begin with the scope's empty prefix.
pub fn layout(shape: &MultiMaeShape) -> ParameterLayout {
    let mut layout = ParameterLayout::default();
    MultiMae::push_encoder(&mut layout, shape);
    MultiMae::push_decoders(&mut layout, shape);
    layout
}

/// What the fixture's draws make visible.
fn sample(tape: &Tape, golden: &Golden) -> SampledTokens {
    let noise = [
        constant(tape, golden, "rand.noise_rgb"),
        constant(tape, golden, "rand.noise_saliency"),
    ];
    let noise = Var::concat(&[&noise[0], &noise[1]], 1).unwrap();
    noise
        .sample_tokens(
            &constant(tape, golden, "rand.dirichlet"),
            &constant(tape, golden, "rand.tiebreak"),
            &[64, 64],
            32,
        )
        .unwrap()
}

#[test]
fn one_training_step() {
    let golden = Golden::open("vit/03_multimae");
    let (shape, tape) = (shape(), Tape::new());
    let layout = layout(&shape);
    let arena = arena(&layout, &golden);
    let scope = Scope::new(&tape, &arena, "");
    let images = ["input.rgb", "input.saliency"].map(|name| constant(&tape, &golden, name));
    let patches = images
        .each_ref()
        .map(|image| patchify(image, shape.patch, ORDER).unwrap());
    let sample = sample(&tape, &golden);
    let model = MultiMae::reconstruct(&tape, &scope, &patches, &sample, &shape).unwrap();

    let mut outputs = vec![("out.loss_total".to_string(), model.loss.clone())];
    for (i, task) in shape.tasks.iter().enumerate() {
        outputs.push((format!("out.loss_{}", task.name), model.losses[i].clone()));
        let image = unpatchify(&model.patches[i], shape.grid(), shape.patch, ORDER).unwrap();
        outputs.push((format!("out.pred_{}", task.name), image));
    }
    // Stages that the model does not return.
    let mut tokens = vec![];
    for (i, modality) in shape.modalities.iter().enumerate() {
        let of_one = MultiMae::tokens(&tape, &scope, &patches[i], i, &shape).unwrap();
        outputs.push((format!("out.tokens_{}", modality.name), of_one.clone()));
        tokens.push(of_one);
    }
    let tokens = Var::concat(&[&tokens[0], &tokens[1]], 1).unwrap();
    let visible = MultiMae::visible(&tokens, &sample).unwrap();
    let encoded = MultiMae::encode(&scope, &visible, &shape).unwrap();
    outputs.push(("out.encoder".to_string(), encoded));
    outputs.push(("visible".to_string(), visible));

    let names: Vec<String> = (layout.layout().entries().iter())
        .map(|e| e.name.clone())
        .collect();
    let states: Vec<Var> = (names.iter())
        .map(|name| tape.state(&arena, name).unwrap())
        .collect();
    let gradients = tape
        .gradients(&model.loss, &states, Gradient::True)
        .unwrap();
    for (name, gradient) in names.iter().zip(gradients) {
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient of {name}"));
        outputs.push((format!("grad.{name}"), gradient));
    }
    let ran = run(&tape, &outputs);
    let after = after_a_step(&golden, &layout, &names);

    compare::all(&golden, "", |name| match name {
        "out.encoder_input" => {
            // Ours has the global token added inside `encode`.
            let (visible, (_, global)) = (ran.get("visible")?, golden.f32("param.global_tokens"));
            let row = 32 * 32;
            let joined = visible
                .chunks_exact(row)
                .flat_map(|s| [s, &global].concat());
            Some(Verdict::Compare(joined.collect(), OUTPUT))
        }
        _ if name.starts_with("out.context") || name.starts_with("out.query") => {
            Some(Verdict::LeftOut("inside a decoder; its output is compared"))
        }
        _ if name.starts_with("out.xattn") => {
            Some(Verdict::LeftOut("inside a decoder; its output is compared"))
        }
        _ if name.starts_with("out.loss") => Some(Verdict::Compare(ran.get(name)?, LOSS)),
        _ if name.starts_with("out.") => Some(Verdict::Compare(ran.get(name)?, OUTPUT)),
        _ if name.starts_with("grad.") => Some(Verdict::Compare(ran.get(name)?, GRADIENT)),
        _ if name.starts_with("after.") || name.starts_with("step2.after.") => Some(
            Verdict::Compare(after.get(name)?.clone(), Tolerance::Absolute(3e-7)),
        ),
        "mask.ids_keep" | "mask.ids_restore" | "mask.rgb" | "mask.saliency" => {
            Some(Verdict::LeftOut("tests/ops/sample_tokens.rs compares such"))
        }
        _ if name.starts_with("posemb.") => Some(Verdict::LeftOut("tests/position.rs has them")),
        _ if name.starts_with("step2.grad.") => Some(Verdict::Input),
        _ => ["input.", "param.", "rand."]
            .iter()
            .any(|p| name.starts_with(p))
            .then_some(Verdict::Input),
    });
}

/// AdamW applied to the recorded gradients, as the fixtures' README asks: what it makes of
/// the parameters in the first step, and in the second where its gradients are recorded.
fn after_a_step(
    golden: &Golden,
    layout: &ParameterLayout,
    names: &[String],
) -> HashMap<String, Vec<f32>> {
    let mut after = HashMap::new();
    let parameters = arena(layout, golden);
    let zeros = |name: &str| Arena::new(&gpu(), name, layout.layout().clone()).unwrap();
    let (m, v) = (zeros("m"), zeros("v"));
    let mut words = foveate::gpu::ArenaLayout::default();
    words.push("time", &[4]);
    let time = Arena::new(&gpu(), "time", words).unwrap();
    for (prefix, lr) in [("", 1e-4), ("step2.", 7e-5)] {
        let tape = Tape::new();
        let whole = |arena: &Arena| tape.state_range(arena, 0..layout.mark(), DType::F32);
        let mut packed = vec![0.0; layout.mark()];
        for entry in layout.layout().entries() {
            let name = format!("{prefix}grad.{}", entry.name);
            if golden.has(&name) {
                packed[entry.range()].copy_from_slice(&golden.f32(&name).1);
            }
        }
        let gradients = tape.constant(&[layout.mark()], &packed).unwrap();
        let options = AdamOptions {
            lr,
            beta2: 0.95,
            weight_decay: 0.05,
            ..Default::default()
        };
        let clock = tape.state_range(&time, 0..4, DType::U32);
        whole(&parameters)
            .adam(&gradients, &whole(&m), &whole(&v), &clock, options)
            .unwrap();
        tape.compile(&gpu()).unwrap().run().unwrap();
        for name in names {
            let bytes = gpu()
                .read_blocking(&parameters.tensor(name).unwrap())
                .unwrap();
            let values = bytemuck::pod_collect_to_vec(&bytes);
            after.insert(format!("{prefix}after.{name}"), values);
        }
    }
    after
}

/// The embedding that agents see: the mean over all outputs of the encoder, of all
/// patches (SPEC.md B.7).
#[test]
fn embeddings() {
    let golden = Golden::open("vit/05_rl_embedding");
    let (shape, tape) = (shape(), Tape::new());
    let mut layout = ParameterLayout::default();
    MultiMae::push_encoder(&mut layout, &shape);
    let arena = arena(&layout, &golden);
    let scope = Scope::new(&tape, &arena, "");
    let rgb = MultiMae::normalise_rgb(&tape, &constant(&tape, &golden, "input.rgb_u8")).unwrap();
    let saliency = constant(&tape, &golden, "input.saliency");
    let mut tokens = vec![];
    for (i, image) in [rgb, saliency].iter().enumerate() {
        let patches = patchify(image, shape.patch, ORDER).unwrap();
        tokens.push(MultiMae::tokens(&tape, &scope, &patches, i, &shape).unwrap());
    }
    let both = Var::concat(&[&tokens[0], &tokens[1]], 1).unwrap();
    let mut outputs = vec![];
    for (name, tokens) in [("rgb_saliency", both), ("rgb_only", tokens[0].clone())] {
        let encoded = MultiMae::encode(&scope, &tokens, &shape).unwrap();
        let count = encoded.shape()[1];
        outputs.push((format!("out.embedding_{name}"), encoded.mean(1..2).unwrap()));
        let global = encoded.slice(1, count - 1..count).unwrap();
        outputs.push((format!("out.global_{name}"), global));
        let patches = encoded.slice(1, 0..count - 1).unwrap();
        outputs.push((format!("out.tokens_{name}"), patches));
    }
    let ran = run(&tape, &outputs);
    compare::all(&golden, "", |name| match name {
        _ if name.starts_with("out.") => Some(Verdict::Compare(ran.get(name)?, OUTPUT)),
        _ if name.starts_with("index.") => Some(Verdict::LeftOut("resizing: tests/ops/resize.rs")),
        _ => ["input.", "param."]
            .iter()
            .any(|p| name.starts_with(p))
            .then_some(Verdict::Input),
    });
}

/// The published size (SPEC.md B.1): counted, not allocated.
#[test]
fn visarl_has_13_018_816_parameters() {
    let layout = layout(&MultiMaeShape::visarl());
    let count: usize = layout.layout().entries().iter().map(|e| e.len()).sum();
    assert_eq!(count, 13_018_816);
}
