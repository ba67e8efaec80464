//! `overlay`: SODA's random overlay (SPEC.md A.3): half of the observation, half of a
//! picture of something else; and the random windows of those pictures.

use super::philox::check_step;
use super::{Backward, DType, Lower, Op, Stream, TapeError, Tensor, Var, shape_error};

/// Colours of a picture.
const COLOURS: usize = 3;
/// Numbers that describe a window: picture, top, left, height, width, flip.
const CROP_FIELDS: usize = 6;
/// Integers up to here are exact in f32.
const LARGEST_EXACT: usize = 1 << 24;
/// The longest side: positions, products of two sides, must fit u32.
const LONGEST_SIDE: usize = 1 << 14;

/// Inputs: x f32[B, 3F, H, W], bank u8[P, 3, S, S], crops f32[B, 6].
#[derive(Debug)]
struct Overlay;

impl Op for Overlay {
    fn name(&self) -> &'static str {
        "overlay"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, bank, crops]
                if x.dtype == DType::F32
                    && x.shape.len() == 4
                    && !x.is_empty()
                    && x.shape[1].is_multiple_of(COLOURS)
                    && x.shape[2].max(x.shape[3]) <= LONGEST_SIDE
                    && bank.dtype == DType::U8
                    && bank.shape.len() == 4
                    && (1..=LARGEST_EXACT).contains(&bank.shape[0])
                    && bank.shape[1] == COLOURS
                    && (1..=LONGEST_SIDE).contains(&bank.shape[2])
                    && bank.shape[2] == bank.shape[3]
                    && crops.dtype == DType::F32
                    && crops.shape == [x.shape[0], CROP_FIELDS] =>
            {
                Ok(vec![(*x).clone()])
            }
            _ => Err(shape_error(
                "overlay",
                inputs,
                format!(
                    "f32[B, 3F, H, W], a bank u8[P, 3, S, S], crops f32[B, 6], sides up to {LONGEST_SIDE}"
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let dx = match &cx.grads[0] {
            Some(g) if cx.needs[0] => Some(g.scale(0.5)?),
            _ => None,
        };
        Ok(vec![dx, None, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, bank, crops, y) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
        let (batch, height, width) = (x.shape()[0], x.shape()[2], x.shape()[3]);
        let planes = cx.planes(batch * COLOURS, [height, width]);
        let read = batch * bank.tensor.len() / bank.shape()[0];
        cx.in_planes("overlay/forward", planes)
            .bind("x", &x)
            .bind_part("bank", &bank, read)
            .bind("crops", &crops)
            .bind("y", &y)
            .u32("frames", x.shape()[1] / COLOURS)
            .u32("height", height)
            .u32("width", width)
            .u32("pictures", bank.shape()[0])
            .u32("size", bank.shape()[2])
            .linear_groups(planes.groups())
    }
}

/// Input: step u32[1]. Output: f32[batch, 6].
#[derive(Debug)]
struct RandomResizedCrops {
    stream: Stream,
    batch: usize,
    pictures: usize,
    size: usize,
}

impl Op for RandomResizedCrops {
    fn name(&self) -> &'static str {
        "random_resized_crops"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        check_step("random_resized_crops", inputs)?;
        let limits = [
            ("batch", self.batch, LARGEST_EXACT),
            ("number of pictures", self.pictures, LARGEST_EXACT),
            ("size", self.size, LONGEST_SIDE),
        ];
        for (what, given, most) in limits {
            if !(1..=most).contains(&given) {
                return Err(TapeError::Option {
                    op: "random_resized_crops",
                    message: format!("got a {what} of {given}; expected 1 to {most}"),
                });
            }
        }
        Ok(vec![Tensor::f32(&[self.batch, CROP_FIELDS])])
    }

    /// Random numbers are constants to everything that depends on them.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Ok(vec![None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (step, crops) = (cx.input(0), cx.output(0));
        let [seed_low, seed_high] = self.stream.key();
        cx.dispatch("overlay/random_resized_crops")
            .bind("step", &step)
            .bind("crops", &crops)
            .u32("batch", self.batch)
            .u32("pictures", self.pictures)
            .u32("size", self.size)
            .u32("seed_low", seed_low as usize)
            .u32("seed_high", seed_high as usize)
            .u32("stream", self.stream.stream as usize)
            .linear(self.batch)
    }
}

impl Var {
    /// Blends each sample of f32[B, 3F, H, W] (F frames of three colours, 0..255) with
    /// a picture: 255·(½·x/255 + ½·p).
    ///
    /// `bank` u8[P, 3, S, S] holds the pictures. `crops` f32[B, 6] says which window of
    /// which picture each sample gets, in whole numbers: picture, top, left, height,
    /// width (in pixels of the bank), and 1 to mirror it, else 0; what lies outside the
    /// bank is moved to its border. p, in 0..1, is that window at H×W, bilinear with
    /// half-pixel centres, held inside the window; a window of H×W pixels is taken as
    /// it is. All F frames get the same picture.
    ///
    /// The gradient with respect to x is half of that of the result; none flows to bank
    /// and crops.
    pub fn overlay(&self, bank: &Var, crops: &Var) -> Result<Var, TapeError> {
        Var::record1(Overlay, &[self, bank, crops])
    }

    /// Random windows for [`Var::overlay`]: f32[batch, 6]. `self` is the step counter
    /// (`u32[1]`), `pictures` the number of pictures in the bank, `size` their side.
    ///
    /// As torchvision's `RandomResizedCrop` and `RandomHorizontalFlip` draw them: area
    /// uniform in 8 % to 100 % of the picture, aspect ratio log-uniform in ¾..4⁄3, ten
    /// attempts to fit, then the whole picture; place uniform; mirrored half the time.
    /// The picture is uniform in 0..pictures.
    ///
    /// Sample b takes its random words from the counters
    /// (11·b..11·b + 11, step, stream, 0), see [`Stream`].
    pub fn random_resized_crops(
        &self,
        stream: Stream,
        batch: usize,
        pictures: usize,
        size: usize,
    ) -> Result<Var, TapeError> {
        let op = RandomResizedCrops {
            stream,
            batch,
            pictures,
            size,
        };
        Var::record1(op, &[self])
    }
}
