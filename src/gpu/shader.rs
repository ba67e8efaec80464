//! The shader registry: every permutation of every file under `shaders/`, with
//! what naga reflected of it when the crate was built.

/// One permutation of one WGSL file.
#[derive(Debug)]
pub struct ShaderInfo {
    /// `folder/file` or `folder/file.permutation`.
    pub key: &'static str,
    /// Expanded WGSL source.
    pub source: &'static str,
    /// Invocations per workgroup, per dimension.
    pub workgroup: [u32; 3],
    /// Layout of the uniform `params`, if the shader has one.
    pub params: Option<ParamsInfo>,
    /// All bindings of group 0, by index.
    pub bindings: &'static [Binding],
    /// Constants of the permutation that are whole numbers: its tile, mostly.
    pub constants: &'static [(&'static str, u32)],
    /// Whether it uses subgroup operations.
    pub subgroups: bool,
    /// Whether it holds numbers as f16.
    pub f16: bool,
    /// Whether it multiplies by cooperative matrices.
    pub cooperative: bool,
}

/// A binding of group 0.
#[derive(Debug)]
pub struct Binding {
    pub name: &'static str,
    pub index: u32,
    pub kind: BindingKind,
}

/// What is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingKind {
    /// The parameter block.
    Uniform,
    /// A storage buffer that the shader only reads.
    Read,
    /// A storage buffer that the shader writes.
    ReadWrite,
    /// A sampled 2-D float texture (read with `textureLoad`).
    Texture,
}

/// Layout of a parameter block.
#[derive(Debug)]
pub struct ParamsInfo {
    /// Bytes.
    pub size: u32,
    pub fields: &'static [Field],
}

/// One scalar of a parameter block.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// Bytes from the start of the block.
    pub offset: u32,
    pub kind: FieldKind,
}

/// Scalar types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    F32,
    U32,
    I32,
}

impl ShaderInfo {
    /// The permutation with this key.
    pub fn find(key: &str) -> Option<&'static ShaderInfo> {
        // build.rs walks the folders in order, but `.` sorts before `_` and `/`
        // elsewhere: a scan over some hundred rows is cheap and has no such trap.
        SHADERS.iter().find(|s| s.key == key)
    }

    /// A constant of the permutation.
    pub fn constant(&self, name: &str) -> Option<u32> {
        (self.constants.iter()).find_map(|(n, value)| (*n == name).then_some(*value))
    }

    /// Whether it writes what is bound to `name`.
    pub fn writes(&self, name: &str) -> bool {
        (self.bindings.iter()).any(|b| b.name == name && b.kind == BindingKind::ReadWrite)
    }

    /// Invocations in one workgroup.
    pub fn invocations(&self) -> u32 {
        self.workgroup.iter().product()
    }
}

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
