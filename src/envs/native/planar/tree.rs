//! Trees of links in a plane, in reduced coordinates: where they are, their mass
//! matrix, and the forces that motion and gravity make.
//!
//! Angles are in radians, positive from right to up. Method: the mass matrix is
//! Σ Jᵀ m J over the bodies, the velocity-product forces come from the accelerations
//! that the bodies have while no joint accelerates (R. Featherstone, Rigid Body
//! Dynamics Algorithms, 2008).

use super::contact::Capsule;
use super::vector::{V2, add, dot, left, length, scale, sub, turned};

/// Kilogrammes per cubic metre of every body.
const DENSITY: f64 = 1000.0;

/// How a link moves against its parent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Joint {
    /// Along a unit vector of the parent's frame.
    Slide(V2),
    /// About the link's own origin.
    Hinge,
}

/// The mass that moves with a link.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Body {
    pub mass: f64,
    /// The centre of mass in the link's frame.
    pub centre: V2,
    /// The moment of inertia about the centre of mass.
    pub inertia: f64,
}

impl Body {
    /// Solid capsules of the density of water, all in the frame of one link. Where
    /// they overlap the mass counts twice.
    pub fn of(capsules: &[Capsule]) -> Body {
        use std::f64::consts::PI;
        let mut body = Body::default();
        for capsule in capsules {
            let (r, [a, b]) = (capsule.radius, capsule.ends);
            let h = 0.5 * length(sub(b, a));
            let straight = DENSITY * PI * r * r * 2.0 * h;
            let caps = DENSITY * 4.0 / 3.0 * PI * r * r * r;
            let own = straight * (h * h / 3.0 + r * r / 4.0)
                + caps * (2.0 * r * r / 5.0 + h * h + 3.0 * h * r / 4.0);
            body = body.with(Body {
                mass: straight + caps,
                centre: scale(add(a, b), 0.5),
                inertia: own,
            });
        }
        body
    }

    /// Both as one.
    fn with(self, other: Body) -> Body {
        let mass = self.mass + other.mass;
        let centre = scale(
            add(
                scale(self.centre, self.mass),
                scale(other.centre, other.mass),
            ),
            1.0 / mass,
        );
        let about = |b: Body| {
            let arm = sub(b.centre, centre);
            b.inertia + b.mass * dot(arm, arm)
        };
        Body {
            mass,
            centre,
            inertia: about(self) + about(other),
        }
    }
}

/// A joint, and the body that it moves. Units are metres, radians, kilogrammes, newtons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Comes before the link itself; none: the world.
    pub parent: Option<usize>,
    /// Where the link's origin is in the parent's frame at coordinate 0.
    pub anchor: V2,
    pub joint: Joint,
    pub body: Body,
    /// Force against the joint's velocity, per unit of it.
    pub damping: f64,
    /// Force towards coordinate 0, per unit of it.
    pub stiffness: f64,
    /// Inertia of the joint's drive.
    pub armature: f64,
    /// The most that dry friction in the joint holds.
    pub friction: f64,
    /// The coordinate's range.
    pub limits: Option<[f64; 2]>,
}

impl Link {
    /// A joint of the world without mass, resistance or limits.
    pub const FREE: Link = Link {
        parent: None,
        anchor: [0.0; 2],
        joint: Joint::Hinge,
        body: Body {
            mass: 0.0,
            centre: [0.0; 2],
            inertia: 0.0,
        },
        damping: 0.0,
        stiffness: 0.0,
        armature: 0.0,
        friction: 0.0,
        limits: None,
    };
}

/// Links with one coordinate each.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree<const N: usize> {
    pub links: [Link; N],
    /// Downwards, metres per second squared.
    pub gravity: f64,
}

/// Where the links of a tree are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose<const N: usize> {
    pub origin: [V2; N],
    pub angle: [f64; N],
    /// (cosine, sine) of each angle.
    turn: [V2; N],
}

impl<const N: usize> Pose<N> {
    /// Where the point `at` of the frame of `link` is in the world.
    pub fn point(&self, link: Option<usize>, at: V2) -> V2 {
        match link {
            Some(i) => add(self.origin[i], turned(at, self.turn[i])),
            None => at,
        }
    }
}

impl<const N: usize> Tree<N> {
    /// Where everything is at the coordinates `q`.
    pub fn pose(&self, q: &[f64; N]) -> Pose<N> {
        let mut pose = Pose {
            origin: [[0.0; 2]; N],
            angle: [0.0; N],
            turn: [[1.0, 0.0]; N],
        };
        for (i, link) in self.links.iter().enumerate() {
            let parent = link.parent.map_or(0.0, |p| pose.angle[p]);
            let at = match link.joint {
                Joint::Slide(axis) => add(link.anchor, scale(axis, q[i])),
                Joint::Hinge => link.anchor,
            };
            pose.origin[i] = pose.point(link.parent, at);
            (pose.angle[i], pose.turn[i]) = match link.joint {
                Joint::Slide(_) => (parent, link.parent.map_or([1.0, 0.0], |p| pose.turn[p])),
                Joint::Hinge => {
                    let angle = parent + q[i];
                    (angle, [angle.cos(), angle.sin()])
                }
            };
        }
        pose
    }

    /// `link` and everything that carries it.
    fn chain(&self, link: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(link, |&i| self.links[i].parent)
    }

