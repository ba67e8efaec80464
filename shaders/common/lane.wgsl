// What a kernel computes at a time: one element, or four where QUADS says that there is
// a whole number of fours. One load then brings four elements, which counts on every
// device and most where loads are done lane by lane (software Vulkan).

#ifdef QUADS
alias Lane = vec4f;
const LANE_ELEMENTS = 4.0;

// The sum of the elements.
fn lane_sum(v: Lane) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// The largest element.
fn lane_max(v: Lane) -> f32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}

// The smallest element.
fn lane_min(v: Lane) -> f32 {
    return min(min(v.x, v.y), min(v.z, v.w));
}
#else
alias Lane = f32;
const LANE_ELEMENTS = 1.0;

fn lane_sum(v: Lane) -> f32 {
    return v;
}

fn lane_max(v: Lane) -> f32 {
    return v;
}

fn lane_min(v: Lane) -> f32 {
    return v;
}
#endif
