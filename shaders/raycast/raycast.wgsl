// Draws `worlds` scenes at once by casting rays: a checkered floor, spheres,
// capsules, boxes and cylinders under one light with hard shadows, before a sky
// or a moving background.
//
// Permutations: `color` writes 8-bit RGB (2x2 rays a pixel) and, where frames have a
// fourth plane, saliency: 255 on what the task is about, 0 elsewhere; `segmentation`
// (SEGMENTATION) writes the id of what the ray through the pixel's centre
// meets: 0 background, 1 the floor and other scenery, 2 and up (SEGMENT_TASK) what the
// task is about.
//
// Tile: one invocation makes four neighbouring pixels of a row, that is, one
// word of each plane. Dispatch: (ceil(width * height / 4 / 64), worlds, 1).
//
// Method: Whitted (An Improved Illumination Model for Shaded Display, 1980)
// without reflections; highlights after Blinn (1977). Rays are tested only against what
// the bounds in the scene (src/envs/native/bounds.rs) do not leave out: for the four
// pixels of an invocation, and for each primitive that a ray to the light starts from.

#include "common/scene.wgsl"
#include "common/intersect.wgsl"
#include "common/background.wgsl"

struct Params {
    // The length of `destination`; the dispatch may be for fewer.
    worlds: u32,
    // Pixels; the width is a multiple of 4.
    width: u32,
    height: u32,
    // Size and number of the pictures in the bank; the width is a multiple of 4,
    // and all three are 1 or more (a bank that is not used may hold one word).
    picture_width: u32,
    picture_height: u32,
    pictures: u32,
    // Of a frame of the color permutation: 3, or 4 with saliency.
    planes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [worlds]
@group(0) @binding(1) var<storage, read> scenes: array<Scene>;
// [worlds]: the slot of `frames` that each world's picture goes to; a world whose
// slot lies beyond `frames` is not drawn.
@group(0) @binding(2) var<storage, read> destination: array<u32>;
// color: [slots, planes, height, width] u8; segmentation: [slots, height, width] u8.
// Four pixels a word, the leftmost in the lowest byte.
@group(0) @binding(3) var<storage, read_write> frames: array<u32>;
#ifndef SEGMENTATION
// [pictures, 3, picture_height, picture_width] u8, packed like `frames`.
@group(0) @binding(4) var<storage, read> pictures: array<u32>;
#endif

// How far from a surface its shadow is asked for, so that it does not shade itself.
const LIFT = 2e-3;

// What a ray meets. id: 0 nothing, 1 the floor, 2 + i the i-th primitive.
struct Hit {
    distance: f32,
    normal: vec3<f32>,
    id: u32,
}

// What every ray of a scene needs, read once.
struct View {
    world: u32,
    eye: vec3<f32>,
    right: vec3<f32>,
    up: vec3<f32>,
    // Into the picture, as long as the picture's plane is away where its upper edge is 1
    // above its middle.
    forward: vec3<f32>,
    // Height, half extents along x and y, side of a field.
    ground: vec4<f32>,
}

fn look(world: u32) -> View {
    return View(
        world,
        scenes[world].eye,
        scenes[world].right,
        scenes[world].up,
        scenes[world].focal * scenes[world].forward,
        scenes[world].ground,
    );
}

// Where (x, y), in pixels, y down, lies in the picture: see `Primitive.seen`.
fn picture_place(x: f32, y: f32) -> vec2<f32> {
    return vec2<f32>(2.0 * x - f32(params.width), f32(params.height) - 2.0 * y) / f32(params.height);
}

// The direction, [3] unit, through (x, y) in pixels, y down.
fn ray_through(view: View, x: f32, y: f32) -> vec3<f32> {
    let place = picture_place(x, y);
    return normalize(view.forward + place.x * view.right + place.y * view.up);
}

fn overlap(bounds: vec4<f32>, low: vec2<f32>, high: vec2<f32>) -> bool {
    return bounds.x <= high.x && bounds.y >= low.x && bounds.z <= high.y && bounds.w >= low.y;
}

// Bit i of x: primitive i may be seen in the four pixels from (x, y) on; bit i of y: its
// shadow on the floor may.
fn candidates(world: u32, x: u32, y: u32) -> vec2<u32> {
    let low = picture_place(f32(x), f32(y) + 1.0);
    let high = picture_place(f32(x) + 4.0, f32(y));
    let count = min(scenes[world].primitives_count, MAX_PRIMITIVES);
    var found = vec2<u32>(0u);
    for (var i = 0u; i < count; i++) {
        if (overlap(scenes[world].primitives[i].seen, low, high)) { found.x |= 1u << i; }
#ifndef SEGMENTATION
        if (overlap(scenes[world].primitives[i].shade, low, high)) { found.y |= 1u << i; }
#endif
    }
    return found;
}

fn hit_primitive(world: u32, i: u32, origin: vec3<f32>, direction: vec3<f32>) -> vec4<f32> {
    let rotation = scenes[world].primitives[i].rotation;
    let inverse = vec4<f32>(-rotation.xyz, rotation.w);
    let o = rotate(inverse, origin - scenes[world].primitives[i].position);
    let d = rotate(inverse, direction);
    let size = scenes[world].primitives[i].size;
    var hit = miss();
    switch (scenes[world].primitives[i].kind) {
        case SPHERE: { hit = hit_sphere(o, d, size.x); }
        case CAPSULE: { hit = hit_capsule(o, d, size.x, size.y); }
        case BOX: { hit = hit_box(o, d, size); }
        default: { hit = hit_cylinder(o, d, size.x, size.y); }
    }
    return vec4<f32>(hit.x, rotate(rotation, hit.yzw));
}

// What a ray from the eye meets, of the floor and the primitives of `seen`.
fn trace(view: View, seen: u32, direction: vec3<f32>) -> Hit {
    var hit = Hit(MISS, vec3<f32>(0.0, 0.0, 1.0), 0u);
    let t = (view.ground.x - view.eye.z) * reciprocal(direction.z);
    let p = view.eye.xy + t * direction.xy;
    if (t > NEAR && t < MISS && abs(p.x) <= view.ground.y && abs(p.y) <= view.ground.z) {
        hit.distance = t;
        hit.id = 1u;
    }
    for (var rest = seen; rest != 0u; rest &= rest - 1u) {
        let i = firstTrailingBit(rest);
        let found = hit_primitive(view.world, i, view.eye, direction);
        if (found.x < hit.distance) {
            hit.distance = found.x;
            hit.normal = found.yzw;
            hit.id = i + 2u;
        }
    }
    return hit;
}

// What the ray through the centre of pixel (x, y) meets.
fn segment(view: View, seen: u32, x: u32, y: u32) -> u32 {
    let direction = ray_through(view, f32(x) + 0.5, f32(y) + 0.5);
    let hit = trace(view, seen, direction);
    if (hit.id < 2u) { return hit.id; }
    return scenes[view.world].primitives[hit.id - 2u].segment & 255u;
}

#ifdef SEGMENTATION

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let words = params.width * params.height / 4u;
    let slot = destination[min(id.y, params.worlds - 1u)];
    // Compared as slots: as words, a far slot would wrap around to a near one.
    if (id.x >= words || id.y >= params.worlds || slot >= arrayLength(&frames) / words) { return; }
    let at = slot * words + id.x;
    let x = (id.x * 4u) % params.width;
    let y = (id.x * 4u) / params.width;
    let view = look(id.y);
    let seen = candidates(id.y, x, y).x;
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        word |= segment(view, seen, x + i, y) << (8u * i);
    }
    frames[at] = word;
}

