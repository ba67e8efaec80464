//! Files of tensors as other programs write them, and small networks.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use foveate::gpu::Arena;
use foveate::nn::{MaeShape, MultiMaeShape};
use foveate::pretrained::Architecture;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::common::golden::Golden;
use crate::common::gpu;

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// The tensors of a file by name, and its texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    pub tensors: BTreeMap<String, Stored>,
    pub texts: HashMap<String, String>,
}

impl File {
    pub fn read(path: &Path) -> File {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let stored = Stored {
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            };
            (name, stored)
        });
        File {
            tensors: tensors.collect(),
            texts: header.metadata().clone().unwrap_or_default(),
        }
    }

    /// The parameters of a fixture under the released names.
    pub fn of_golden(golden: &Golden) -> File {
        let mut file = File::default();
        for name in golden.names() {
            if let Some(released) = name.strip_prefix("param.") {
                let (shape, values) = golden.f32(&name);
                file.put(released, &shape, &values);
            }
        }
        file
    }

    pub fn put(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let stored = Stored {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            bytes: bytemuck::cast_slice(values).to_vec(),
        };
        self.tensors.insert(name.to_string(), stored);
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.tensors[name].bytes)
    }

    /// All floats in another type.
    pub fn in_type(&self, dtype: Dtype) -> File {
        let mut file = self.clone();
        for stored in file.tensors.values_mut() {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&stored.bytes);
            let half = |v: f32| match dtype {
                Dtype::F16 => f16::from_f32(v).to_le_bytes(),
                _ => bf16::from_f32(v).to_le_bytes(),
            };
            stored.bytes = values.into_iter().flat_map(half).collect();
            stored.dtype = dtype;
        }
        file
    }

    /// All floats rounded to another type.
    pub fn rounded_to(&self, dtype: Dtype) -> File {
        let mut file = self.clone();
        for stored in file.tensors.values_mut() {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&stored.bytes);
            let round = |v: f32| match dtype {
                Dtype::F16 => f16::from_f32(v).to_f32(),
                _ => bf16::from_f32(v).to_f32(),
            };
            let values: Vec<f32> = values.into_iter().map(round).collect();
            stored.bytes = bytemuck::cast_slice(&values).to_vec();
        }
        file
    }

    pub fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, stored)| {
            let view = TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes);
            (name.clone(), view.unwrap())
        });
        let texts = (!self.texts.is_empty()).then(|| self.texts.clone());
        std::fs::write(path, serialize(views, texts).unwrap()).unwrap();
    }
}

/// Of images of 16×16 in patches of 8, one block.
pub fn multimae() -> Architecture {
    Architecture::MultiMae(MultiMaeShape {
        height: 16,
        width: 16,
        dim: 16,
        decoder_dim: 8,
        depth: 1,
        decoder_depth: 1,
        heads: 2,
        decoder_heads: 1,
        position_grid: 4,
        ..MultiMaeShape::visarl()
    })
}

/// Of images of 16×16 in patches of 4, two blocks.
pub fn mae() -> Architecture {
    Architecture::Mae(MaeShape {
        height: 16,
        width: 16,
        channels: 3,
        patch: 4,
        dim: 16,
        decoder_dim: 8,
        depth: 2,
        decoder_depth: 1,
        heads: 2,
        decoder_heads: 1,
    })
}

/// Random parameters of a network.
pub fn random(network: &Architecture, seed: u64) -> Arena {
    (network.layout().allocate(&gpu(), "parameters", seed)).unwrap()
}

/// What an arena holds now, tensor by tensor.
pub fn held(arena: &Arena) -> BTreeMap<String, Vec<u8>> {
    let entries = arena.layout().entries().iter();
    let bytes = |range| gpu().read_blocking(&arena.slice(range)).unwrap();
    entries
        .map(|e| (e.name.clone(), bytes(e.range())))
        .collect()
}
