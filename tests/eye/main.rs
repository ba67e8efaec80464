//! What agents see of frames: the inputs of a CNN (SPEC.md B.8), and the embeddings of a
//! frozen encoder, made once and kept.

#[path = "../common/mod.rs"]
mod common;
mod embeddings;
mod gradients;
mod inputs;

use std::path::Path;

use common::gpu;
use foveate::agents::StoredTransition;
use foveate::config::{AgentKind, Config, EncoderKind, Inputs, Preset};
use foveate::nn::{MultiMae, MultiMaeShape, ParameterLayout};
use foveate::pretrained::{Architecture, save};
use foveate::tape::{Tape, Var};
use tempfile::TempDir;

const SIDE: usize = 16;

const STACK: usize = 2;

const SLOTS: usize = 5;

fn config(inputs: Inputs) -> Config {
    Config {
        inputs,
        image_size: SIDE,
        frame_stack: STACK,
        num_shared_layers: 2,
        ..Config::new(AgentKind::Sac, "native/reach", Preset::Tiny)
    }
}

fn read(tape: &Tape, y: &Var) -> Vec<f32> {
    tape.output("y", y);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    program.read_blocking("y").unwrap()
}

/// A small MultiMAE with random weights, in a file.
fn weights(folder: &Path, saliency: bool) -> std::path::PathBuf {
    let mut shape = MultiMaeShape {
        height: SIDE,
        width: SIDE,
        patch: 4,
        dim: 16,
        depth: 1,
        heads: 2,
        tasks: vec![],
        ..MultiMaeShape::visarl()
    };
    shape.modalities.truncate(1 + saliency as usize);
    let mut layout = ParameterLayout::default();
    MultiMae::push_encoder(&mut layout, &shape);
    let parameters = layout.allocate(&gpu(), "encoder", 5).unwrap();
    let path = folder.join(if saliency {
        "both.safetensors"
    } else {
        "rgb.safetensors"
    });
    save(&gpu(), &path, &Architecture::MultiMae(shape), &parameters).unwrap();
    path
}

struct Frozen {
    config: Config,
    _folder: TempDir,
}

fn frozen(inputs: Inputs, saliency: bool) -> Frozen {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), saliency);
    let encoder = format!("multimae:{}", path.display());
    Frozen {
        config: Config {
            encoder: EncoderKind::try_from(encoder).unwrap(),
            batch: 4,
            hidden_dim: 8,
            ..config(inputs)
        },
        _folder: folder,
    }
}

fn transition(step: u64) -> StoredTransition {
    StoredTransition {
        frames: (step..=step + STACK as u64).collect(),
        reward: 0.5,
        terminated: false,
        action: vec![0.1, -0.2],
    }
}
