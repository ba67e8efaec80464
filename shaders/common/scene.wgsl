// A scene as the ray caster reads it; written by src/envs/native/scene.rs, whose
// `SceneData` and `PrimitiveData` have these fields at these offsets.

const MAX_PRIMITIVES = 16u;

const SPHERE = 0u;
const CAPSULE = 1u;
const BOX = 2u;
const CYLINDER = 3u;

// What the sky, and the floor where it is covered, show.
const BACKGROUND_NONE = 0u;
const BACKGROUND_PROCEDURAL = 1u;
const BACKGROUND_PICTURE = 2u;

// Segments from here on are what the task is about.
const SEGMENT_TASK = 2u;

// 96 bytes. A shape about its own centre, its axis (capsule, cylinder) along its own z.
struct Primitive {
    position: vec3<f32>,
    kind: u32,
    // Unit quaternion (x, y, z, w): own frame -> world.
    rotation: vec4<f32>,
    // sphere: (radius, -, -); capsule and cylinder: (radius, half length, -);
    // box: half extents.
    size: vec3<f32>,
    // What the segmentation says where this is seen.
    segment: u32,
    colour: vec3<f32>,
    // Strength of the highlight, 0 to 1.
    gloss: f32,
    // Where in the picture it can be seen, and where its shadow on the floor can: left,
    // right, lower and upper bound, the upper edge at 1 and the lower at -1.
    seen: vec4<f32>,
    shade: vec4<f32>,
}

// 1760 bytes.
struct Scene {
    eye: vec3<f32>,
    // 1 / tan(vertical field of view / 2).
    focal: f32,
    right: vec3<f32>,
    primitives_count: u32,
    up: vec3<f32>,
    // 1: the light casts shadows; 0: it does not.
    shadows: u32,
    forward: vec3<f32>,
    background: u32,
    // Unit vector towards the light.
    light: vec3<f32>,
    // 1: the background covers the floor too.
    floor_covered: u32,
    // Height, half extent along x, half extent along y, side of a checker field.
    ground: vec4<f32>,
    floor_first: vec3<f32>,
    background_kind: u32,
    floor_second: vec3<f32>,
    background_seed: u32,
    // At the upper and at the lower edge of the frame.
    sky_upper: vec3<f32>,
    // Agent steps since the episode began.
    time: f32,
    sky_lower: vec3<f32>,
    // Which picture of the bank (BACKGROUND_PICTURE).
    picture: u32,
    // Bit j of element i: primitive j can put primitive i into shadow.
    shadowers: array<u32, MAX_PRIMITIVES>,
    // [MAX_PRIMITIVES], of which the first primitives_count are drawn.
    primitives: array<Primitive, MAX_PRIMITIVES>,
}
