//! What is measured: operations at the sizes that the papers use, and whole updates.

mod attention;
mod convolution;
mod fixture;
mod masks;
mod memory;
mod pixels;
mod pretraining;
mod product;
mod update;
mod worlds;

use super::{Pass, Subject};
use crate::Error;
use crate::gpu::Gpu;

/// How large the works are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// For a CPU that plays a GPU: batches of 16, and none of the largest products.
    pub software: bool,
    /// Without the updates at the papers' sizes.
    pub quick: bool,
}

impl Scale {
    /// What suits a device.
    pub fn of(gpu: &Gpu, quick: bool) -> Scale {
        Scale {
            software: gpu.capabilities().software,
            quick,
        }
    }

    /// Images in a batch of a convolution: the paper's 128 where that is no long work.
    fn batch(self) -> usize {
        if self.software { 16 } else { 128 }
    }
}

/// Records what is to be measured and compiles it.
type Prepare = Box<dyn Fn(&Gpu) -> Result<Subject, Error>>;

/// One row of the bench, before it is measured.
pub struct Work {
    /// The operation's name, or that of a network or an update.
    pub name: &'static str,
    /// Sizes, and which gradient.
    pub shape: String,
    pub pass: Pass,
    prepare: Prepare,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id())
    }
}

impl Work {
    fn new(
        name: &'static str,
        shape: impl Into<String>,
        pass: Pass,
        prepare: impl Fn(&Gpu) -> Result<Subject, Error> + 'static,
    ) -> Work {
        Work {
            name,
            shape: shape.into(),
            pass,
            prepare: Box::new(prepare),
        }
    }

    /// Name, pass and shape: no two works have the same.
    pub fn id(&self) -> String {
        format!("{} {} {}", self.name, self.pass, self.shape)
    }

    /// Whether a filter means it: a part of its name or of its pass.
    pub fn matches(&self, filter: &str) -> bool {
        self.name.contains(filter) || self.pass.name().contains(filter)
    }

    /// Allocates, records and compiles it.
    ///
    /// # Errors
    /// Those of the device, out of memory among them.
    pub fn prepare(&self, gpu: &Gpu) -> Result<Subject, Error> {
        (self.prepare)(gpu)
    }
}

/// All works, in the order of their rows. Nothing is allocated yet; what works share
/// lives as long as they do, so drop each when it has been measured.
pub fn all(scale: Scale) -> Vec<Work> {
    let mut works = convolution::works(scale);
    works.extend(product::works(scale));
    works.extend(attention::works(scale));
    works.extend(memory::works(scale));
    works.extend(masks::works());
    works.extend(pixels::works());
    works.extend(worlds::works());
    works.extend(update::works(scale));
    works.extend(pretraining::works(scale));
    works
}

/// The names of `works`, each once, in their order.
pub fn names(works: &[Work]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = vec![];
    for work in works {
        if !names.contains(&work.name) {
            names.push(work.name);
        }
    }
    names
}