#else

// What shading needs of a scene beside the view, read once.
struct Light {
    // Unit vector towards the light.
    direction: vec3<f32>,
    // All ones: it casts shadows; 0: it does not.
    shadows: u32,
    floor_first: vec3<f32>,
    // 1: the background covers the floor.
    floor_covered: u32,
    floor_second: vec3<f32>,
}

fn light_of(world: u32) -> Light {
    return Light(
        scenes[world].light,
        select(0u, ~0u, scenes[world].shadows == 1u),
        scenes[world].floor_first,
        scenes[world].floor_covered,
        scenes[world].floor_second,
    );
}

// Whether one of `casters` is between `origin` and the light.
fn in_shadow(world: u32, casters: u32, origin: vec3<f32>, light: vec3<f32>) -> bool {
    for (var rest = casters; rest != 0u; rest &= rest - 1u) {
        if (hit_primitive(world, firstTrailingBit(rest), origin, light).x < MISS) { return true; }
    }
    return false;
}

// Light from everywhere, from a lamp at the eye, from the light, and of its highlights.
const AMBIENT = 0.38;
const LAMP = 0.17;
const SUN = 0.55;
const SHINE = 0.45;
const SHARPNESS = 32.0; // Blinn's exponent
const DULLEST = 1e-4;   // keeps pow away from 0

// The colour of what `hit` found, lit by a lamp at the eye and by the light. `shade`: the
// primitives whose shadow may be on the floor here.
fn colour_of(view: View, light: Light, shade: u32, hit: Hit, direction: vec3<f32>) -> vec3<f32> {
    let point = view.eye + hit.distance * direction;
    var albedo = light.floor_first;
    var gloss = 0.0;
    var casters = shade;
    if (hit.id == 1u) {
        let field = floor(point.xy / view.ground.w);
        if (((i32(field.x) + i32(field.y)) & 1) == 1) { albedo = light.floor_second; }
    } else {
        let i = hit.id - 2u;
        albedo = scenes[view.world].primitives[i].colour;
        gloss = scenes[view.world].primitives[i].gloss;
        casters = scenes[view.world].shadowers[i];
    }
    let towards_eye = max(-dot(hit.normal, direction), 0.0);
    var lambert = max(dot(hit.normal, light.direction), 0.0);
    var highlight = 0.0;
    if (lambert > 0.0 && in_shadow(view.world, casters & light.shadows, point + LIFT * hit.normal, light.direction)) {
        lambert = 0.0;
    }
    if (lambert > 0.0 && gloss > 0.0) {
        let middle = normalize(light.direction - direction);
        highlight = gloss * pow(max(dot(hit.normal, middle), DULLEST), SHARPNESS);
    }
    return albedo * (AMBIENT + LAMP * towards_eye + SUN * lambert) + vec3<f32>(SHINE * highlight);
}

