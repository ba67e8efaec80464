//! What there is to see in a world at one moment, and its layout for the shaders.
//!
//! World coordinates are metres, x to the right, y away from the viewer, z up.

use bytemuck::{Pod, Zeroable};

use super::background::{BackgroundKind, Colour};
use super::bounds;

/// The most primitives that a scene can hold.
pub const MAX_PRIMITIVES: usize = 16;

/// Segmentation: where nothing is, the sky or the moving background.
pub const SEGMENT_BACKGROUND: u8 = 0;
/// Segmentation: the floor, also where a mode covers it, and other scenery.
pub const SEGMENT_FLOOR: u8 = 1;
/// Segmentation: the first id that a task gives to what matters in it.
pub const SEGMENT_TASK: u8 = 2;

/// A shape about its own centre; an axis is along its own z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Sphere { radius: f32 },
    Capsule { radius: f32, half_length: f32 },
    Box { half: [f32; 3] },
    Cylinder { radius: f32, half_length: f32 },
}

/// One thing in a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Primitive {
    pub shape: Shape,
    pub position: [f32; 3],
    /// Unit quaternion (x, y, z, w): own frame → world.
    pub rotation: [f32; 4],
    pub colour: Colour,
    /// Strength of the highlight, 0 to 1.
    pub gloss: f32,
    /// What the segmentation says where this is seen, 1 or more.
    pub segment: u8,
}

/// The rotation that changes nothing.
pub const UPRIGHT: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

/// The quaternion of a turn by `angle` (radians, right-handed) about unit `axis`.
pub fn turn(axis: [f32; 3], angle: f32) -> [f32; 4] {
    let (s, c) = (0.5 * angle).sin_cos();
    [axis[0] * s, axis[1] * s, axis[2] * s, c]
}

/// A capsule between two points of the upright plane at `y`, given as x and z.
pub(super) fn rod(
    ends: [[f64; 2]; 2],
    y: f32,
    radius: f64,
    colour: Colour,
    segment: u8,
) -> Primitive {
    let [[x, z], [far_x, far_z]] = ends.map(|end| end.map(|c| c as f32));
    let (across, up) = (far_x - x, far_z - z);
    Primitive {
        shape: Shape::Capsule {
            radius: radius as f32,
            half_length: 0.5 * across.hypot(up),
        },
        position: [0.5 * (x + far_x), y, 0.5 * (z + far_z)],
        rotation: turn([0.0, 1.0, 0.0], across.atan2(up)),
        colour,
        gloss: 0.3,
        segment,
    }
}

/// Where the picture is taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    pub eye: [f32; 3],
    /// Unit and at right angles: the picture's right, its up, and into it.
    pub right: [f32; 3],
    pub up: [f32; 3],
    pub forward: [f32; 3],
    /// 1 / tan(vertical field of view / 2).
    pub focal: f32,
}

impl Camera {
    /// From `eye` towards `target` (neither straight up nor down), z upwards,
    /// with a vertical field of view in degrees.
    pub fn look_at(eye: [f32; 3], target: [f32; 3], view_degrees: f32) -> Camera {
        let forward = normalised([0, 1, 2].map(|i| target[i] - eye[i]));
        let right = normalised([forward[1], -forward[0], 0.0]);
        Camera {
            eye,
            right,
            up: cross(right, forward),
            forward,
            focal: 1.0 / (0.5 * view_degrees.to_radians()).tan(),
        }
    }
}

/// The floor: a level checkered rectangle centred above or below the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    pub height: f32,
    /// Half extents along x and y.
    pub half: [f32; 2],
    /// Side of one field of the checkers, more than 0.
    pub field: f32,
    pub colours: [Colour; 2],
}

/// What is seen where no thing is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Backdrop {
    /// A gradient: the sky's colour below, darker above.
    Sky(Colour),
    /// A procedural moving picture.
    Procedural { kind: BackgroundKind, seed: u32 },
    /// A picture of the bank that is given to the renderer.
    Picture(u32),
}

/// What there is to see in one world at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub camera: Camera,
    /// Unit vector towards the light.
    pub light: [f32; 3],
    pub shadows: bool,
    pub ground: Ground,
    pub backdrop: Backdrop,
    /// Whether the backdrop covers the floor too.
    pub floor_covered: bool,
    /// The moment of the moving backdrop, in agent steps.
    pub time: f32,
    /// At most [`MAX_PRIMITIVES`].
    pub primitives: Vec<Primitive>,
}

