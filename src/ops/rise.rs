//! `rise`: pictures behind random masks, and sums of these masks (SPEC.md E.5; Petsiuk,
//! Das, Saenko, "RISE: Randomized Input Sampling for Explanation" (2018)).
//!
//! A mask is a grid of cells, each 1 with some probability, else 0, bilinearly enlarged
//! (half-pixel centres, held at the border) to one cell more than the picture, of which
//! the picture sees a part at a random offset. Mask i depends on seed, stream and i alone.

use super::lower::DispatchBuilder;
use super::reduce::reduce_pass;
use super::{DType, Lower, Op, Stream, TapeError, Tensor, Var, shape_error};

/// Masks that one invocation adds up.
const PIECE: usize = 256;

/// How masks are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiseMasks {
    /// Height and width of the picture in pixels.
    pub picture: [usize; 2],
    /// Cells of a side of the grid, 1 to the picture's smaller side.
    pub cells: usize,
    /// How likely a cell is 1, above 0 and at most 1.
    pub probability: f32,
    pub stream: Stream,
}

impl RiseMasks {
    /// Height and width of a cell in pixels; those of the picture where there are no cells,
    /// which [`checked`](RiseMasks::checked) refuses.
    pub fn cell(&self) -> [usize; 2] {
        (self.picture).map(|extent| extent.div_ceil(self.cells.max(1)))
    }

    /// The most masks that [`Var::rise_sum`] adds up on every device: their words, and the
    /// sums over pieces of them, fit into bindings of 128 MiB, WebGPU's core limit.
    pub fn most(&self) -> usize {
        const ELEMENTS: usize = (128 << 20) / 4;
        let pieces = ELEMENTS / self.picture.iter().product::<usize>().max(1);
        (ELEMENTS / self.words()).min(pieces * PIECE)
    }

    /// Words of a mask: its cells, row by row, and the offsets down and along.
    pub fn words(&self) -> usize {
        self.cells * self.cells + 2
    }

    /// The words of mask `i`: the CPU twin of [`Var::rise_grids`].
    pub fn on_cpu(&self, i: u32) -> Vec<u32> {
        let [height, width] = self.cell();
        let below = |word: u32, count: usize| ((u64::from(word) * count as u64) >> 32) as u32;
        let words = (0..self.words().div_ceil(4) as u32).flat_map(|b| self.stream.block(i, b));
        (words.take(self.words()).enumerate())
            .map(|(k, word)| match k.checked_sub(self.cells * self.cells) {
                None => {
                    let unit = (word >> 8) as f32 / (1 << 24) as f32;
                    u32::from(unit < self.probability)
                }
                Some(0) => below(word, height),
                Some(_) => below(word, width),
            })
            .collect()
    }

    /// Itself, if there are such masks.
    ///
    /// # Errors
    /// [`TapeError::Option`] that says what would be right.
    pub fn checked(self) -> Result<RiseMasks, TapeError> {
        let wrong = |message| {
            let op = "rise";
            Err(TapeError::Option { op, message })
        };
        let most = self.picture[0].min(self.picture[1]);
        if !(1..=most).contains(&self.cells) {
            return wrong(format!(
                "a side of the grid has {} cells; it must have 1 to {most}, the picture's smaller side",
                self.cells
            ));
        }
        if !(self.probability > 0.0 && self.probability <= 1.0) {
            return wrong(format!(
                "the probability is {}; it must be above 0 and at most 1",
                self.probability
            ));
        }
        Ok(self)
    }

    fn pixels(&self) -> usize {
        self.picture.iter().product()
    }

    /// Gives a kernel that looks through masks the picture's size and the cells'.
    fn parameters<'a>(&self, dispatch: DispatchBuilder<'a>) -> DispatchBuilder<'a> {
        let ([height, width], [cell_height, cell_width]) = (self.picture, self.cell());
        dispatch
            .u32("height", height)
            .u32("width", width)
            .u32("cells", self.cells)
            .u32("cell_height", cell_height)
            .u32("cell_width", cell_width)
    }
}

/// Input: number u32[1]. Output: u32[count, words].
#[derive(Debug)]
struct RiseGrids {
    masks: RiseMasks,
    count: usize,
}

