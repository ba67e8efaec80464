//! Attribution without gradients: what a value is for many changed copies of a picture.
//!
//! Two programs. The first has a fixed number of changed copies at a time and puts their
//! values into a table on the device; the second turns the table into a map. Nothing is
//! read back between them, and sums have a fixed order, whatever the size of a batch is.

use std::fmt::Debug;

use crate::gpu::{BufferRange, Gpu};
use crate::ops::{TapeError, Var};
use crate::tape::{Program, Tape, Tensor};

/// How a picture is changed, and what follows from the values of the changed ones.
pub trait BlackBox: Debug {
    /// Changed pictures in all.
    fn items(&self) -> usize;

    /// Records batch `number`, `u32[1]`, of `items` changed copies of `pixels`,
    /// f32[1, C, H, W]: f32[items, C, H, W].
    fn change(&self, pixels: &Var, number: &Var, items: usize) -> Result<Var, TapeError>;

    /// Records the map, f32[G, H, W] for G groups of channels, of the values of all items,
    /// `f32[items]`. `number` is 0, `u32[1]`.
    fn map(&self, scores: &Var, number: &Var) -> Result<Var, TapeError>;
}

/// A black-box attribution, compiled for one picture at a time.
#[derive(Debug)]
pub struct Questions {
    gpu: Gpu,
    ask: Program,
    conclude: Program,
    items: usize,
    batch: usize,
}

/// The input that holds the picture, f32[1, C, H, W].
const PIXELS: &str = "pixels";
/// The input that says which batch it is.
const NUMBER: &str = "number";

impl Questions {
    /// Compiles `black_box` for pictures of `channels` channels and of height and width
    /// `picture`, `batch` changed ones at a time (or all, where they are fewer).
    ///
    /// `value` records the values, f32[B, 1], of pictures f32[B, C, H, W]; it may add
    /// inputs of its own. `finish` names outputs made of the map, f32[G, H, W].
    ///
    /// # Errors
    /// Those of recording and of compiling.
    pub fn new(
        gpu: &Gpu,
        black_box: &dyn BlackBox,
        channels: usize,
        [height, width]: [usize; 2],
        batch: usize,
        value: impl FnOnce(&Tape, &Var) -> Result<Var, TapeError>,
        finish: impl FnOnce(&Tape, &Var) -> Result<(), TapeError>,
    ) -> Result<Questions, TapeError> {
        let items = black_box.items();
        let batch = batch.clamp(1, items);
        let buffer = gpu.storage("values of changed pictures", 4 * items as u64)?;
        let table = |tape: &Tape| {
            let range = BufferRange::whole(&buffer);
            tape.external(range, Tensor::f32(&[items]))
        };

        let tape = Tape::new();
        let pixels = tape.input(PIXELS, Tensor::f32(&[1, channels, height, width]));
        let number = tape.input(NUMBER, Tensor::u32(&[1]));
        let changed = black_box.change(&pixels, &number, batch)?;
        let values = value(&tape, &changed)?.reshape(&[batch])?;
        table(&tape)?.put(&values, &number)?;
        let ask = tape.compile(gpu)?;

        let tape = Tape::new();
        let number = tape.input(NUMBER, Tensor::u32(&[1]));
        finish(&tape, &black_box.map(&table(&tape)?, &number)?)?;
        Ok(Questions {
            gpu: gpu.clone(),
            ask,
            conclude: tape.compile(gpu)?,
            items,
            batch,
        })
    }

    /// Changed pictures that a map takes.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The memory of input `name` of the first program: `pixels`, or one that `value` added.
    ///
    /// # Errors
    /// [`TapeError::UnknownName`].
    pub fn input(&self, name: &str) -> Result<&BufferRange, TapeError> {
        Ok(&self.ask.input_range(name)?.0)
    }

    /// Computes the map of what the inputs hold. `done` is told how many changed pictures
    /// each step has dealt with. Waits for the device.
    ///
    /// # Errors
    /// Those of the device.
    pub fn run(&self, done: &mut dyn FnMut(usize)) -> Result<(), TapeError> {
        for first in (0..self.items).step_by(self.batch) {
            self.ask.write(NUMBER, &[(first / self.batch) as u32])?;
            self.ask.run()?;
            // Without it a driver would be given more work than it can keep.
            self.gpu.wait()?;
            done(self.batch.min(self.items - first));
        }
        self.conclude.run()
    }

    /// Reads an output that `finish` named.
    ///
    /// # Errors
    /// [`TapeError::UnknownName`]; those of the device.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, TapeError> {
        self.conclude.read_blocking(name)
    }

    /// The program that has changed pictures valued.
    pub fn ask(&self) -> &Program {
        &self.ask
    }
}
