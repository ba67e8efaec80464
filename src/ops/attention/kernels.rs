//! The kernels of attention, and which permutation of each runs.

use super::{FOUR, Sizes};
use crate::gpu::shader::{SHADERS, ShaderInfo};
use crate::gpu::{Capabilities, Precision};
use crate::ops::lower::work;

/// Rows that pass by at a time where lanes share them.
const SHARED_ROWS: usize = 8;

/// What a vector from workgroup memory costs, in multiply-adds: GPUs hand out one to a
/// subgroup in about the time in which all of their lanes do so many.
const LOAD: usize = 8;

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

    /// The permutations in a precision that suit device and head, the likeliest method first
    /// and of each the one that the estimate prefers; and others that the device can run, but
    /// not quickly.
    pub fn candidates(
        self,
        s: &Sizes,
        precision: Precision,
        device: &Capabilities,
    ) -> (Vec<Tile>, Vec<Tile>) {
        let half = precision == Precision::F16;
        let of = |wanted: &dyn Fn(&Tile) -> bool| -> Vec<Tile> {
            let mut tiles: Vec<Tile> = (SHADERS.iter())
                .filter(|shader| shader.key.split('.').next() == Some(self.file()))
                .filter_map(Tile::of)
                .filter(|tile| tile.shader.f16 == half || tile.in_blocks())
                .filter(wanted)
                .collect();
            let fits = |t: &Tile| FOUR * t.quads >= s.head;
            let smallest = tiles.iter().filter(|t| fits(t)).map(|t| t.quads).min();
            tiles.retain(|t| Some(t.quads) == smallest);
            tiles.sort_by_key(|t| t.work(self, s));
            tiles
        };
        // Sharing rows between lanes wins on software Vulkan (subgroups of 8), which has no
        // use for f16.
        let sharing = device.subgroup_size == Some(8) && !half;
        let rows = of(&|t| t.in_rows() && t.shader.subgroups == sharing);
        // In f16 as well: staged as f16 they would be f32 again for each product.
        let blocks = of(&|t| t.in_blocks());
        let by_matrices = |t: &Tile| t.method == Method::Matrices;
        let emulated = of(&|t| by_matrices(t) && !t.shader.cooperative);
        let matrices = of(&|t| t.shader.cooperative && device.cooperative.runs(t.shader));
        if device.software {
            // Workgroup memory is memory like any other there.
            return (rows, [emulated, blocks, matrices].concat());
        }
        // Matrices want one whole tile, blocks half a one.
        let own = self.rows(s).0;
        let (first, last): (Vec<Tile>, Vec<Tile>) = [matrices, blocks]
            .concat()
            .into_iter()
            .partition(|tile| match tile.in_blocks() {
                true => 2 * own >= tile.rows,
                false => own >= tile.rows,
            });
        // Those that only play cooperative matrices are for tests.
        ([first, rows, last].concat(), emulated)
    }
}

/// How a kernel goes about its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Each invocation has `wide` whole rows in registers.
    Rows { wide: usize },
    /// A workgroup has its rows in workgroup memory, `passing` others at a time; each
    /// invocation sums tiles of `own` by `other` scores in registers.
    Blocks {
        passing: usize,
        own: usize,
        other: usize,
    },
    /// A workgroup has its rows in workgroup memory and multiplies by cooperative matrices.
    Matrices,
}

/// A permutation and the rows that one of its workgroups owns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub shader: &'static ShaderInfo,
    method: Method,
    /// Fours of a head.
    quads: usize,
    pub rows: usize,
    /// Workgroups that own the same rows, each a slice of their head.
    pub slices: usize,
}

impl Tile {
    pub fn of(shader: &'static ShaderInfo) -> Option<Tile> {
        let constant = |name| shader.constant(name).map(|n| n as usize);
        let quads = constant("QUADS")?;
        let invocations = shader.invocations() as usize;
        let (method, rows, slices) = match (constant("WIDE"), constant("SLICE")) {
            (Some(wide), _) => (Method::Rows { wide }, wide * invocations, 1),
            (None, Some(slice)) => {
                let slices = (FOUR * quads).checked_div(slice)?;
                (Method::Matrices, constant("ROWS")?, slices)
            }
            (None, None) => {
                let (own, other) = (constant("ROW_TILE")?, constant("PASSING_TILE")?);
                let side = constant("SIDE")?;
                let passing = side * other;
                let method = Method::Blocks {
                    passing,
                    own,
                    other,
                };
                (method, side * own, 1)
            }
        };
        Some(Tile {
            shader,
            method,
            quads,
            rows,
            slices,
        })
    }

