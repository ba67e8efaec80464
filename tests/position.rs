//! Position embeddings against those of the released adapters.

mod common;

use common::golden::Golden;
use foveate::nn::{FirstCoordinate, Interpolation, PositionGrid};

const TOLERANCE: f32 = 5e-6;

fn assert_near(what: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= TOLERANCE, "{what}[{i}]: {g} for {e}");
    }
}

#[test]
fn the_released_configuration() {
    let golden = Golden::open("vit/03b_posemb_real");
    let (dim, grid) = (256, 28);
    let base = PositionGrid::sin_cos(grid, grid, dim, FirstCoordinate::Row);
    let values = base.to_f32();
    let vectors = |cells: Vec<usize>| -> Vec<f32> {
        let vector = |cell: usize| values[cell * dim..(cell + 1) * dim].to_vec();
        cells.into_iter().flat_map(vector).collect()
    };
    for (name, cells) in [
        ("base_row0", Vec::from_iter(0..grid)),
        ("base_col0", (0..grid).map(|i| i * grid).collect()),
        ("base_diag", (0..grid).map(|i| i * grid + i).collect()),
    ] {
        assert_near(
            name,
            &vectors(cells),
            &golden.f32(&format!("posemb.{name}")).1,
        );
    }
    for (name, interpolation) in [
        ("input_bicubic", Interpolation::Bicubic),
        ("output_bilinear", Interpolation::Bilinear),
    ] {
        let resized = base.resized(8, 8, interpolation).to_f32();
        assert_near(name, &resized, &golden.f32(&format!("posemb.{name}")).1);
    }
}

/// Grids of MultiMAE and MAE at small sizes.
#[test]
fn small_models() {
    let multimae = Golden::open("vit/03_multimae");
    let base = PositionGrid::sin_cos(28, 28, 32, FirstCoordinate::Row);
    let bicubic = base.resized(8, 8, Interpolation::Bicubic).to_f32();
    assert_near("input", &bicubic, &multimae.f32("posemb.input_bicubic").1);
    let mae = Golden::open("vit/02_mae");
    for (name, dim) in [("posemb.encoder", 32), ("posemb.decoder", 24)] {
        let grid = PositionGrid::sin_cos(4, 4, dim, FirstCoordinate::Column).to_f32();
        // The fixture's first row is the class token's: zeros.
        assert_near(name, &grid, &mae.f32(name).1[dim..]);
    }
}

/// A grid resized to its own size stays as it is.
#[test]
fn the_same_size_changes_nothing() {
    let base = PositionGrid::sin_cos(5, 7, 12, FirstCoordinate::Row);
    for interpolation in [Interpolation::Bicubic, Interpolation::Bilinear] {
        assert_eq!(base.resized(5, 7, interpolation).to_f32(), base.to_f32());
    }
}
