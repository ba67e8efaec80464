// Draws `worlds` scenes at once by casting rays: a checkered floor, spheres,
// capsules, boxes and cylinders under one light with hard shadows, before a sky
// or a moving background.
//
// Permutations: `color` writes 8-bit RGB (2x2 rays a pixel) and, where frames have a
// fourth plane, saliency: 255 on what the task is about, 0 elsewhere; `segmentation`
// (SEGMENTATION) writes the id of what the ray through the pixel's centre
// meets: 0 background, 1 floor, 2 and up the segments of the primitives.
//
// Tile: one invocation makes four neighbouring pixels of a row, that is, one
// word of each plane. Dispatch: (ceil(width * height / 4 / 64), worlds, 1).
//
// Method: Whitted (An Improved Illumination Model for Shaded Display, 1980)
// without reflections; highlights after Blinn (1977).

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

// What a ray meets. id: 0 nothing, 1 the floor, 2 + i the i-th primitive.
struct Hit {
    distance: f32,
    normal: vec3<f32>,
    id: u32,
}

// The direction, [3] unit, through (x, y) in pixels, y down.
fn ray_through(world: u32, x: f32, y: f32) -> vec3<f32> {
    let height = f32(params.height);
    let across = (2.0 * x - f32(params.width)) / height;
    let upward = (height - 2.0 * y) / height;
    return normalize(scenes[world].focal * scenes[world].forward + across * scenes[world].right + upward * scenes[world].up);
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

fn trace(world: u32, origin: vec3<f32>, direction: vec3<f32>) -> Hit {
    var hit = Hit(MISS, vec3<f32>(0.0, 0.0, 1.0), 0u);
    let ground = scenes[world].ground;
    let t = (ground.x - origin.z) * reciprocal(direction.z);
    let p = origin.xy + t * direction.xy;
    if (t > NEAR && t < MISS && abs(p.x) <= ground.y && abs(p.y) <= ground.z) {
        hit.distance = t;
        hit.id = 1u;
    }
    let count = min(scenes[world].primitives_count, MAX_PRIMITIVES);
    for (var i = 0u; i < count; i++) {
        let found = hit_primitive(world, i, origin, direction);
        if (found.x < hit.distance) {
            hit.distance = found.x;
            hit.normal = found.yzw;
            hit.id = i + 2u;
        }
    }
    return hit;
}

// What the ray through the centre of pixel (x, y) meets.
fn segment(world: u32, x: u32, y: u32) -> u32 {
    let direction = ray_through(world, f32(x) + 0.5, f32(y) + 0.5);
    let hit = trace(world, scenes[world].eye, direction);
    if (hit.id < 2u) { return hit.id; }
    return scenes[world].primitives[hit.id - 2u].segment & 255u;
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
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        word |= segment(id.y, x + i, y) << (8u * i);
    }
    frames[at] = word;
}

#else

fn in_shadow(world: u32, origin: vec3<f32>) -> bool {
    if (scenes[world].shadows == 0u) { return false; }
    let count = min(scenes[world].primitives_count, MAX_PRIMITIVES);
    for (var i = 0u; i < count; i++) {
        if (hit_primitive(world, i, origin, scenes[world].light).x < MISS) { return true; }
    }
    return false;
}

// The colour of what `hit` found, lit by a lamp at the eye and by the light.
fn shade(world: u32, hit: Hit, direction: vec3<f32>) -> vec3<f32> {
    let point = scenes[world].eye + hit.distance * direction;
    var albedo = scenes[world].floor_first;
    var gloss = 0.0;
    if (hit.id == 1u) {
        let field = floor(point.xy / scenes[world].ground.w);
        if (((i32(field.x) + i32(field.y)) & 1) == 1) { albedo = scenes[world].floor_second; }
    } else {
        albedo = scenes[world].primitives[hit.id - 2u].colour;
        gloss = scenes[world].primitives[hit.id - 2u].gloss;
    }
    let light = scenes[world].light;
    let towards_eye = max(-dot(hit.normal, direction), 0.0);
    var lambert = max(dot(hit.normal, light), 0.0);
    var highlight = 0.0;
    if (lambert > 0.0 && in_shadow(world, point + 2e-3 * hit.normal)) { lambert = 0.0; }
    if (lambert > 0.0 && gloss > 0.0) {
        let middle = normalize(light - direction);
        highlight = gloss * pow(max(dot(hit.normal, middle), 1e-4), 32.0);
    }
    return albedo * (0.38 + 0.17 * towards_eye + 0.55 * lambert) + vec3<f32>(0.45 * highlight);
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
fn pixel(world: u32, x: u32, y: u32) -> u32 {
    var lit = vec3<f32>(0.0);
    var open = 0.0;
    for (var i = 0u; i < 4u; i++) {
        let dx = 0.25 + 0.5 * f32(i & 1u);
        let dy = 0.25 + 0.5 * f32(i >> 1u);
        let direction = ray_through(world, f32(x) + dx, f32(y) + dy);
        let hit = trace(world, scenes[world].eye, direction);
        if (hit.id == 0u || (hit.id == 1u && scenes[world].floor_covered == 1u)) {
            open += 0.25;
        } else {
            lit += 0.25 * shade(world, hit, direction);
        }
    }
    // The backdrop is looked up once a pixel, at its centre.
    if (open > 0.0) {
        let uv = (vec2<f32>(f32(x), f32(y)) + 0.5) / vec2<f32>(f32(params.width), f32(params.height));
        lit += open * backdrop(world, uv);
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
    var red = 0u;
    var green = 0u;
    var blue = 0u;
    for (var i = 0u; i < 4u; i++) {
        let colour = pixel(id.y, x + i, y);
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
            salient |= select(0u, 255u, segment(id.y, x + i, y) >= SEGMENT_TASK) << (8u * i);
        }
        frames[at + 3u * words] = salient;
    }
}

#endif
