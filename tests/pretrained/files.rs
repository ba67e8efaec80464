//! What is written is what is read.

use std::path::Path;

use foveate::nn::{MaeShape, MultiMaeShape};
use foveate::pretrained::{Architecture, EncoderOptions, Loaded, PretrainedEncoder, load, save};
use foveate::tape::{Tape, Tensor};
use safetensors::tensor::Dtype;

use crate::common::gpu;
use crate::support::{File, held, mae, multimae, random};

#[test]
fn a_round_trip_keeps_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for network in [mae(), multimae()] {
        let written = random(&network, 3);
        save(&gpu(), &path, &network, &written).unwrap();
        let first = std::fs::read(&path).unwrap();
        let read = random(&network, 4);
        assert_ne!(held(&read), held(&written));
        assert_eq!(load(&gpu(), &path, &network, &read).unwrap(), Loaded::All);
        assert_eq!(held(&read), held(&written));
        save(&gpu(), &path, &network, &read).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);

        // The encoder of the file, copied, is an encoder again; of the decoders nothing.
        let encoder = PretrainedEncoder::open(&gpu(), &path).unwrap();
        let copy = folder.path().join("encoder.safetensors");
        encoder.save(&gpu(), &copy).unwrap();
        let again = PretrainedEncoder::open(&gpu(), &copy).unwrap();
        assert_eq!(held(again.parameters()), held(encoder.parameters()));
        assert_eq!(again.architecture(), encoder.architecture());
        assert_eq!(encoder.architecture(), &network.encoder());
        assert!(again.unused().is_empty());
        let names = File::read(&path).tensors.into_keys();
        let decoders = names.filter(|n| n.contains("decoder") || n.contains("output_adapters"));
        let mut decoders: Vec<String> = decoders.collect();
        decoders.extend((network.method() == "mae").then(|| "mask_token".to_string()));
        decoders.sort();
        assert_eq!(encoder.unused(), decoders);

        // Into a whole model, such a file leaves the decoders as they were.
        let fresh = random(&network, 5);
        let before = held(&fresh);
        let loaded = load(&gpu(), &copy, &network, &fresh).unwrap();
        assert_eq!(loaded, Loaded::Encoder);
        for (name, bytes) in held(&fresh) {
            let expected = match held(encoder.parameters()).remove(&name) {
                Some(of_encoder) => of_encoder,
                None => before[&name].clone(),
            };
            assert_eq!(bytes, expected, "{name}");
        }
    }
}

/// The names that stand in the released checkpoints and nowhere among the parameters.
#[test]
fn fixed_position_embeddings_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let network = mae();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let file = File::read(&path);
    assert_eq!(file.tensors["pos_embed"].shape, [1, 17, 16]);
    assert_eq!(file.tensors["decoder_pos_embed"].shape, [1, 17, 8]);
    assert_eq!(file.values("pos_embed")[..16], [0.0; 16]);
    // Of the patch in row 0 and column 1: its column's sines come first.
    let second = &file.values("pos_embed")[2 * 16..3 * 16];
    assert_eq!((second[0], second[8]), (1f32.sin(), 0.0));

    let network = multimae();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let file = File::read(&path);
    for (name, dim) in [
        ("input_adapters.rgb.pos_emb", 16),
        ("input_adapters.saliency.pos_emb", 16),
        ("output_adapters.norm_rgb.pos_emb", 8),
    ] {
        assert_eq!(file.tensors[name].shape, [1, dim, 4, 4], "{name}");
        // [dim, row, column]: the row's sines come first, the column's in the middle.
        let values = file.values(name);
        assert_eq!((values[1], values[4]), (0.0, 1f32.sin()), "{name}");
        assert_eq!(values[16 * dim / 2 + 1], 1f32.sin(), "{name}");
    }
    assert_eq!(file.texts["heads"], "2");
    assert_eq!(file.texts["decoder_heads"], "1");
    assert_eq!(file.texts["image_size"], "16");
    assert_eq!(file.texts["method"], "multimae");
}

