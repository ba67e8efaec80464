//! The kernels of attention, and which permutation of each runs.

use super::{FOUR, Sizes};
use crate::gpu::shader::{SHADERS, ShaderInfo};
use crate::gpu::{Capabilities, Precision};
use crate::ops::lower::work;

/// Rows that pass by at a time where lanes share them.
const SHARED_ROWS: usize = 8;

/// The kernels over tiles, and what decides how long one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Forward,
    QueryGradient,
    KeyGradient,
}

impl Kernel {
    pub fn file(self) -> &'static str {
        match self {
            Kernel::Forward => "attention/forward",
            Kernel::QueryGradient => "attention/query_gradient",
            Kernel::KeyGradient => "attention/key_gradient",
        }
    }

    /// Rows that its invocations own, and those that pass by.
    pub fn rows(self, s: &Sizes) -> (usize, usize) {
        match self {
            Kernel::KeyGradient => (s.keys, s.queries),
            _ => (s.queries, s.keys),
        }
    }

    /// Products over the head, and over the rows that pass by.
    fn products(self) -> (usize, usize) {
        match self {
            Kernel::Forward => (1, 1),
            Kernel::QueryGradient => (2, 1),
            Kernel::KeyGradient => (2, 2),
        }
    }

    /// The permutations in a precision that suit device and head, the one that the estimate
    /// prefers first; and others that the device can run, but not quickly.
    pub fn candidates(
        self,
        s: &Sizes,
        precision: Precision,
        device: &Capabilities,
    ) -> (Vec<Tile>, Vec<Tile>) {
        let half = precision == Precision::F16;
        let of = |wanted: &dyn Fn(&ShaderInfo) -> bool| -> Vec<Tile> {
            let mut tiles: Vec<Tile> = (SHADERS.iter())
                .filter(|shader| shader.key.split('.').next() == Some(self.file()))
                .filter(|shader| shader.f16 == half && wanted(shader))
                .filter_map(Tile::of)
                .collect();
            let fits = |t: &Tile| FOUR * t.quads >= s.head;
            let smallest = tiles.iter().filter(|t| fits(t)).map(|t| t.quads).min();
            tiles.retain(|t| Some(t.quads) == smallest);
            tiles.sort_by_key(|t| t.work(self, s));
            tiles
        };
        let in_workgroup_memory = |shader: &ShaderInfo| shader.constant("SLICE").is_some();
        // Sharing rows between lanes wins on software Vulkan (subgroups of 8), which has no
        // use for f16.
        let sharing = device.subgroup_size == Some(8) && !half;
        let mut tiles = of(&|shader| !in_workgroup_memory(shader) && shader.subgroups == sharing);
        let matrices = of(&|shader| shader.cooperative && device.cooperative.runs(shader));
        // Those that only play cooperative matrices are for tests.
        let mut others = of(&|shader| in_workgroup_memory(shader) && !shader.cooperative);
        if device.software {
            others.extend(matrices);
        } else if matrices.iter().any(|t| self.rows(s).0 >= t.rows) {
            tiles = [matrices, tiles].concat();
        } else {
            tiles.extend(matrices);
        }
        (tiles, others)
    }
}

/// A permutation and the rows that one of its workgroups owns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub shader: &'static ShaderInfo,
    /// Fours of a head.
    quads: usize,
    /// Whole rows of one invocation, which it holds in registers.
    wide: usize,
    pub rows: usize,
    /// Workgroups that own the same rows, each a slice of their head.
    pub slices: usize,
}

impl Tile {
    pub fn of(shader: &'static ShaderInfo) -> Option<Tile> {
        let constant = |name| shader.constant(name).map(|n| n as usize);
        let quads = constant("QUADS")?;
        let (wide, rows, slices) = match constant("SLICE") {
            Some(slice) => (0, constant("ROWS")?, (FOUR * quads).checked_div(slice)?),
            None => {
                let wide = constant("WIDE")?;
                (wide, wide * shader.invocations() as usize, 1)
            }
        };
        Some(Tile {
            shader,
            quads,
            wide,
            rows,
            slices,
        })
    }

