//! Native worlds at 84×84, sixteen at once: their pictures alone, and with the physics
//! that leads to them.

use super::{Pass, Work};
use crate::Error;
use crate::bench::Subject;
use crate::bench::subject::{Drawing, Playing};
use crate::envs::EnvError;
use crate::envs::native::{IDS, NativeEnvironment, Renderer, WorldOptions};
use crate::gpu::{FrameShape, FrameStore, Gpu};

/// Height and width of a frame.
const SIDE: usize = 84;
/// Worlds that are drawn at once.
const WORLDS: usize = 16;
/// Agent steps until they are drawn: what hung in the air has come to the ground.
const STEPS: usize = 20;

pub fn works() -> Vec<Work> {
    let mut works = vec![];
    for id in IDS {
        let shape = format!("{id}, {WORLDS} worlds, {SIDE}×{SIDE}");
        works.push(Work::new("raycast", &shape, Pass::Forward, move |gpu| {
            drawing(gpu, id)
        }));
        works.push(Work::new("raycast", &shape, Pass::Step, move |gpu| {
            Ok(Subject::playing(playing(gpu, id)?))
        }));
    }
    works
}

fn playing(gpu: &Gpu, id: &str) -> Result<Playing, Error> {
    let options = WorldOptions {
        count: WORLDS,
        image_size: SIDE,
        ..Default::default()
    };
    let store = FrameStore::new(gpu, WORLDS, FrameShape::rgb(SIDE))?;
    let environment = NativeEnvironment::open(gpu, &store, id, options, None)?;
    let mut playing = Playing::new(environment);
    for _ in 0..STEPS {
        playing.step()?;
    }
    Ok(playing)
}

fn drawing(gpu: &Gpu, id: &str) -> Result<Subject, Error> {
    let playing = playing(gpu, id)?;
    let world = playing.environment().world();
    let scenes = (0..world.count())
        .map(|env| Ok(world.scene(env).map_err(EnvError::from)?.data()))
        .collect::<Result<_, Error>>()?;
    let store = FrameStore::new(gpu, WORLDS, FrameShape::rgb(SIDE))?;
    Ok(Subject::drawing(Drawing {
        renderer: Renderer::new(gpu, &store, WORLDS, None)?,
        scenes,
        slots: (0..WORLDS as u32).collect(),
    }))
}
