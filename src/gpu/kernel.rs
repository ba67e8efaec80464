//! A compiled shader permutation, and what is needed to dispatch it. Names and
//! kinds of bindings and parameters come from the shader itself; what Rust passes
//! is checked against them.

use super::shader::{BindingKind, FieldKind, ShaderInfo};
use super::{BufferRange, GpuError};

/// A compute pipeline with its reflected interface.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) shader: &'static ShaderInfo,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// What is bound to a name.
#[derive(Debug, Clone)]
pub enum Bound {
    Buffer(BufferRange),
    Texture(wgpu::TextureView),
}

/// A parameter's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    F32(f32),
    U32(u32),
    I32(i32),
}

impl Kernel {
    pub(super) fn new(
        device: &wgpu::Device,
        shader: &'static ShaderInfo,
        cache: Option<&wgpu::PipelineCache>,
    ) -> Kernel {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.key),
            source: wgpu::ShaderSource::Wgsl(shader.source.into()),
        };
        let mut checks = wgpu::ShaderRuntimeChecks::checked();
        checks.force_loop_bounding = false;
        // Safety: bounds checks stay on; only the bounding of loops is off, and every
        // loop of our shaders counts to a parameter or a constant, runs once, or takes bits
        // off a word until none is left. The exception is gather/gradient, which follows
        // links that it reads: each leads to a larger number, up to the one that ends the
        // loop, as gather/links writes them all just before, into a workspace that nothing
        // else reaches.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let entries: Vec<_> = (shader.bindings.iter())
            .map(|b| wgpu::BindGroupLayoutEntry {
                binding: b.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: match b.kind {
                    BindingKind::Texture => wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: false },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                    kind => wgpu::BindingType::Buffer {
                        ty: match kind {
                            BindingKind::Uniform => wgpu::BufferBindingType::Uniform,
                            kind => wgpu::BufferBindingType::Storage {
                                read_only: kind == BindingKind::Read,
                            },
                        },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader.key),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.key),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.key),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache,
        });
        Kernel {
            shader,
            pipeline,
            layout,
        }
    }

    /// The bind group for these bindings, found by name; `params` is the range of
    /// the parameter block where the shader has one.
    pub(crate) fn bind(
        &self,
        device: &wgpu::Device,
        params: Option<&BufferRange>,
        bound: &[(&'static str, Bound)],
    ) -> Result<wgpu::BindGroup, GpuError> {
        let wrong = |reason: String| GpuError::Rejected {
            what: self.shader.key.to_string(),
            reason,
        };
        if let Some((name, _)) =
            (bound.iter()).find(|(name, _)| !self.shader.bindings.iter().any(|b| b.name == *name))
        {
            return Err(wrong(format!("the shader has no binding '{name}'")));
        }
        let mut entries = vec![];
        for b in self.shader.bindings {
            let resource = match b.kind {
                BindingKind::Uniform => match params {
                    Some(range) => range.binding(),
                    None => return Err(wrong("no parameters were given".to_string())),
                },
                _ => match bound.iter().find(|(name, _)| *name == b.name) {
                    Some((_, Bound::Buffer(range))) if b.kind != BindingKind::Texture => {
                        range.binding()
                    }
                    Some((_, Bound::Texture(view))) if b.kind == BindingKind::Texture => {
                        wgpu::BindingResource::TextureView(view)
                    }
                    Some(_) => {
                        return Err(wrong(format!("'{}' is bound to the wrong kind", b.name)));
                    }
                    None => return Err(wrong(format!("nothing is bound to '{}'", b.name))),
                },
            };
            entries.push(wgpu::BindGroupEntry {
                binding: b.index,
                resource,
            });
        }
        Ok(device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.shader.key),
            layout: &self.layout,
            entries: &entries,
        }))
    }
}

/// The bytes of a shader's parameter block, filled by name.
#[derive(Debug)]
pub struct ParamBlock;

impl ParamBlock {
    /// Lays `values` out as the shader declares its `Params`; every field must be
    /// given once, with its type, and no other.
    pub fn bytes(
        shader: &ShaderInfo,
        values: &[(&'static str, Value)],
    ) -> Result<Vec<u8>, GpuError> {
        let wrong = |reason: String| GpuError::Rejected {
            what: shader.key.to_string(),
            reason,
        };
        let Some(info) = &shader.params else {
            return match values.first() {
                None => Ok(vec![]),
                Some((name, _)) => Err(wrong(format!(
                    "it has no parameters, but '{name}' was given"
                ))),
            };
        };
        if let Some((name, _)) =
            (values.iter()).find(|(name, _)| !info.fields.iter().any(|f| f.name == *name))
        {
            return Err(wrong(format!("it has no parameter '{name}'")));
        }
        let mut bytes = vec![0; info.size as usize];
        for field in info.fields {
            let Some((_, value)) = values.iter().find(|(name, _)| *name == field.name) else {
                return Err(wrong(format!("parameter '{}' was not given", field.name)));
            };
            let raw = match (field.kind, *value) {
                (FieldKind::F32, Value::F32(v)) => v.to_le_bytes(),
                (FieldKind::U32, Value::U32(v)) => v.to_le_bytes(),
                (FieldKind::I32, Value::I32(v)) => v.to_le_bytes(),
                (kind, value) => {
                    return Err(wrong(format!(
                        "parameter '{}' is {kind:?}, not {value:?}",
                        field.name
                    )));
                }
            };
            bytes[field.offset as usize..][..4].copy_from_slice(&raw);
        }
        Ok(bytes)
    }
}
