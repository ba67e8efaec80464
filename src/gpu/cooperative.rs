//! Cooperative matrices: which small products a device multiplies at once.

use super::shader::ShaderInfo;

/// The products of square matrices that the lanes of a subgroup compute together, as far
/// as there are kernels for them. All false where the device was not asked for them
/// ([`GpuOptions::experimental`](super::GpuOptions::experimental)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cooperative {
    /// 8 × 8, f32.
    pub f32_8: bool,
    /// 16 × 16, f16 with sums in f32.
    pub f16_16: bool,
}

impl Cooperative {
    pub(super) fn of(adapter: &wgpu::Adapter, features: wgpu::Features) -> Cooperative {
        use wgpu::{CooperativeScalarType as Scalar, Features};
        // The kernels ask which subgroup they are.
        if !features.contains(Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SUBGROUP) {
            return Cooperative::default();
        }
        let listed = adapter.cooperative_matrix_properties();
        let has = |size: u32, operands: Scalar| {
            listed.iter().any(|p| {
                [p.m_size, p.n_size, p.k_size] == [size; 3]
                    && p.ab_type == operands
                    && p.cr_type == Scalar::F32
            })
        };
        Cooperative {
            f32_8: has(8, Scalar::F32),
            f16_16: features.contains(Features::SHADER_F16) && has(16, Scalar::F16),
        }
    }

    /// Whether the device has what a permutation multiplies by, if it does so.
    pub fn runs(&self, shader: &ShaderInfo) -> bool {
        !shader.cooperative
            || match (shader.constant("SIZE"), shader.f16) {
                (Some(8), false) => self.f32_8,
                (Some(16), true) => self.f16_16,
                _ => false,
            }
    }
}