    /// Estimated cost on software Vulkan, where one subgroup is a workgroup.
    fn work(&self, kernel: Kernel, s: &Sizes) -> usize {
        let (own, passing) = kernel.rows(s);
        let (over_head, over_rows) = kernel.products();
        let head = FOUR * self.quads;
        let pass = work(2 * head, over_head * SHARED_ROWS * self.wide, head)
            + work(0, over_rows * self.wide * head, SHARED_ROWS);
        let ends = work(2 * (over_head + over_rows) * self.wide * head, 0, 0);
        own.div_ceil(self.rows) * (passing.div_ceil(SHARED_ROWS) * pass + ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Cooperative;

    const KERNELS: [Kernel; 3] = [Kernel::Forward, Kernel::QueryGradient, Kernel::KeyGradient];

    fn sizes(rows: usize, head: usize) -> Sizes {
        Sizes {
            batch: 2,
            queries: rows,
            keys: rows,
            heads: 3,
            head,
            scale: 0.5,
            views: [super::super::View {
                input: 0,
                row: 0,
                first: 0,
            }; 3],
        }
    }

    fn device(cooperative: Cooperative, software: bool) -> Capabilities {
        Capabilities {
            subgroup_size: None,
            software,
            max_binding: 1 << 27,
            max_buffer: 1 << 28,
            max_groups: 65_535,
            timestamps: false,
            f16: true,
            cooperative,
            offset_alignment: 256,
        }
    }

    fn keys(tiles: &[Tile]) -> Vec<&'static str> {
        tiles.iter().map(|t| t.shader.key).collect()
    }

    const ALL: Cooperative = Cooperative {
        f32_8: true,
        f16_16: true,
    };

    #[test]
    fn cooperative_matrices_are_for_devices_that_have_them() {
        let none = Cooperative::default();
        let only_f32 = Cooperative {
            f32_8: true,
            ..none
        };
        for (kernel, head) in KERNELS.iter().flat_map(|&k| [4, 48, 128].map(|h| (k, h))) {
            for (precision, cooperative, expected) in [
                (Precision::F32, none, false),
                (Precision::F16, none, false),
                (Precision::F32, only_f32, true),
                (Precision::F16, only_f32, false),
                (Precision::F16, ALL, true),
            ] {
                let device = device(cooperative, false);
                let (tiles, _) = kernel.candidates(&sizes(64, head), precision, &device);
                // Gradients stay f32, and so does what they are multiplied by.
                let expected =
                    expected && (precision == Precision::F32 || kernel == Kernel::Forward);
                let found = tiles.iter().filter(|t| t.shader.cooperative);
                let what = format!("{kernel:?} {head} {precision:?} {cooperative:?}");
                assert_eq!(found.count(), expected as usize, "{what}");
                assert_eq!(tiles[0].shader.cooperative, expected, "{what}");
                assert!(tiles.iter().all(|t| FOUR * t.quads >= head), "{what}");
                // Rows that do not fill a tile are better off without.
                let (few, _) = kernel.candidates(&sizes(1, head), precision, &device);
                assert!(!few[0].shader.cooperative, "{what}");
            }
        }
    }

    /// Those in workgroup memory without cooperative matrices only stand in for them.
    #[test]
    fn what_is_for_tests_is_never_a_candidate() {
        for (kernel, head) in KERNELS.iter().flat_map(|&k| [4, 48, 128].map(|h| (k, h))) {
            for precision in [Precision::F32, Precision::F16] {
                for (software, subgroup_size) in [(false, None), (true, Some(8))] {
                    let device = Capabilities {
                        subgroup_size,
                        ..device(ALL, software)
                    };
                    let (tiles, others) = kernel.candidates(&sizes(64, head), precision, &device);
                    let (tiles, others) = (keys(&tiles), keys(&others));
                    let emulated = |keys: &[&str]| keys.iter().any(|k| k.contains("emulated"));
                    assert!(!tiles.is_empty() && !emulated(&tiles), "{tiles:?}");
                    let there = precision == Precision::F32 || kernel == Kernel::Forward;
                    assert_eq!(emulated(&others), there, "{others:?}");
                }
            }
        }
    }
}
