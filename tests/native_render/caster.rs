//! The CPU twin of `shaders/raycast/raycast.wgsl` (with `common/intersect.wgsl`):
//! the same steps in the same float32 arithmetic, from the same `SceneData`.

use foveate::envs::native::background::{BackgroundKind, background_colour};
use foveate::envs::native::scene::{PrimitiveData, SceneData};

type V = [f32; 3];

const MISS: f32 = 1e9;
const NEAR: f32 = 1e-4;

/// [pictures, 3, height, width] u8.
pub struct Bank<'a> {
    pub width: usize,
    pub height: usize,
    pub bytes: &'a [u8],
}

fn add(a: V, b: V) -> V {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn sub(a: V, b: V) -> V {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn scale(a: V, s: f32) -> V {
    a.map(|x| x * s)
}

fn dot(a: V, b: V) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: V, b: V) -> V {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn unit(a: V) -> V {
    scale(a, 1.0 / dot(a, a).sqrt())
}

fn rotate([x, y, z, w]: [f32; 4], v: V) -> V {
    let q = [x, y, z];
    let t = scale(cross(q, v), 2.0);
    add(add(v, scale(t, w)), cross(q, t))
}

fn reciprocal(x: f32) -> f32 {
    let tiny = if x >= 0.0 { 1e-7 } else { -1e-7 };
    1.0 / if x.abs() < 1e-7 { tiny } else { x }
}

/// Distance and outward normal.
type Meeting = Option<(f32, V)>;

fn sphere(o: V, d: V, radius: f32) -> Meeting {
    let b = dot(o, d);
    let foot = sub(o, scale(d, b));
    let h = radius * radius - dot(foot, foot);
    if h < 0.0 {
        return None;
    }
    let t = -b - h.sqrt();
    (t >= NEAR).then(|| (t, scale(add(o, scale(d, t)), 1.0 / radius)))
}

/// The infinite cylinder's wall: `Err` where the ray passes outside it.
fn wall(o: V, d: V, radius: f32, half: f32) -> Result<Meeting, ()> {
    let a = d[0] * d[0] + d[1] * d[1];
    if a <= 1e-9 {
        return Ok(None);
    }
    let b = o[0] * d[0] + o[1] * d[1];
    let foot = [o[0] - b / a * d[0], o[1] - b / a * d[1]];
    let h = radius * radius - (foot[0] * foot[0] + foot[1] * foot[1]);
    if h < 0.0 {
        return Err(());
    }
    let t = -b / a - (h / a).sqrt();
    let p = add(o, scale(d, t));
    let there = t > NEAR && p[2].abs() <= half;
    Ok(there.then(|| (t, [p[0] / radius, p[1] / radius, 0.0])))
}

fn capsule(o: V, d: V, radius: f32, half: f32) -> Meeting {
    let mut best = wall(o, d, radius, half).ok()?;
    for end in [-half, half] {
        if let Some(cap) = sphere(sub(o, [0.0, 0.0, end]), d, radius)
            && cap.0 < best.map_or(MISS, |b| b.0)
        {
            best = Some(cap);
        }
    }
    best
}

fn cylinder(o: V, d: V, radius: f32, half: f32) -> Meeting {
    let best = wall(o, d, radius, half).ok()?;
    let side = if d[2] > 0.0 { -1.0 } else { 1.0 };
    let t = (side * half - o[2]) * reciprocal(d[2]);
    let p = add(o, scale(d, t));
    let inside = p[0] * p[0] + p[1] * p[1] <= radius * radius;
    if t > NEAR && t < best.map_or(MISS, |b| b.0) && inside {
        return Some((t, [0.0, 0.0, side]));
    }
    best
}

fn cuboid(o: V, d: V, half: V) -> Meeting {
    let inverse = d.map(reciprocal);
    let middle: V = std::array::from_fn(|i| -o[i] * inverse[i]);
    let reach: V = std::array::from_fn(|i| half[i] * inverse[i].abs());
    let enter = sub(middle, reach);
    let leave = add(middle, reach);
    let t = enter[0].max(enter[1]).max(enter[2]);
    if t < NEAR || t > leave[0].min(leave[1]).min(leave[2]) {
        return None;
    }
    let axis = (0..3).find(|&i| t == enter[i])?;
    let mut normal = [0.0; 3];
    normal[axis] = if d[axis] > 0.0 { -1.0 } else { 1.0 };
    Some((t, normal))
}

fn primitive(p: &PrimitiveData, origin: V, direction: V) -> Meeting {
    let [x, y, z, w] = p.rotation;
    let inverse = [-x, -y, -z, w];
    let o = rotate(inverse, sub(origin, p.position));
    let d = rotate(inverse, direction);
    let met = match p.kind {
        0 => sphere(o, d, p.size[0]),
        1 => capsule(o, d, p.size[0], p.size[1]),
        2 => cuboid(o, d, p.size),
        3 => cylinder(o, d, p.size[0], p.size[1]),
        kind => panic!("no primitive has kind {kind}"),
    };
    met.map(|(t, normal)| (t, rotate(p.rotation, normal)))
}

/// What a ray meets.
#[derive(Clone, Copy)]
enum Hit {
    Nothing,
    Floor(f32),
    Thing(usize, f32, V),
}

fn things(scene: &SceneData) -> &[PrimitiveData] {
    &scene.primitives[..scene.primitives_count as usize]
}

fn trace(scene: &SceneData, origin: V, direction: V) -> Hit {
    let [height, half_x, half_y, _] = scene.ground;
    let mut hit = Hit::Nothing;
    let mut nearest = MISS;
    let t = (height - origin[2]) * reciprocal(direction[2]);
    let p = add(origin, scale(direction, t));
    if t > NEAR && t < MISS && p[0].abs() <= half_x && p[1].abs() <= half_y {
        hit = Hit::Floor(t);
        nearest = t;
    }
    for (i, thing) in things(scene).iter().enumerate() {
        if let Some((t, normal)) = primitive(thing, origin, direction)
            && t < nearest
        {
            hit = Hit::Thing(i, t, normal);
            nearest = t;
        }
    }
    hit
}

fn ray(scene: &SceneData, size: usize, x: f32, y: f32) -> V {
    let size = size as f32;
    let across = (2.0 * x - size) / size;
    let upward = (size - 2.0 * y) / size;
    unit(add(
        add(
            scale(scene.forward, scene.focal),
            scale(scene.right, across),
        ),
        scale(scene.up, upward),
    ))
}

fn shade(scene: &SceneData, hit: Hit, direction: V) -> V {
    let (t, normal, albedo, gloss) = match hit {
        Hit::Nothing => return [0.0; 3],
        Hit::Floor(t) => {
            let p = add(scene.eye, scale(direction, t));
            let field = |v: f32| (v / scene.ground[3]).floor() as i32;
            let odd = (field(p[0]) + field(p[1])) & 1 == 1;
            let albedo = [scene.floor_first, scene.floor_second][usize::from(odd)];
            (t, [0.0, 0.0, 1.0], albedo, 0.0)
        }
        Hit::Thing(i, t, normal) => {
            let thing = &scene.primitives[i];
            (t, normal, thing.colour, thing.gloss)
        }
    };
    let point = add(scene.eye, scale(direction, t));
    let towards_eye = (-dot(normal, direction)).max(0.0);
    let mut lambert = dot(normal, scene.light).max(0.0);
    let lifted = add(point, scale(normal, 2e-3));
    let shadowed = scene.shadows == 1
        && (things(scene).iter()).any(|thing| primitive(thing, lifted, scene.light).is_some());
    if shadowed {
        lambert = 0.0;
    }
    let highlight = if lambert > 0.0 && gloss > 0.0 {
        let middle = unit(sub(scene.light, direction));
        gloss * dot(normal, middle).max(1e-4).powf(32.0)
    } else {
        0.0
    };
    let light = 0.38 + 0.17 * towards_eye + 0.55 * lambert;
    albedo.map(|c| c * light + 0.45 * highlight)
}

fn picture(bank: &Bank, index: usize, [u, v]: [f32; 2]) -> V {
    let axis = |at: f32, size: usize| {
        let p = (at * size as f32 - 0.5).clamp(0.0, size as f32 - 1.0);
        let low = p.floor();
        let high = (low + 1.0).min(size as f32 - 1.0);
        (low as usize, high as usize, p - low)
    };
    let (x0, x1, wx) = axis(u, bank.width);
    let (y0, y1, wy) = axis(v, bank.height);
    std::array::from_fn(|c| {
        let at = |x, y| {
            let i = ((index * 3 + c) * bank.height + y) * bank.width + x;
            f32::from(bank.bytes[i]) / 255.0
        };
        let upper = at(x0, y0) * (1.0 - wx) + at(x1, y0) * wx;
        let lower = at(x0, y1) * (1.0 - wx) + at(x1, y1) * wx;
        upper * (1.0 - wy) + lower * wy
    })
}

fn backdrop(scene: &SceneData, bank: Option<&Bank>, uv: [f32; 2]) -> V {
    match scene.background {
        0 => {
            std::array::from_fn(|i| scene.sky_upper[i] * (1.0 - uv[1]) + scene.sky_lower[i] * uv[1])
        }
        1 => {
            let kind = BackgroundKind::ALL[scene.background_kind as usize];
            background_colour(kind, scene.background_seed, uv, scene.time)
        }
        2 => picture(
            bank.expect("a scene with a picture is drawn with a bank"),
            scene.picture as usize,
            uv,
        ),
        background => panic!("no background is {background}"),
    }
}

/// The scene as [3, size, size] u8.
pub fn colour(scene: &SceneData, size: usize, bank: Option<&Bank>) -> Vec<u8> {
    let mut frame = vec![0; 3 * size * size];
    for y in 0..size {
        for x in 0..size {
            let (fx, fy) = (x as f32, y as f32);
            let mut lit = [0.0; 3];
            let mut open = 0.0;
            for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                let direction = ray(scene, size, fx + dx, fy + dy);
                match trace(scene, scene.eye, direction) {
                    Hit::Nothing => open += 0.25,
                    Hit::Floor(_) if scene.floor_covered == 1 => open += 0.25,
                    hit => lit = add(lit, scale(shade(scene, hit, direction), 0.25)),
                }
            }
            if open > 0.0 {
                let uv = [(fx + 0.5) / size as f32, (fy + 0.5) / size as f32];
                lit = add(lit, scale(backdrop(scene, bank, uv), open));
            }
            for c in 0..3 {
                frame[(c * size + y) * size + x] = (lit[c].clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
            }
        }
    }
    frame
}

/// What each pixel's centre shows: [size, size] u8.
pub fn segmentation(scene: &SceneData, size: usize) -> Vec<u8> {
    (0..size * size)
        .map(|i| {
            let (x, y) = ((i % size) as f32 + 0.5, (i / size) as f32 + 0.5);
            match trace(scene, scene.eye, ray(scene, size, x, y)) {
                Hit::Nothing => 0,
                Hit::Floor(_) => 1,
                Hit::Thing(i, ..) => scene.primitives[i].segment as u8,
            }
        })
        .collect()
}
