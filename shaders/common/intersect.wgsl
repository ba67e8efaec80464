// Where a ray meets a sphere, a capsule, a box or a cylinder, each about the
// origin of its own frame with its axis along z. Each function returns the
// distance along the ray and, in yzw, the outward unit normal there; the
// distance is MISS where the ray does not enter the shape in front of its origin,
// which must lie outside.
//
// Method: the quadratics of the implicit surfaces (A. Glassner, ed., An
// Introduction to Ray Tracing, 1989) and the slab test (T. Kay, J. Kajiya, Ray
// Tracing Complex Scenes, 1986). No inf and no NaN is formed on the way.
//
// o: [3] origin, d: [3] unit direction, both in the shape's frame.

const MISS = 1e9;
const NEAR = 1e-4;
const SMALLEST_DIVISOR = 1e-7;
// Squared sine of a ray's angle to the axis below which it runs along it.
const PARALLEL = 1e-9;

fn miss() -> vec4<f32> {
    return vec4<f32>(MISS, 0.0, 0.0, 1.0);
}

// Turns `v` by the unit quaternion `q`.
fn rotate(q: vec4<f32>, v: vec3<f32>) -> vec3<f32> {
    let t = 2.0 * cross(q.xyz, v);
    return v + q.w * t + cross(q.xyz, t);
}

// 1 / x, finite for every finite x.
fn reciprocal(x: f32) -> f32 {
    return 1.0 / select(x, select(-SMALLEST_DIVISOR, SMALLEST_DIVISOR, x >= 0.0), abs(x) < SMALLEST_DIVISOR);
}

fn hit_sphere(o: vec3<f32>, d: vec3<f32>, radius: f32) -> vec4<f32> {
    let b = dot(o, d);
    // The perpendicular from the centre, rather than |o|^2 - r^2: no cancellation
    // for a small sphere seen from afar.
    let foot = o - b * d;
    let h = radius * radius - dot(foot, foot);
    if (h < 0.0) { return miss(); }
    let t = -b - sqrt(h);
    if (t < NEAR) { return miss(); }
    return vec4<f32>(t, (o + t * d) / radius);
}

fn hit_capsule(o: vec3<f32>, d: vec3<f32>, radius: f32, half_length: f32) -> vec4<f32> {
    var best = miss();
    let a = dot(d.xy, d.xy);
    if (a > PARALLEL) {
        let b = dot(o.xy, d.xy);
        let foot = o.xy - (b / a) * d.xy;
        let h = radius * radius - dot(foot, foot);
        // The ray passes outside the infinite cylinder, which holds the caps.
        if (h < 0.0) { return best; }
        let t = -b / a - sqrt(h / a);
        let p = o + t * d;
        if (t > NEAR && abs(p.z) <= half_length) {
            best = vec4<f32>(t, p.xy / radius, 0.0);
        }
    }
    // The balls at the ends lie within the capsule, so the nearest meeting is its surface.
    for (var i = 0u; i < 2u; i++) {
        let centre = vec3<f32>(0.0, 0.0, select(-half_length, half_length, i == 1u));
        let cap = hit_sphere(o - centre, d, radius);
        if (cap.x < best.x) { best = cap; }
    }
    return best;
}

fn hit_box(o: vec3<f32>, d: vec3<f32>, half: vec3<f32>) -> vec4<f32> {
    let inverse = vec3<f32>(reciprocal(d.x), reciprocal(d.y), reciprocal(d.z));
    let middle = -o * inverse;
    let reach = half * abs(inverse);
    let enter = middle - reach;
    let leave = middle + reach;
    let t = max(max(enter.x, enter.y), enter.z);
    if (t < NEAR || t > min(min(leave.x, leave.y), leave.z)) { return miss(); }
    var normal = vec3<f32>(0.0, 0.0, select(1.0, -1.0, d.z > 0.0));
    if (t == enter.x) {
        normal = vec3<f32>(select(1.0, -1.0, d.x > 0.0), 0.0, 0.0);
    } else if (t == enter.y) {
        normal = vec3<f32>(0.0, select(1.0, -1.0, d.y > 0.0), 0.0);
    }
    return vec4<f32>(t, normal);
}

fn hit_cylinder(o: vec3<f32>, d: vec3<f32>, radius: f32, half_length: f32) -> vec4<f32> {
    var best = miss();
    let a = dot(d.xy, d.xy);
    if (a > PARALLEL) {
        let b = dot(o.xy, d.xy);
        let foot = o.xy - (b / a) * d.xy;
        let h = radius * radius - dot(foot, foot);
        if (h < 0.0) { return best; }
        let t = -b / a - sqrt(h / a);
        let p = o + t * d;
        if (t > NEAR && abs(p.z) <= half_length) {
            best = vec4<f32>(t, p.xy / radius, 0.0);
        }
    }
    // The one end that faces the ray.
    let side = select(1.0, -1.0, d.z > 0.0);
    let t = (side * half_length - o.z) * reciprocal(d.z);
    let p = o.xy + t * d.xy;
    if (t > NEAR && t < best.x && dot(p, p) <= radius * radius) {
        best = vec4<f32>(t, 0.0, 0.0, side);
    }
    return best;
}
