//! Tiles in workgroup memory (`common/tiled_product.wgsl`), which products and
//! convolutions share: which there are, how large, and what they are estimated to cost
//! on a GPU.

use super::Lower;
use crate::gpu::Precision;
use crate::gpu::shader::{SHADERS, ShaderInfo};

/// Workgroups that keep a GPU busy; fewer take as long.
const BUSY: usize = 64;
/// Multiply-adds that loading a value into workgroup memory takes the time of.
const LOAD: usize = 16;
/// Multiply-adds below which a product is too small for workgroup memory to pay.
const SMALL: usize = 1 << 15;

/// A permutation on `common/tiled_product.wgsl` and the results of one of its workgroups.
#[derive(Debug, Clone, Copy)]
pub(super) struct TiledProduct {
    pub shader: &'static ShaderInfo,
    pub rows: usize,
    pub columns: usize,
    /// Terms of the sum that are staged at a time.
    pub step: usize,
}

impl TiledProduct {
    pub fn of(shader: &'static ShaderInfo) -> Option<TiledProduct> {
        let constant = |name| shader.constant(name).map(|n| n as usize);
        Some(TiledProduct {
            shader,
            rows: 4 * constant("ROW_QUADS")? * constant("ROW_SIDE")?,
            columns: 4 * constant("COLUMN_QUADS")? * constant("COLUMN_SIDE")?,
            step: constant("STEP")?,
        })
    }

    /// The tiles of the permutations whose key starts so, in the precision that is asked
    /// for, for a result of `rows` × `columns` with sums of `terms`; least estimated cost
    /// first.
    pub fn candidates(
        cx: &Lower,
        prefix: &str,
        sizes: [usize; 3],
        pieces: impl Fn(&TiledProduct) -> usize,
    ) -> Vec<TiledProduct> {
        let mut tiles: Vec<TiledProduct> = (SHADERS.iter())
            .filter(|s| s.key.starts_with(prefix))
            .filter(|s| s.f16 == (cx.precision() == Precision::F16))
            .filter(|s| cx.capabilities().cooperative.runs(s))
            .filter_map(TiledProduct::of)
            .collect();
        tiles.sort_by_key(|tile| tile.cost(sizes, pieces(tile)));
        tiles
    }

    /// Workgroups for a result of that size.
    pub fn groups(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// Pieces to cut a sum into for the workgroups to be enough, each of at least
    /// `shortest` terms.
    pub fn pieces(&self, [rows, columns, terms]: [usize; 3], shortest: usize) -> usize {
        (BUSY / self.groups(rows, columns))
            .min(terms / shortest)
            .max(1)
    }

    /// Estimated cost, in multiply-adds that follow each other.
    fn cost(&self, [rows, columns, terms]: [usize; 3], pieces: usize) -> usize {
        let groups = (self.groups(rows, columns) * pieces).max(BUSY);
        let term = self.rows * self.columns + LOAD * (self.rows + self.columns);
        groups * terms.div_ceil(pieces) * term
    }
}

/// Whether a product is large enough for workgroup memory to pay on a GPU.
pub(super) fn pays([rows, columns, terms]: [usize; 3]) -> bool {
    rows * columns * terms >= SMALL
}

/// What a class of shapes ends with: choices for one precision are none for the other.
pub(super) fn suffix(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "",
        Precision::F16 => " f16",
    }
}
