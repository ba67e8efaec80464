//! Files that do not fit: each mistake is named, with every tensor that it concerns.

use std::path::{Path, PathBuf};

use foveate::nn::MultiMaeShape;
use foveate::pretrained::{
    Architecture, Difference, EncoderOptions, Mismatch, PretrainedEncoder, TensorShape,
    WeightsError, fits, load, save,
};
use safetensors::tensor::Dtype;
use tempfile::TempDir;

use crate::common::gpu;
use crate::support::{File, held, mae, multimae, random};

/// A file of a network's random weights, changed.
fn changed(network: &Architecture, change: impl FnOnce(&mut File)) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save(&gpu(), &path, network, &random(network, 3)).unwrap();
    let mut file = File::read(&path);
    change(&mut file);
    file.write(&path);
    (folder, path)
}

fn refused(path: &Path) -> WeightsError {
    PretrainedEncoder::open(&gpu(), path).unwrap_err()
}

fn mismatch(error: WeightsError) -> Mismatch {
    match error {
        WeightsError::Mismatch { mismatch, .. } => *mismatch,
        other => panic!("{other}"),
    }
}

fn tensors(list: &[(&str, &[usize])]) -> Vec<TensorShape> {
    let tensor = |(name, shape): &(&str, &[usize])| TensorShape {
        name: name.to_string(),
        shape: shape.to_vec(),
    };
    list.iter().map(tensor).collect()
}

fn difference(name: &str, given_type: &str, given: &[usize], expected: &[usize]) -> Difference {
    Difference {
        name: name.to_string(),
        given_type: given_type.to_string(),
        given: given.to_vec(),
        expected: expected.to_vec(),
    }
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let (_folder, path) = changed(&multimae(), |file| {
        for name in [
            "global_tokens",
            "encoder.0.mlp.fc2.bias",
            "input_adapters.saliency.proj.weight",
        ] {
            file.tensors.remove(name).unwrap();
        }
        file.put("encoder.0.attn.extra", &[3], &[0.0; 3]);
        file.put("head.weight", &[2, 16], &[0.0; 32]);
        file.put("encoder.0.norm1.weight", &[15], &[0.0; 15]);
        file.put("encoder.0.attn.qkv.weight", &[16, 48], &[0.0; 768]);
        file.put("input_adapters.rgb.proj.bias", &[16, 1], &[0.0; 16]);
        let wrong = file.tensors.get_mut("encoder.0.norm2.bias").unwrap();
        wrong.dtype = Dtype::I32;
        // Of a decoder: nothing that concerns the encoder.
        file.tensors
            .remove("output_adapters.rgb.mask_token")
            .unwrap();
    });
    let error = refused(&path);
    let text = error.to_string();
    let found = mismatch(error);
    let expected = Mismatch {
        missing: tensors(&[
            ("input_adapters.saliency.proj.weight", &[16, 1, 8, 8]),
            ("encoder.0.mlp.fc2.bias", &[16]),
            ("global_tokens", &[1, 1, 16]),
        ]),
        unexpected: tensors(&[("encoder.0.attn.extra", &[3]), ("head.weight", &[2, 16])]),
        misshapen: vec![
            difference("input_adapters.rgb.proj.bias", "F32", &[16, 1], &[16]),
            difference("encoder.0.norm1.weight", "F32", &[15], &[16]),
            difference("encoder.0.attn.qkv.weight", "F32", &[16, 48], &[48, 16]),
            difference("encoder.0.norm2.bias", "I32", &[16], &[16]),
        ],
    };
    assert_eq!(found, expected);
    for line in [
        "weights.safetensors' does not fit a MultiMAE encoder of width 16, depth 1, 2 heads",
        "\n  missing (3):\n    input_adapters.saliency.proj.weight [16, 1, 8, 8]\n",
        "\n    global_tokens [1, 1, 16]\n  unexpected (2):\n    encoder.0.attn.extra [3]\n",
        "\n  misshapen (4):\n    input_adapters.rgb.proj.bias: F32 [16, 1], not [16]\n",
        "\n    encoder.0.norm2.bias: I32 [16], not [16] of F32, F16 or BF16",
    ] {
        assert!(text.contains(line), "no '{line}' in: {text}");
    }
}

