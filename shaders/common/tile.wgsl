// How the invocations of a workgroup load a tile of ROW_PLACES fours of rows and
// COLUMN_PLACES fours of columns, STEP terms at a time.

const LANES = ROW_SIDE * COLUMN_SIDE;
const ROW_PLACES = ROW_QUADS * ROW_SIDE;
const COLUMN_PLACES = COLUMN_QUADS * COLUMN_SIDE;
const_assert LANES % STEP == 0u;
const_assert LANES % ROW_PLACES == 0u;
const_assert LANES % COLUMN_PLACES == 0u;
const_assert STEP * ROW_QUADS % COLUMN_SIDE == 0u;
const_assert STEP * COLUMN_QUADS % ROW_SIDE == 0u;

// Where in a tile a four lies that an invocation loads.
struct Place {
    k: u32,
    line: u32,
}

fn place(load: u32, lane: u32, places: u32, along_k: bool) -> Place {
    if along_k {
        return Place(lane % STEP, lane / STEP + load * (LANES / STEP));
    }
    return Place(lane / places + load * (LANES / places), lane % places);
}
