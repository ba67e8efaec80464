// The value of a RISE mask at a pixel: its grid of cells, bilinearly enlarged to
// (cells + 1) times the size of a cell, read at the mask's offset. It needs `grids`, the
// words of masks: cells * cells of 0 or 1, then the offset down and along; and of
// `params` the cells of a side and a cell's height and width in pixels.
// Source: Petsiuk, Das, Saenko, "RISE" (2018); SPEC.md E.5.

#include "common/resize_axis.wgsl"

fn rise_mask(mask: u32, row: u32, column: u32) -> f32 {
    let cells = params.cells;
    let first = mask * (cells * cells + 2u);
    let y = row + grids[first + cells * cells];
    let x = column + grids[first + cells * cells + 1u];
    let down = half_pixel_tap(y, cells, (cells + 1u) * params.cell_height);
    let along = half_pixel_tap(x, cells, (cells + 1u) * params.cell_width);
    let upper = first + down.low * cells;
    let lower = first + down.high * cells;
    let above = mix(f32(grids[upper + along.low]), f32(grids[upper + along.high]), along.fraction);
    let below = mix(f32(grids[lower + along.low]), f32(grids[lower + along.high]), along.fraction);
    return mix(above, below, down.fraction);
}