/// A block that is absent from between others is named whole.
#[test]
fn blocks_are_counted_by_the_last() {
    let (_folder, path) = changed(&mae(), |file| {
        file.tensors
            .retain(|name, _| !name.starts_with("blocks.0."));
    });
    let found = mismatch(refused(&path));
    let names: Vec<&str> = found.missing.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "norm1.weight",
            "norm1.bias",
            "attn.qkv.weight",
            "attn.qkv.bias",
            "attn.proj.weight",
            "attn.proj.bias",
            "norm2.weight",
            "norm2.bias",
            "mlp.fc1.weight",
            "mlp.fc1.bias",
            "mlp.fc2.weight",
            "mlp.fc2.bias",
        ]
        .map(|name| format!("blocks.0.{name}"))
    );
    assert!(found.unexpected.is_empty() && found.misshapen.is_empty());

    // A number out of all proportion asks for no memory.
    let (_folder, path) = changed(&mae(), |file| {
        file.put("blocks.4000000000.norm1.bias", &[16], &[0.0; 16]);
    });
    assert!(mismatch(refused(&path)).missing.len() > 100);
}

/// Weights of another width, depth, patch or of other images, for a whole model.
#[test]
fn whole_models_of_other_sizes_are_refused() {
    let Architecture::MultiMae(shape) = multimae() else {
        panic!("no MultiMAE");
    };
    let (_folder, path) = changed(&multimae(), |_| {});
    let with = |change: &dyn Fn(&mut MultiMaeShape)| {
        let mut shape = shape.clone();
        change(&mut shape);
        let network = Architecture::MultiMae(shape);
        let parameters = random(&network, 7);
        let before = held(&parameters);
        let error = load(&gpu(), &path, &network, &parameters).unwrap_err();
        assert_eq!(held(&parameters), before, "something was written");
        mismatch(error)
    };
    let wide = with(&|shape| shape.dim = 32);
    assert!(wide.missing.is_empty() && wide.unexpected.is_empty());
    let all = difference("global_tokens", "F32", &[1, 1, 16], &[1, 1, 32]);
    assert!(wide.misshapen.contains(&all), "{wide}");
    // All of the encoder, two position embeddings and three context projections.
    let of_encoder = multimae().encoder().layout();
    let count = of_encoder.layout().entries().len();
    assert_eq!(wide.misshapen.len(), count + 2 + 3);

    let deep = with(&|shape| shape.depth = 2);
    assert!(
        deep.missing
            .iter()
            .all(|t| t.name.starts_with("encoder.1."))
    );
    assert_eq!(deep.missing.len(), 12);
    assert!(deep.unexpected.is_empty() && deep.misshapen.is_empty());

    let alone = with(&|shape| {
        shape.modalities.truncate(1);
        shape.tasks.retain(|task| task.modality == 0);
    });
    assert!(alone.missing.is_empty() && alone.misshapen.is_empty());
    assert!(!alone.unexpected.is_empty());
    let of_saliency = |t: &TensorShape| t.name.contains("saliency");
    assert!(alone.unexpected.iter().all(of_saliency), "{alone}");
}

#[test]
fn another_method_or_other_heads_are_refused() {
    let (_folder, path) = changed(&mae(), |_| {});
    let error = fits(&path, &multimae()).unwrap_err().to_string();
    assert!(
        error.contains("weights of mae; multimae is needed"),
        "{error}"
    );
    let (_folder, path) = changed(&multimae(), |file| {
        file.texts.insert("heads".to_string(), "4".to_string());
    });
    let error = fits(&path, &multimae()).unwrap_err().to_string();
    assert!(error.contains("heads = 4; 2 are asked for"), "{error}");
    let (_folder, path) = changed(&multimae(), |file| {
        file.texts
            .insert("decoder_heads".to_string(), "2".to_string());
    });
    let error = fits(&path, &multimae()).unwrap_err().to_string();
    assert!(
        error.contains("decoder_heads = 2; 1 are asked for"),
        "{error}"
    );
}

#[test]
fn what_the_file_does_not_tell_must_be_given() {
    let (_folder, path) = changed(&mae(), |file| file.texts.clear());
    let error = refused(&path).to_string();
    assert!(
        error.contains("width 16") && error.contains("give heads"),
        "{error}"
    );
    let options = |heads, image_size| EncoderOptions { heads, image_size };
    let with = |heads, size| PretrainedEncoder::open_with(&gpu(), &path, &options(heads, size));
    assert_eq!(with(Some(4), None).unwrap().heads(), 4);
    for heads in [0, 3, 5, 16, usize::MAX] {
        let error = with(Some(heads), None).unwrap_err().to_string();
        assert!(error.contains(&format!("heads is {heads};")), "{error}");
    }
    let error = with(Some(2), Some(18)).unwrap_err().to_string();
    assert!(
        error.contains("image_size is 18; it must be a multiple"),
        "{error}"
    );
    // An MAE's positions are those of one size.
    let found = mismatch(with(Some(2), Some(32)).unwrap_err());
    assert_eq!(
        found.misshapen,
        [difference("pos_embed", "F32", &[1, 17, 16], &[1, 65, 16])]
    );

    let (_folder, path) = changed(&mae(), |file| {
        file.texts.remove("image_size");
        file.tensors.remove("pos_embed");
    });
    let error = refused(&path).to_string();
    assert!(error.contains("give image_size"), "{error}");
    for text in ["none", "0", "-4", "16.5", ""] {
        let (_folder, path) = changed(&mae(), |file| {
            file.texts.insert("heads".to_string(), text.to_string());
        });
        let error = refused(&path).to_string();
        assert!(error.contains(&format!("heads = '{text}'")), "{error}");
    }
}