impl Scene {
    /// The scene as the ray caster reads it (`shaders/common/scene.wgsl`).
    ///
    /// # Panics
    /// If there are more than [`MAX_PRIMITIVES`] primitives.
    pub fn data(&self) -> SceneData {
        assert!(
            self.primitives.len() <= MAX_PRIMITIVES,
            "a scene holds at most {MAX_PRIMITIVES} primitives, not {}",
            self.primitives.len()
        );
        let mut data = SceneData {
            eye: self.camera.eye,
            focal: self.camera.focal,
            right: self.camera.right,
            primitives_count: self.primitives.len() as u32,
            up: self.camera.up,
            shadows: self.shadows.into(),
            forward: self.camera.forward,
            light: self.light,
            floor_covered: self.floor_covered.into(),
            ground: [
                self.ground.height,
                self.ground.half[0],
                self.ground.half[1],
                self.ground.field,
            ],
            floor_first: self.ground.colours[0],
            floor_second: self.ground.colours[1],
            time: self.time,
            ..SceneData::zeroed()
        };
        match self.backdrop {
            Backdrop::Sky(colour) => {
                data.background = 0;
                data.sky_upper = colour.map(|c| 0.45 * c);
                data.sky_lower = colour;
            }
            Backdrop::Procedural { kind, seed } => {
                data.background = 1;
                data.background_kind = kind as u32;
                data.background_seed = seed;
            }
            Backdrop::Picture(index) => {
                data.background = SceneData::PICTURE;
                data.picture = index;
            }
        }
        for (to, from) in data.primitives.iter_mut().zip(&self.primitives) {
            *to = PrimitiveData {
                seen: bounds::seen(&self.camera, from),
                shade: bounds::shade(&self.camera, self.light, &self.ground, from),
                ..from.data()
            };
        }
        data.shadowers = bounds::shadowers(self.light, &self.primitives);
        data
    }
}

impl Primitive {
    fn data(&self) -> PrimitiveData {
        let (kind, size) = match self.shape {
            Shape::Sphere { radius } => (0, [radius, 0.0, 0.0]),
            Shape::Capsule {
                radius,
                half_length,
            } => (1, [radius, half_length, 0.0]),
            Shape::Box { half } => (2, half),
            Shape::Cylinder {
                radius,
                half_length,
            } => (3, [radius, half_length, 0.0]),
        };
        PrimitiveData {
            position: self.position,
            kind,
            rotation: self.rotation,
            size,
            segment: self.segment.into(),
            colour: self.colour,
            gloss: self.gloss,
            ..PrimitiveData::zeroed()
        }
    }
}

/// `Primitive` of `shaders/common/scene.wgsl`, 96 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct PrimitiveData {
    pub position: [f32; 3],
    pub kind: u32,
    pub rotation: [f32; 4],
    pub size: [f32; 3],
    pub segment: u32,
    pub colour: [f32; 3],
    pub gloss: f32,
    pub seen: [f32; 4],
    pub shade: [f32; 4],
}

/// `Scene` of `shaders/common/scene.wgsl`, 1,760 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct SceneData {
    pub eye: [f32; 3],
    pub focal: f32,
    pub right: [f32; 3],
    pub primitives_count: u32,
    pub up: [f32; 3],
    pub shadows: u32,
    pub forward: [f32; 3],
    pub background: u32,
    pub light: [f32; 3],
    pub floor_covered: u32,
    pub ground: [f32; 4],
    pub floor_first: [f32; 3],
    pub background_kind: u32,
    pub floor_second: [f32; 3],
    pub background_seed: u32,
    pub sky_upper: [f32; 3],
    pub time: f32,
    pub sky_lower: [f32; 3],
    pub picture: u32,
    pub shadowers: [u32; MAX_PRIMITIVES],
    pub primitives: [PrimitiveData; MAX_PRIMITIVES],
}

impl SceneData {
    /// The value of `background` where a picture of the bank is shown.
    pub(super) const PICTURE: u32 = 2;
}

pub(super) fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// `v` at length 1; `v` must not be zero.
pub(super) fn normalised(v: [f32; 3]) -> [f32; 3] {
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    v.map(|x| x / length)
}