    fn in_rows(&self) -> bool {
        matches!(self.method, Method::Rows { .. })
    }

    fn in_blocks(&self) -> bool {
        matches!(self.method, Method::Blocks { .. })
    }

    /// Estimated cost, to compare tiles of one method.
    fn work(&self, kernel: Kernel, s: &Sizes) -> usize {
        let (own, passing) = kernel.rows(s);
        match self.method {
            // On software Vulkan, where one subgroup is a workgroup.
            Method::Rows { wide } => {
                let (over_head, over_rows) = kernel.products();
                let head = FOUR * self.quads;
                let pass = work(2 * head, over_head * SHARED_ROWS * wide, head)
                    + work(0, over_rows * wide * head, SHARED_ROWS);
                let ends = work(2 * (over_head + over_rows) * wide * head, 0, 0);
                own.div_ceil(self.rows) * (passing.div_ceil(SHARED_ROWS) * pass + ends)
            }
            // In multiply-adds of a four of the head, without what staging takes.
            Method::Blocks {
                passing: at_once,
                own: row_tile,
                other: passing_tile,
            } => {
                let passes = own.div_ceil(self.rows) * passing.div_ceil(at_once);
                let (over_head, over_rows) = kernel.products();
                let scores = self.rows * at_once;
                // Own rows; beside them those that pass by, or a vector of shares for four.
                let loads = over_head * (scores / row_tile + scores / passing_tile)
                    + over_rows * (scores / row_tile + scores / FOUR);
                passes * (FOUR * (over_head + over_rows) * scores + LOAD * loads)
            }
            // There is one for each head.
            Method::Matrices => 0,
        }
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
                // Rows that do not fill half a tile are better off without.
                let (few, _) = kernel.candidates(&sizes(1, head), precision, &device);
                assert!(!few[0].shader.cooperative, "{what}");
            }
        }
    }

    /// On GPUs rows in workgroup memory come first, wherever there are enough of them; on
    /// software devices they are for tests.
    #[test]
    fn blocks_are_for_gpus() {
        for (kernel, head) in KERNELS.iter().flat_map(|&k| [4, 48, 128].map(|h| (k, h))) {
            for precision in [Precision::F32, Precision::F16] {
                let of = |rows, software| {
                    let device = device(Cooperative::default(), software);
                    kernel.candidates(&sizes(rows, head), precision, &device)
                };
                let what = format!("{kernel:?} {head} {precision:?}");
                let (tiles, _) = of(64, false);
                assert!(tiles[0].in_blocks(), "{what}");
                assert!(tiles.iter().any(Tile::in_rows), "{what}");
                let (tiles, _) = of(4, false);
                assert!(tiles[0].in_rows(), "{what}");
                assert!(tiles.iter().any(Tile::in_blocks), "{what}");
                let (tiles, others) = of(64, true);
                assert!(tiles.iter().all(Tile::in_rows), "{what}");
                assert!(others.iter().any(Tile::in_blocks), "{what}");
            }
        }
    }

    /// What a larger tile leaves empty weighs against the loads that it saves.
    #[test]
    fn the_estimate_weighs_what_a_tile_leaves_empty() {
        let device = device(Cooperative::default(), false);
        let first = |kernel: Kernel, rows| {
            let s = sizes(rows, 64);
            let (tiles, _) = kernel.candidates(&s, Precision::F32, &device);
            tiles[0].shader.key
        };
        for (kernel, small, large) in [
            (Kernel::Forward, "32x32", "64x32"),
            (Kernel::QueryGradient, "32x32", "64x32"),
            (Kernel::KeyGradient, "32x32", "32x64"),
        ] {
            let key = |tile: &str| format!("{}.blocks_64_{tile}", kernel.file());
            assert_eq!(first(kernel, 65), key(small));
            assert_eq!(first(kernel, 1024), key(large));
        }
    }

    /// Half a tile's rows are enough for blocks, and a whole tile's for matrices.
    #[test]
    fn few_rows_are_left_to_whole_rows() {
        let first = |cooperative, rows| {
            let (s, device) = (sizes(rows, 64), device(cooperative, false));
            let (tiles, _) = Kernel::Forward.candidates(&s, Precision::F32, &device);
            tiles[0]
        };
        assert!(first(Cooperative::default(), 15).in_rows());
        assert!(first(Cooperative::default(), 16).in_blocks());
        assert!(!first(ALL, 15).shader.cooperative);
        assert!(first(ALL, 16).shader.cooperative);
    }

    /// Those that play cooperative matrices only stand in for them.
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