/// Without texts, as the released files are.
#[test]
fn sizes_are_read_off_the_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("released.safetensors");
    let (head, side) = (64, 32);
    let mae = Architecture::Mae(MaeShape {
        height: side,
        width: side,
        patch: 16,
        dim: 2 * head,
        depth: 3,
        decoder_depth: 0,
        heads: 2,
        ..MaeShape::base()
    });
    let multimae = Architecture::MultiMae(MultiMaeShape {
        height: 14 * 8,
        width: 14 * 8,
        dim: head,
        depth: 2,
        heads: 1,
        position_grid: 14,
        tasks: vec![],
        ..MultiMaeShape::visarl()
    });
    for network in [mae, multimae] {
        save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
        let mut file = File::read(&path);
        file.texts.clear();
        file.write(&path);
        let encoder = PretrainedEncoder::open(&gpu(), &path).unwrap();
        let found = encoder.architecture();
        assert_eq!(
            (
                found.dim(),
                found.heads(),
                found.depth(),
                found.image_size()
            ),
            (
                network.dim(),
                network.heads(),
                network.depth(),
                network.image_size()
            )
        );
        assert_eq!(found.to_string(), network.to_string());
        // Without position embeddings the size of the images must be told.
        file.tensors.retain(|name, _| !name.contains("pos_emb"));
        file.write(&path);
        let options = EncoderOptions {
            image_size: Some(64),
            ..Default::default()
        };
        let encoder = PretrainedEncoder::open_with(&gpu(), &path, &options).unwrap();
        assert_eq!(encoder.image_size(), 64);
    }
}

#[test]
fn halves_are_read_as_what_they_mean() {
    let folder = tempfile::tempdir().unwrap();
    let network = multimae().encoder();
    let path = |name: &str| folder.path().join(name);
    save(&gpu(), &path("whole"), &network, &random(&network, 3)).unwrap();
    let whole = File::read(&path("whole"));
    for dtype in [Dtype::F16, Dtype::BF16] {
        // Position embeddings are rounded too, and still recognised.
        whole.in_type(dtype).write(&path("half"));
        let mut rounded = whole.rounded_to(dtype);
        let fixed = |name: &String| name.contains("pos_emb");
        rounded.tensors.retain(|name, _| !fixed(name));
        rounded.write(&path("rounded"));
        let open = |name: &str| PretrainedEncoder::open(&gpu(), &path(name)).unwrap();
        let half = held(open("half").parameters());
        // Not assert_eq!: nobody can read all these bytes.
        assert!(half == held(open("rounded").parameters()), "{dtype:?}");
        assert!(half != held(&random(&network, 3)), "{dtype:?}");
    }
}

/// An encoder with adapters for other images than ours serves for RGB.
#[test]
fn other_modalities_are_left_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let network = multimae().encoder();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let mut file = File::read(&path);
    for name in ["proj.weight", "proj.bias", "pos_emb"] {
        let of_saliency = file
            .tensors
            .remove(&format!("input_adapters.saliency.{name}"));
        let depth = format!("input_adapters.depth.{name}");
        file.tensors.insert(depth, of_saliency.unwrap());
    }
    file.write(&path);
    let encoder = PretrainedEncoder::open(&gpu(), &path).unwrap();
    let names: Vec<&str> = (encoder.modalities().iter())
        .map(|m| m.name.as_str())
        .collect();
    assert_eq!(names, ["rgb"]);
    assert_eq!(
        encoder.unused(),
        ["pos_emb", "proj.bias", "proj.weight"].map(|n| format!("input_adapters.depth.{n}"))
    );
}

#[test]
fn a_directory_stands_for_the_file_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let network = mae();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let of = |path: &Path| PretrainedEncoder::open(&gpu(), path).unwrap();
    assert_eq!(
        held(of(folder.path()).parameters()),
        held(of(&path).parameters())
    );
}

/// Images of another number, shape or size are refused when they are recorded.
#[test]
fn images_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let network = multimae();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let encoder = PretrainedEncoder::open(&gpu(), &path).unwrap();
    let tape = Tape::new();
    let image = |shape: &[usize]| tape.input("image", Tensor::f32(shape));
    let (rgb, map) = (image(&[2, 3, 16, 16]), image(&[2, 1, 16, 16]));
    for (images, width) in [(vec![rgb.clone()], 5), (vec![rgb.clone(), map.clone()], 9)] {
        assert_eq!(
            encoder.tokens(&tape, &images).unwrap().shape(),
            [2, width, 16]
        );
        assert_eq!(encoder.embedding(&tape, &images).unwrap().shape(), [2, 16]);
    }
    for images in [
        vec![],
        vec![map.clone()],
        vec![map.clone(), rgb.clone()],
        vec![rgb.clone(), map.clone(), map.clone()],
        vec![rgb.clone(), image(&[1, 1, 16, 16])],
        vec![image(&[2, 3, 16, 24])],
        vec![image(&[2, 3, 16])],
    ] {
        let error = encoder.tokens(&tape, &images).unwrap_err().to_string();
        assert!(error.contains("rgb and saliency"), "{error}");
        assert!(
            error.contains("[2, 3, 16, 16]") || images.len() < 2,
            "{error}"
        );
    }
}
