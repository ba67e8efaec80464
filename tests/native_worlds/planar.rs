//! Mechanisms in a plane: equations of motion, contacts, friction.

use foveate::envs::native::planar::{Body, Capsule, Joint, Link, Mechanism, Tree};

const STEP: f64 = 1e-3;

/// A rod of a metre on a cart that slides up a slope, with a shorter rod at its end, and
/// on that a bead that a spring holds.
fn arm(gravity: f64) -> Tree<4> {
    let rod = |length: f64| {
        Body::of(&[Capsule {
            link: None,
            ends: [[0.0, 0.0], [length, 0.1]],
            radius: 0.03,
        }])
    };
    let links = [
        Link {
            joint: Joint::Slide([0.8, 0.6]),
            body: rod(0.3),
            ..Link::FREE
        },
        Link {
            parent: Some(0),
            anchor: [0.1, 0.2],
            body: rod(1.0),
            ..Link::FREE
        },
        Link {
            parent: Some(1),
            anchor: [1.0, 0.1],
            body: rod(0.5),
            armature: 0.02,
            ..Link::FREE
        },
        Link {
            parent: Some(2),
            anchor: [0.2, 0.0],
            joint: Joint::Slide([0.6, -0.8]),
            body: rod(0.2),
            stiffness: 40.0,
            ..Link::FREE
        },
    ];
    Tree { links, gravity }
}

/// Two ways to the energy of motion: by the mass matrix, and body by body.
#[test]
fn the_mass_matrix_gives_the_energy_of_motion() {
    let tree = arm(0.0);
    let (q, v) = ([0.3, -0.7, 1.9, 0.0], [0.4, -1.3, 2.2, 0.7]);
    let mass = tree.mass(&tree.pose(&q));
    let mut energy = 0.0;
    for i in 0..4 {
        for j in 0..4 {
            assert_eq!(mass[i][j], mass[j][i]);
            energy += 0.5 * v[i] * mass[i][j] * v[j];
        }
    }
    let bodies = tree.energy(&q, &v);
    assert!((energy / bodies - 1.0).abs() < 1e-12, "{energy} {bodies}");
}

/// Semi-implicit Euler keeps energy up to the step: half the step, half the error. A
/// wrong sign or a term that is missing in the forces of motion loses or makes much.
#[test]
fn a_free_tree_keeps_its_energy() {
    let drift = |step: f64| {
        let tree = arm(9.81);
        let mechanism = Mechanism::new(tree.clone(), step);
        let (mut q, mut v) = ([0.0, 0.4, -1.0, 0.1], [0.2, 1.5, -2.5, 0.5]);
        let before = tree.energy(&q, &v);
        let mut worst = 0.0f64;
        for _ in 0..(1.5 / step) as usize {
            mechanism.step(&mut q, &mut v, &[0.0; 4]);
            worst = worst.max((tree.energy(&q, &v) - before).abs());
        }
        worst
    };
    let [coarse, fine] = [drift(STEP), drift(0.25 * STEP)];
    assert!(coarse < 0.6, "{coarse}");
    assert!((0.15..0.4).contains(&(fine / coarse)), "{coarse} {fine}");
}

/// A ball in flight, that lands on the ground and slides.
fn puck(friction: f64) -> Mechanism<2> {
    let ball = Capsule {
        link: Some(1),
        ends: [[0.0; 2]; 2],
        radius: 0.05,
    };
    let links = [
        Link {
            joint: Joint::Slide([1.0, 0.0]),
            ..Link::FREE
        },
        Link {
            parent: Some(0),
            joint: Joint::Slide([0.0, 1.0]),
            body: Body::of(&[ball]),
            ..Link::FREE
        },
    ];
    let gravity = 10.0;
    Mechanism {
        capsules: vec![ball],
        grounded: vec![0],
        friction,
        ..Mechanism::new(Tree { links, gravity }, STEP)
    }
}

#[test]
fn a_thing_falls_lands_and_slides_to_a_stop() {
    let mechanism = puck(0.5);
    let (mut q, mut v) = ([0.0, 1.05], [0.0; 2]);
    for _ in 0..400 {
        mechanism.step(&mut q, &mut v, &[0.0; 2]);
    }
    assert!((q[1] - (1.05 - 0.5 * 10.0 * 0.16)).abs() < 5e-3, "{q:?}");
    for _ in 0..600 {
        mechanism.step(&mut q, &mut v, &[0.0; 2]);
        assert!(
            (0.01..0.3).contains(&q[1]),
            "it is soft and does not bounce: {q:?}"
        );
    }
    // Lying, it is pressed in by little.
    assert!(
        (0.04..0.05).contains(&q[1]) && v[1].abs() < 1e-6,
        "{q:?} {v:?}"
    );
    // Friction of half its weight stops 2 m/s in v² / (2 μ g) = 0.4 m.
    v[0] = 2.0;
    for _ in 0..1000 {
        mechanism.step(&mut q, &mut v, &[0.0; 2]);
    }
    assert!(v[0].abs() < 1e-3, "{v:?}");
    assert!((q[0] - 0.4).abs() < 0.02, "{q:?}");
    // A push within friction hardly moves it, one beyond does.
    let weight = mechanism.tree.links[1].body.mass * 10.0;
    let mut moved = |push: f64| {
        let from = q[0];
        for _ in 0..500 {
            mechanism.step(&mut q, &mut v, &[push * weight, 0.0]);
        }
        q[0] - from
    };
    assert!(moved(0.4) < 0.05);
    assert!(moved(0.9) > 0.3);
}

/// Capsules that lean over each other do not pass through, wherever they meet.
#[test]
fn capsules_stop_each_other() {
    for (at, across) in [(-0.1, 0.2), (0.0, 0.0), (0.3, -0.2), (0.42, 0.1)] {
        let bar = Capsule {
            link: None,
            ends: [[-0.4, 0.0], [0.4, 0.0]],
            radius: 0.05,
        };
        let faller = Capsule {
            link: Some(0),
            ends: [[at - across, 0.0], [at + across, 0.1]],
            radius: 0.04,
        };
        let link = Link {
            anchor: [0.0, 0.5],
            joint: Joint::Slide([0.0, 1.0]),
            body: Body::of(&[faller]),
            ..Link::FREE
        };
        let (links, gravity) = ([link], 10.0);
        let mechanism = Mechanism {
            capsules: vec![faller, bar],
            touching: vec![[0, 1]],
            ..Mechanism::new(Tree { links, gravity }, STEP)
        };
        let (mut q, mut v) = ([0.0], [0.0]);
        assert!(!mechanism.overlaps(&q));
        for _ in 0..2000 {
            mechanism.step(&mut q, &mut v, &[0.0]);
        }
        let height = 0.5 + q[0];
        assert!((-0.02..0.15).contains(&height), "{at}, {across}: {height}");
        assert!(v[0].abs() < 1e-6 && mechanism.overlaps(&q));
    }
}
