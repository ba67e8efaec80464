// A part of a plane: the H * W elements of a channel, or a row, in `parts` pieces, one for
// each workgroup of 64. What is the same for a whole plane is looked up once an invocation,
// and only the place within it is counted: no division for each element.

#include "common/linear_index.wgsl"

const PLANE_LANES = 64u;

struct PlanePart {
    plane: u32,
    first: u32, // of this lane; the next is PLANE_LANES further
    end: u32,   // first and beyond where nothing is to be done
}

// `place`: of the workgroup; `pixels`: elements of a plane, or fours; `each`: how many of
// them an invocation does at most. Workgroups beyond the last plane have nothing to do.
fn plane_part(place: u32, lane: u32, planes: u32, parts: u32, pixels: u32, each: u32) -> PlanePart {
    let plane = place / parts;
    let start = place % parts * each * PLANE_LANES;
    let end = min(start + each * PLANE_LANES, pixels);
    return PlanePart(plane, start + lane, select(0u, end, plane < planes));
}