/// Sizes that no tensor bears out ask for no memory.
#[test]
fn sizes_out_of_all_proportion_are_refused() {
    for network in [mae(), multimae()] {
        let (_folder, path) = changed(&network, |_| {});
        for size in [16_000_000, 4096 + 16, usize::MAX / 16 * 16] {
            let options = EncoderOptions {
                heads: None,
                image_size: Some(size),
            };
            let error = PretrainedEncoder::open_with(&gpu(), &path, &options).unwrap_err();
            assert!(matches!(error, WeightsError::Sizes { .. }), "{error}");
            assert!(
                error
                    .to_string()
                    .contains(&format!("image_size is {size};"))
            );
        }
        let (_folder, path) = changed(&network, |file| {
            let told = file.texts.get_mut("image_size").unwrap();
            *told = "16000000".to_string();
        });
        assert!(matches!(refused(&path), WeightsError::Sizes { .. }));
    }

    // Of tensors without elements: a token's width, a grid of positions.
    let (_folder, path) = changed(&mae(), |file| {
        file.put("patch_embed.proj.weight", &[1 << 40, 0, 4, 4], &[]);
    });
    assert!(matches!(refused(&path), WeightsError::Unrecognised { .. }));
    let (_folder, path) = changed(&mae(), |file| {
        file.texts.remove("image_size");
        file.put("pos_embed", &[1, (1 << 40) + 1, 0], &[]);
    });
    assert!(matches!(refused(&path), WeightsError::Sizes { .. }));
    let (_folder, path) = changed(&multimae(), |file| {
        file.put(
            "input_adapters.rgb.pos_emb",
            &[0, 16, 1 << 20, 1 << 20],
            &[],
        );
    });
    let found = mismatch(refused(&path));
    assert!(
        found
            .misshapen
            .iter()
            .any(|t| t.name.ends_with("rgb.pos_emb")),
        "{found}"
    );
}

#[test]
fn trained_positions_are_refused() {
    for (network, name) in [
        (mae(), "pos_embed"),
        (multimae(), "input_adapters.saliency.pos_emb"),
    ] {
        for (change, good) in [(5e-5, true), (2e-4, false), (f32::NAN, false)] {
            let (_folder, path) = changed(&network, |file| {
                let shape = file.tensors[name].shape.clone();
                let mut values = file.values(name);
                values[40] += change;
                file.put(name, &shape, &values);
            });
            let opened = PretrainedEncoder::open(&gpu(), &path);
            assert_eq!(opened.is_ok(), good, "{name} + {change}");
            if let Err(error) = opened {
                let text = error.to_string();
                assert!(matches!(error, WeightsError::Positions { .. }), "{text}");
                assert!(text.contains(name), "{text}");
            }
        }
    }
}

#[test]
fn what_is_no_weights_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let says = |texts: &[&str]| {
        let error = refused(&path).to_string();
        for text in texts {
            assert!(error.contains(text), "no '{text}' in: {error}");
        }
    };
    says(&["cannot read the weights", "weights.safetensors"]);
    let error = refused(folder.path()).to_string();
    assert!(error.contains("holds no weights.safetensors"), "{error}");

    let network = mae();
    save(&gpu(), &path, &network, &random(&network, 3)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for len in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..len]).unwrap();
        says(&["is no whole safetensors file"]);
    }
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    says(&["is no whole safetensors file"]);
    std::fs::write(&path, b"PK\x03\x04 archive/data.pkl").unwrap();
    says(&["is a PyTorch file", "torch.load(", "save_file("]);
    std::fs::write(&path, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 \x6a\xa8P\x19.").unwrap();
    says(&["is a PyTorch file"]);

    let mut other = File::default();
    other.put("conv1.weight", &[1], &[0.0]);
    other.put("patch_embed.proj.weight", &[4, 3], &[0.0; 12]);
    other.write(&path);
    says(&[
        "holds neither an MAE nor a MultiMAE",
        "conv1.weight, patch_embed.proj.weight",
    ]);
    File::default().write(&path);
    says(&["it holds none"]);
}
