//! Reading the fixtures under `tests/fixtures`: tensors that released PyTorch
//! implementations computed.

use super::Array;
use safetensors::{Dtype, SafeTensors};

/// An open fixture.
pub struct Golden {
    name: String,
    bytes: Vec<u8>,
}

impl Golden {
    /// The fixture of `sgqn` with this name, without ending.
    pub fn open(name: &str) -> Golden {
        Golden::open_in("sgqn", name)
    }

    /// The fixture with this name, without ending, in a folder of `tests/fixtures`.
    pub fn open_in(folder: &str, name: &str) -> Golden {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let path = format!("{fixtures}/{folder}/{name}.safetensors");
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Golden {
            name: name.to_string(),
            bytes,
        }
    }

    /// Names of all its tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let mut names: Vec<String> = file.names().iter().map(|n| n.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// Whether it has this tensor.
    pub fn has(&self, name: &str) -> bool {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        file.tensor(name).is_ok()
    }

    fn raw(&self, name: &str) -> (Dtype, Vec<usize>, &[u8]) {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file
            .tensor(name)
            .unwrap_or_else(|e| panic!("{}: {name}: {e}", self.name));
        (view.dtype(), view.shape().to_vec(), view.data())
    }

    fn of(&self, name: &str, wanted: Dtype) -> (Vec<usize>, &[u8]) {
        let (dtype, shape, data) = self.raw(name);
        assert_eq!(dtype, wanted, "{}: {name}", self.name);
        (shape, data)
    }

    /// Shape and elements of a tensor; bytes and integers become floats.
    pub fn f32(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let (dtype, shape, data) = self.raw(name);
        let elements = match dtype {
            Dtype::F32 => bytemuck::pod_collect_to_vec(data),
            Dtype::U8 => data.iter().map(|&v| f32::from(v)).collect(),
            Dtype::I32 => self.i32(name).1.iter().map(|&v| v as f32).collect(),
            other => panic!("{}: {name} holds {other:?}", self.name),
        };
        (shape, elements)
    }

    /// Shape and elements of a tensor of bytes.
    pub fn u8(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let (shape, data) = self.of(name, Dtype::U8);
        (shape, data.to_vec())
    }

    /// Shape and elements of a tensor of integers.
    pub fn i32(&self, name: &str) -> (Vec<usize>, Vec<i32>) {
        let (shape, data) = self.of(name, Dtype::I32);
        (shape, bytemuck::pod_collect_to_vec(data))
    }

    /// A tensor in float64; bytes and integers too.
    pub fn array(&self, name: &str) -> Array {
        let (shape, data) = self.f32(name);
        Array::new(&shape, data.iter().map(|&v| f64::from(v)).collect())
    }
}
