//! What there is to see of arm, drawer and cabinet.

use super::super::palette::Palette;
use super::super::planar::Mechanism;
use super::super::planar::vector::V2;
use super::super::scene::{Primitive, SEGMENT_FLOOR, SEGMENT_TASK, Shape, UPRIGHT, rod};
use super::{CABINET, DRAWER, DrawerState, PANEL, SHOULDER, STALK};

const TIP_COLOUR: [f32; 3] = [0.85, 0.36, 0.13];
const DRAWER_COLOUR: [f32; 3] = [0.15, 0.65, 0.35];
const HANDLE_COLOUR: [f32; 3] = [0.8, 0.8, 0.3];
const CABINET_COLOUR: [f32; 3] = [0.42, 0.4, 0.45];

/// The capsules that touch, with boxes for the drawer and the cabinet that they bound.
pub(super) fn primitives(
    placed: &Mechanism<3>,
    state: &DrawerState,
    palette: &Palette,
) -> Vec<Primitive> {
    let pose = placed.tree.pose(&state.position);
    let [arm, drawer] = [SEGMENT_TASK, SEGMENT_TASK + 1];
    let looks = [
        (palette.body, arm),
        (palette.body, arm),
        (TIP_COLOUR, arm),
        (HANDLE_COLOUR, drawer),
        (HANDLE_COLOUR, drawer),
    ];
    let parts = (placed.capsules.iter().zip(looks)).map(|(capsule, (colour, segment))| {
        let ends = capsule.ends.map(|end| pose.point(capsule.link, end));
        rod(ends, 0.0, capsule.radius, colour, segment)
    });
    let cuboid = |low: V2, high: V2, depth: f32, colour, segment| Primitive {
        shape: Shape::Box {
            half: [
                (0.5 * (high[0] - low[0])) as f32,
                depth,
                (0.5 * (high[1] - low[1])) as f32,
            ],
        },
        position: [
            (0.5 * (high[0] + low[0])) as f32,
            0.0,
            (0.5 * (high[1] + low[1])) as f32,
        ],
        rotation: UPRIGHT,
        colour,
        gloss: 0.0,
        segment,
    };
    let (bar, closed) = (state.bar(), state.handle);
    let front = bar[0] + STALK;
    let case = closed[0] + STALK + 2.0 * PANEL;
    let boxes = [
        cuboid(
            [front, bar[1] - DRAWER[1]],
            [front + 2.0 * PANEL, bar[1] + DRAWER[1]],
            0.1,
            DRAWER_COLOUR,
            drawer,
        ),
        cuboid(
            [front + 2.0 * PANEL, bar[1] - DRAWER[1] + PANEL],
            [front + 2.0 * DRAWER[0], bar[1] + DRAWER[1] - PANEL],
            0.08,
            DRAWER_COLOUR,
            drawer,
        ),
        cuboid(
            [case, 0.0],
            [case + 2.0 * CABINET[0], closed[1] + CABINET[1]],
            0.11,
            CABINET_COLOUR,
            SEGMENT_FLOOR,
        ),
    ];
    let foot = [SHOULDER[0], 0.0];
    let post = rod([foot, SHOULDER], 0.08, 0.02, CABINET_COLOUR, SEGMENT_FLOOR);
    parts.chain(boxes).chain([post]).collect()
}