// One byte of a packed picture, as [0, 1].
fn picture_byte(index: u32) -> f32 {
    return f32((pictures[index / 4u] >> (8u * (index % 4u))) & 255u) / 255.0;
}

// The picture at `uv`, bilinear between pixel centres (align_corners false).
fn picture_colour(picture: u32, uv: vec2<f32>) -> vec3<f32> {
    let size = vec2<f32>(f32(params.picture_width), f32(params.picture_height));
    let last = size - 1.0;
    let p = clamp(uv * size - 0.5, vec2<f32>(0.0), last);
    let low = floor(p);
    let high = min(low + 1.0, last);
    let w = p - low;
    let plane = params.picture_width * params.picture_height;
    var colour = vec3<f32>(0.0);
    for (var c = 0u; c < 3u; c++) {
        let base = (min(picture, params.pictures - 1u) * 3u + c) * plane;
        let upper = base + u32(low.y) * params.picture_width;
        let lower = base + u32(high.y) * params.picture_width;
        colour[c] = mix(
            mix(picture_byte(upper + u32(low.x)), picture_byte(upper + u32(high.x)), w.x),
            mix(picture_byte(lower + u32(low.x)), picture_byte(lower + u32(high.x)), w.x),
            w.y,
        );
    }
    return colour;
}

// What is seen at `uv` where no thing is.
fn backdrop(world: u32, uv: vec2<f32>) -> vec3<f32> {
    switch (scenes[world].background) {
        case BACKGROUND_PROCEDURAL: {
            return background_colour(scenes[world].background_kind, scenes[world].background_seed, uv, scenes[world].time);
        }
        case BACKGROUND_PICTURE: {
            return picture_colour(scenes[world].picture, uv);
        }
        default: {
            return mix(scenes[world].sky_upper, scenes[world].sky_lower, uv.y);
        }
    }
}

// The colour of pixel (x, y), three bytes in one word: r, g, b from the lowest.
fn pixel(view: View, light: Light, found: vec2<u32>, x: u32, y: u32) -> u32 {
    var lit = vec3<f32>(0.0);
    var open = 0.0;
    for (var i = 0u; i < 4u; i++) {
        let dx = 0.25 + 0.5 * f32(i & 1u);
        let dy = 0.25 + 0.5 * f32(i >> 1u);
        let direction = ray_through(view, f32(x) + dx, f32(y) + dy);
        let hit = trace(view, found.x, direction);
        if (hit.id == 0u || (hit.id == 1u && light.floor_covered == 1u)) {
            open += 0.25;
        } else {
            lit += 0.25 * colour_of(view, light, found.y, hit, direction);
        }
    }
    // The backdrop is looked up once a pixel, at its centre.
    if (open > 0.0) {
        let uv = (vec2<f32>(f32(x), f32(y)) + 0.5) / vec2<f32>(f32(params.width), f32(params.height));
        lit += open * backdrop(view.world, uv);
    }
    let byte = vec3<u32>(clamp(lit, vec3<f32>(0.0), vec3<f32>(1.0)) * 255.0 + 0.5);
    return byte.x | (byte.y << 8u) | (byte.z << 16u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let words = params.width * params.height / 4u;
    let slot = destination[min(id.y, params.worlds - 1u)];
    // Compared as slots: as words, a far slot would wrap around to a near one.
    if (id.x >= words || id.y >= params.worlds || slot >= arrayLength(&frames) / (params.planes * words)) { return; }
    let at = slot * words * params.planes + id.x;
    let x = (id.x * 4u) % params.width;
    let y = (id.x * 4u) / params.width;
    let view = look(id.y);
    let light = light_of(id.y);
    let found = candidates(id.y, x, y);
    var red = 0u;
    var green = 0u;
    var blue = 0u;
    for (var i = 0u; i < 4u; i++) {
        let colour = pixel(view, light, found, x + i, y);
        red |= (colour & 255u) << (8u * i);
        green |= ((colour >> 8u) & 255u) << (8u * i);
        blue |= ((colour >> 16u) & 255u) << (8u * i);
    }
    frames[at] = red;
    frames[at + words] = green;
    frames[at + 2u * words] = blue;
    if (params.planes == 4u) {
        var salient = 0u;
        for (var i = 0u; i < 4u; i++) {
            salient |= select(0u, 255u, segment(view, found.x, x + i, y) >= SEGMENT_TASK) << (8u * i);
        }
        frames[at + 3u * words] = salient;
    }
}

#endif