impl Op for RiseGrids {
    fn name(&self) -> &'static str {
        "rise_grids"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [number] if **number == Tensor::u32(&[1]) && self.count > 0 => {
                Ok(vec![Tensor::u32(&[self.count, self.masks.words()])])
            }
            _ => Err(shape_error(
                "rise_grids",
                inputs,
                "a number u32[1], and 1 mask or more",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (number, grids) = (cx.input(0), cx.output(0));
        let blocks = self.masks.words().div_ceil(4);
        let [cell_height, cell_width] = self.masks.cell();
        let [seed_low, seed_high] = self.masks.stream.key();
        cx.dispatch("rise/grids")
            .bind("number", &number)
            .bind("grids", &grids)
            .u32("count", self.count * blocks)
            .u32("masks", self.count)
            .u32("blocks", blocks)
            .u32("cells", self.masks.cells)
            .u32("cell_height", cell_height)
            .u32("cell_width", cell_width)
            .u32("seed_low", seed_low as usize)
            .u32("seed_high", seed_high as usize)
            .u32("stream", self.masks.stream.stream as usize)
            .f32("probability", self.masks.probability)
            .linear(self.count * blocks)
    }
}

/// Inputs: picture f32[1, C, H, W], grids u32[M, words]. Output: f32[M, C, H, W].
#[derive(Debug)]
struct RiseMasked(RiseMasks);

impl Op for RiseMasked {
    fn name(&self) -> &'static str {
        "rise_masked"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let ([height, width], words) = (self.0.picture, self.0.words());
        match inputs {
            [x, grids]
                if x.dtype == DType::F32
                    && x.shape.len() == 4
                    && x.shape[..1] == [1]
                    && x.shape[1] > 0
                    && x.shape[2..] == [height, width]
                    && is_grids(grids, words) =>
            {
                let shape = [grids.shape[0], x.shape[1], height, width];
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => Err(shape_error(
                "rise_masked",
                inputs,
                format!("f32[1, C, {height}, {width}] and grids u32[M, {words}]"),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, grids, y) = (cx.input(0), cx.input(1), cx.output(0));
        let count = grids.shape()[0] * self.0.pixels();
        let dispatch = cx.dispatch("rise/masked");
        (self.0.parameters(dispatch))
            .bind("x", &x)
            .bind("grids", &grids)
            .bind("y", &y)
            .u32("count", count)
            .u32("channels", x.shape()[1])
            .linear(count)
    }
}

/// Inputs: weights f32[N], grids u32[N, words]. Output: f32[1, H, W].
#[derive(Debug)]
struct RiseSum(RiseMasks);

impl Op for RiseSum {
    fn name(&self) -> &'static str {
        "rise_sum"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let ([height, width], words) = (self.0.picture, self.0.words());
        match inputs {
            [weights, grids]
                if is_grids(grids, words) && **weights == Tensor::f32(&grids.shape[..1]) =>
            {
                Ok(vec![Tensor::f32(&[1, height, width])])
            }
            _ => Err(shape_error(
                "rise_sum",
                inputs,
                format!("weights f32[N] and grids u32[N, {words}]"),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (weights, grids, y) = (cx.input(0), cx.input(1), cx.output(0));
        let (masks, pixels) = (grids.shape()[0], self.0.pixels());
        let pieces = masks.div_ceil(PIECE);
        let partial = match pieces {
            1 => y.clone(),
            _ => cx.workspace(Tensor::f32(&[pieces, pixels])),
        };
        let dispatch = cx.dispatch("rise/sum");
        (self.0.parameters(dispatch))
            .bind("weights", &weights)
            .bind("grids", &grids)
            .bind("y", &partial)
            .u32("count", pieces * pixels)
            .u32("masks", masks)
            .u32("piece", PIECE)
            .flops((2 * masks * pixels) as u64)
            .linear(pieces * pixels)?;
        match pieces {
            1 => Ok(()),
            _ => reduce_pass(cx, "sum", &partial, &y, [1, pieces, pixels], pieces, 1.0),
        }
    }
}

fn is_grids(tensor: &Tensor, words: usize) -> bool {
    tensor.dtype == DType::U32 && tensor.shape.len() == 2 && tensor.shape[1] == words
}

impl Var {
    /// The words of batch `self`, its number `u32[1]`, of `count` masks: u32[count, words],
    /// see [`RiseMasks::words`]. They are those of masks number · count and on, which must
    /// be below 2³²; [`RiseMasks::on_cpu`] gives the same.
    ///
    /// # Errors
    /// Those of [`RiseMasks::checked`]; another shape.
    pub fn rise_grids(&self, masks: RiseMasks, count: usize) -> Result<Var, TapeError> {
        let masks = masks.checked()?;
        Var::record1(RiseGrids { masks, count }, &[self])
    }

    /// Copies of `self`, a picture f32[1, C, H, W], each behind one of the masks whose
    /// words are `grids`, u32[M, words]: f32[M, C, H, W]. All channels share a mask. No
    /// gradient.
    ///
    /// # Errors
    /// As [`Var::rise_grids`].
    pub fn rise_masked(&self, grids: &Var, masks: RiseMasks) -> Result<Var, TapeError> {
        Var::record1(RiseMasked(masks.checked()?), &[self, grids])
    }

    /// The sum of the masks whose words are `grids`, u32[N, words], each times its weight
    /// in `self`, `f32[N]`: f32[1, H, W]. No gradient.
    ///
    /// # Errors
    /// As [`Var::rise_grids`].
    pub fn rise_sum(&self, grids: &Var, masks: RiseMasks) -> Result<Var, TapeError> {
        Var::record1(RiseSum(masks.checked()?), &[self, grids])
    }
}
