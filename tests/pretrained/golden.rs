//! Released values, written under the released names, read as files: the golden outputs.

use foveate::nn::{Mae, MaeShape, MultiMae, PixelOrder, Scope, patchify};
use foveate::ops::SampledTokens;
use foveate::pretrained::{Architecture, EncoderOptions, PretrainedEncoder};
use foveate::tape::{Tape, Var};

use crate::common::golden::Golden;
use crate::common::{assert_close, gpu};
use crate::support::File;

/// Of the fixtures' README.
const OUTPUT: f64 = 2e-5;

fn constant(tape: &Tape, golden: &Golden, name: &str, scale: f32) -> Var {
    let (shape, values) = golden.f32(name);
    let values: Vec<f32> = values.into_iter().map(|v| v * scale).collect();
    tape.constant(&shape, &values).unwrap()
}

/// A file of the fixture's parameters and, as in released files, position embeddings;
/// opened.
fn opened(
    golden: &Golden,
    options: &EncoderOptions,
    positions: &[(&str, &str)],
) -> PretrainedEncoder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("released.safetensors");
    let mut file = File::of_golden(golden);
    for (name, released) in positions {
        let (shape, values) = golden.f32(name);
        file.put(released, &[&[1], shape.as_slice()].concat(), &values);
    }
    file.write(&path);
    PretrainedEncoder::open_with(&gpu(), &path, options).unwrap()
}

fn check(tape: &Tape, golden: &Golden, outputs: &[(&str, Var)]) {
    for (name, output) in outputs {
        tape.output(name, output);
    }
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    for (name, _) in outputs {
        let values: Vec<f32> = program.read_blocking(name).unwrap();
        assert_close(name, &values, &golden.array(name).data, OUTPUT);
    }
}

#[test]
fn embeddings() {
    let golden = Golden::open("vit/05_rl_embedding");
    let options = EncoderOptions {
        heads: Some(2),
        image_size: Some(64),
    };
    let encoder = opened(&golden, &options, &[]);
    let tape = Tape::new();
    let rgb = constant(&tape, &golden, "input.rgb_u8", 1.0);
    let saliency = constant(&tape, &golden, "input.saliency", 255.0);
    let both = [rgb.clone(), saliency];
    let all = encoder.tokens(&tape, &both).unwrap();
    let alone = encoder.tokens(&tape, std::slice::from_ref(&rgb)).unwrap();
    check(
        &tape,
        &golden,
        &[
            (
                "out.embedding_rgb_saliency",
                encoder.embedding(&tape, &both).unwrap(),
            ),
            (
                "out.embedding_rgb_only",
                encoder
                    .embedding(&tape, std::slice::from_ref(&rgb))
                    .unwrap(),
            ),
            ("out.tokens_rgb_saliency", all.slice(1, 0..128).unwrap()),
            ("out.global_rgb_saliency", all.slice(1, 128..129).unwrap()),
            ("out.tokens_rgb_only", alone.slice(1, 0..64).unwrap()),
            ("out.global_rgb_only", alone.slice(1, 64..65).unwrap()),
        ],
    );
}

/// The encoder of a file that holds decoders too, on the visible patches alone.
#[test]
fn multimae_with_decoders() {
    let golden = Golden::open("vit/03_multimae");
    let options = EncoderOptions {
        heads: Some(2),
        image_size: Some(64),
    };
    let encoder = opened(&golden, &options, &[]);
    let Architecture::MultiMae(shape) = encoder.architecture() else {
        panic!("{}", encoder.architecture());
    };
    let tape = Tape::new();
    let scope = Scope::new(&tape, encoder.parameters(), "");
    let mut tokens = vec![];
    for (i, name) in ["input.rgb", "input.saliency"].iter().enumerate() {
        let image = constant(&tape, &golden, name, 1.0);
        let patches = patchify(&image, shape.patch, PixelOrder::ChannelsFirst).unwrap();
        tokens.push(MultiMae::tokens(&tape, &scope, &patches, i, shape).unwrap());
    }
    let all = Var::concat(&[&tokens[0], &tokens[1]], 1).unwrap();
    let noise =
        ["rand.noise_rgb", "rand.noise_saliency"].map(|name| constant(&tape, &golden, name, 1.0));
    let sample = Var::concat(&[&noise[0], &noise[1]], 1)
        .unwrap()
        .sample_tokens(
            &constant(&tape, &golden, "rand.dirichlet", 1.0),
            &constant(&tape, &golden, "rand.tiebreak", 1.0),
            &[64, 64],
            32,
        )
        .unwrap();
    let visible = MultiMae::visible(&all, &sample).unwrap();
    let encoded = MultiMae::encode(&scope, &visible, shape).unwrap();
    check(&tape, &golden, &[("out.encoder", encoded)]);
}

/// The released position embeddings agree with ours, and tell the size of the images.
#[test]
fn mae_with_decoder() {
    let golden = Golden::open("vit/02_mae");
    let options = EncoderOptions {
        heads: Some(2),
        ..Default::default()
    };
    let positions = [
        ("posemb.encoder", "pos_embed"),
        ("posemb.decoder", "decoder_pos_embed"),
    ];
    let encoder = opened(&golden, &options, &positions);
    assert_eq!((encoder.image_size(), encoder.patch()), (16, 4));
    let Architecture::Mae(shape) = encoder.architecture() else {
        panic!("{}", encoder.architecture());
    };
    let tape = Tape::new();
    let latent = |shape: &MaeShape, sample: Option<&SampledTokens>| {
        let scope = Scope::new(&tape, encoder.parameters(), "");
        let image = constant(&tape, &golden, "input.image", 1.0);
        Mae::encode(&tape, &scope, &image, sample, shape).unwrap()
    };
    let sample = constant(&tape, &golden, "rand.noise", 1.0)
        .keep_least(4)
        .unwrap();
    check(
        &tape,
        &golden,
        &[("out.latent", latent(shape, Some(&sample)))],
    );

    // All patches of the image in 0..255: what the fixture's normalisation undone gives.
    let whole = latent(shape, None);
    let [mean, deviation] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
        .map(|v: [f32; 3]| tape.constant(&[1, 3, 1, 1], &v).unwrap());
    let image = constant(&tape, &golden, "input.image", 1.0);
    let bytes = image.mul(&deviation).unwrap().add(&mean).unwrap();
    let bytes = bytes.scale(255.0).unwrap();
    let tokens = encoder.tokens(&tape, std::slice::from_ref(&bytes)).unwrap();
    let embedding = encoder.embedding(&tape, &[bytes]).unwrap();
    tape.output("whole", &whole);
    tape.output("tokens", &tokens);
    tape.output("mean", &whole.mean(1..2).unwrap());
    tape.output("embedding", &embedding);
    let program = tape.compile(&gpu()).unwrap();
    program.run().unwrap();
    let read = |name: &str| -> Vec<f32> { program.read_blocking(name).unwrap() };
    let exact = |name: &str| -> Vec<f64> { read(name).iter().map(|&v| f64::from(v)).collect() };
    assert_close("tokens", &read("tokens"), &exact("whole"), OUTPUT);
    assert_close("embedding", &read("embedding"), &exact("mean"), OUTPUT);
}