    /// How the world's point `at` moves with coordinate `joint`, if it is carried by it.
    fn motion(&self, pose: &Pose<N>, joint: usize, at: V2) -> V2 {
        match self.links[joint].joint {
            Joint::Hinge => left(sub(at, pose.origin[joint])),
            // A slide turns with its parent, and so does its link.
            Joint::Slide(axis) => turned(axis, pose.turn[joint]),
        }
    }

    /// The gradient, by the coordinates, of the way of the world's point `at` on
    /// `link` along `direction`.
    pub fn gradient(&self, pose: &Pose<N>, link: Option<usize>, at: V2, direction: V2) -> [f64; N] {
        let mut row = [0.0; N];
        for joint in self.chain(link) {
            row[joint] = dot(self.motion(pose, joint, at), direction);
        }
        row
    }

    /// The velocity of the world's point `at` on `link`.
    pub fn velocity(&self, pose: &Pose<N>, v: &[f64; N], link: usize, at: V2) -> V2 {
        self.chain(Some(link)).fold([0.0; 2], |sum, joint| {
            add(sum, scale(self.motion(pose, joint, at), v[joint]))
        })
    }

    /// The turning speed of `link`.
    fn spin(&self, v: &[f64; N], link: usize) -> f64 {
        (self.chain(Some(link)))
            .filter(|&j| self.links[j].joint == Joint::Hinge)
            .map(|j| v[j])
            .sum()
    }

    /// The mass matrix, with the inertia of the drives.
    pub fn mass(&self, pose: &Pose<N>) -> [[f64; N]; N] {
        let mut mass = [[0.0; N]; N];
        for (i, link) in self.links.iter().enumerate() {
            mass[i][i] += link.armature;
            if link.body.mass == 0.0 {
                continue;
            }
            let at = pose.point(Some(i), link.body.centre);
            for a in self.chain(Some(i)) {
                let by_a = self.motion(pose, a, at);
                let turns_a = self.links[a].joint == Joint::Hinge;
                for b in self.chain(Some(a)) {
                    let turns = turns_a && self.links[b].joint == Joint::Hinge;
                    let own = if turns { link.body.inertia } else { 0.0 };
                    let both = link.body.mass * dot(by_a, self.motion(pose, b, at)) + own;
                    mass[a][b] += both;
                    if a != b {
                        mass[b][a] += both;
                    }
                }
            }
        }
        mass
    }

    /// The forces on the coordinates that hold against gravity and against the
    /// curvature of the way: what remains of the equations of motion when nothing
    /// accelerates.
    pub fn bias(&self, pose: &Pose<N>, v: &[f64; N]) -> [f64; N] {
        let mut bias = [0.0; N];
        let mut spins = [0.0; N];
        // Of the origins, while no coordinate accelerates.
        let mut accelerations = [[0.0; 2]; N];
        for (i, link) in self.links.iter().enumerate() {
            let (mut spin, mut acceleration) = (0.0, [0.0; 2]);
            if let Some(p) = link.parent {
                spin = spins[p];
                let arm = sub(pose.origin[i], pose.origin[p]);
                acceleration = add(accelerations[p], scale(arm, -spin * spin));
            }
            match link.joint {
                Joint::Hinge => spin += v[i],
                Joint::Slide(axis) => {
                    let across = left(turned(axis, pose.turn[i]));
                    acceleration = add(acceleration, scale(across, 2.0 * spin * v[i]));
                }
            }
            (spins[i], accelerations[i]) = (spin, acceleration);
            if link.body.mass == 0.0 {
                continue;
            }
            let at = pose.point(Some(i), link.body.centre);
            let arm = sub(at, pose.origin[i]);
            let felt = add(acceleration, scale(arm, -spin * spin));
            let force = scale(add(felt, [0.0, self.gravity]), link.body.mass);
            for joint in self.chain(Some(i)) {
                bias[joint] += dot(self.motion(pose, joint, at), force);
            }
        }
        bias
    }

    /// The centre of mass of everything, and its velocity.
    pub fn centre(&self, pose: &Pose<N>, v: &[f64; N]) -> [V2; 2] {
        let (mut place, mut momentum, mut mass) = ([0.0; 2], [0.0; 2], 0.0);
        for (i, link) in self.links.iter().enumerate() {
            let at = pose.point(Some(i), link.body.centre);
            let velocity = self.velocity(pose, v, i, at);
            place = add(place, scale(at, link.body.mass));
            momentum = add(momentum, scale(velocity, link.body.mass));
            mass += link.body.mass;
        }
        [place, momentum].map(|sum| scale(sum, 1.0 / mass))
    }

    /// Joules of motion, of height above the origin, and of springs.
    pub fn energy(&self, q: &[f64; N], v: &[f64; N]) -> f64 {
        let pose = self.pose(q);
        let of = |i: usize| {
            let link = &self.links[i];
            let at = pose.point(Some(i), link.body.centre);
            let (velocity, spin) = (self.velocity(&pose, v, i, at), self.spin(v, i));
            0.5 * link.body.mass * dot(velocity, velocity)
                + 0.5 * link.body.inertia * spin * spin
                + link.body.mass * self.gravity * at[1]
                + 0.5 * link.stiffness * q[i] * q[i]
                + 0.5 * link.armature * v[i] * v[i]
        };
        (0..N).map(of).sum()
    }
}
