//! `occlusion`: pictures with one window covered, and from what that changes back to a map
//! (SPEC.md E.4; Zeiler and Fergus 2014, as captum's `Occlusion` has it).

use super::lower::DispatchBuilder;
use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Which windows of a picture are covered, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OcclusionWindows {
    /// Height and width of the picture in pixels.
    pub picture: [usize; 2],
    /// Height and width of a window, at most the picture's.
    pub window: [usize; 2],
    /// Pixels from one window to the next, down and along, at most the window's extent.
    pub stride: [usize; 2],
    /// Groups of neighbouring channels that are covered one after the other: the frames
    /// of a stack, or 1 for all channels together.
    pub groups: usize,
}

impl OcclusionWindows {
    /// Windows below and beside each other: as many as reach the border, which cuts the
    /// last ones off. 0 on an axis where they do not fit or do not advance: those
    /// [`checked`](OcclusionWindows::checked) refuses.
    pub fn places(&self) -> [usize; 2] {
        [0, 1].map(|i| match self.picture[i].checked_sub(self.window[i]) {
            Some(rest) if self.stride[i] > 0 => rest.div_ceil(self.stride[i]) + 1,
            _ => 0,
        })
    }

    /// Windows in all.
    pub fn count(&self) -> usize {
        self.groups * self.places().iter().product::<usize>()
    }

    /// Itself, if there are such windows.
    ///
    /// # Errors
    /// [`TapeError::Option`] that says what would be right.
    pub fn checked(self) -> Result<OcclusionWindows, TapeError> {
        let wrong = |message| {
            let op = "occlusion";
            Err(TapeError::Option { op, message })
        };
        for (i, extent) in ["height", "width"].into_iter().enumerate() {
            let (picture, window, stride) = (self.picture[i], self.window[i], self.stride[i]);
            if !(1..=picture).contains(&window) {
                return wrong(format!(
                    "the window's {extent} is {window}; it must be 1 to the picture's, {picture}"
                ));
            }
            if !(1..=window).contains(&stride) {
                return wrong(format!(
                    "the stride is {stride} where the window's {extent} is {window}; it must be 1 to {window}, so that every pixel is covered"
                ));
            }
        }
        match self.groups {
            0 => wrong("there are 0 groups of channels; at least 1 is needed".to_string()),
            _ => Ok(self),
        }
    }

    /// Gives a kernel the windows, but for the groups of channels.
    fn parameters<'a>(&self, dispatch: DispatchBuilder<'a>) -> DispatchBuilder<'a> {
        let [rows, columns] = self.places();
        dispatch
            .u32("height", self.picture[0])
            .u32("width", self.picture[1])
            .u32("window_height", self.window[0])
            .u32("window_width", self.window[1])
            .u32("stride_down", self.stride[0])
            .u32("stride_along", self.stride[1])
            .u32("rows", rows)
            .u32("columns", columns)
    }
}

/// Inputs: picture f32[1, C, H, W], number u32[1]. Output: f32[items, C, H, W].
#[derive(Debug)]
struct Occlude {
    windows: OcclusionWindows,
    baseline: f32,
    items: usize,
}

impl Op for Occlude {
    fn name(&self) -> &'static str {
        "occlude"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let [height, width] = self.windows.picture;
        match inputs {
            [x, number]
                if x.dtype == DType::F32
                    && **number == Tensor::u32(&[1])
                    && x.shape.len() == 4
                    && x.shape[..1] == [1]
                    && x.shape[1] > 0
                    && x.shape[1].is_multiple_of(self.windows.groups)
                    && x.shape[2..] == [height, width]
                    && self.items > 0 =>
            {
                Ok(vec![Tensor::f32(&[self.items, x.shape[1], height, width])])
            }
            _ => Err(shape_error(
                "occlude",
                inputs,
                format!(
                    "f32[1, C, {height}, {width}] with C a multiple of {}, a number u32[1], and 1 item or more",
                    self.windows.groups
                ),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, number, y) = (cx.input(0), cx.input(1), cx.output(0));
        let dispatch = cx.dispatch("occlusion/occlude");
        (self.windows.parameters(dispatch))
            .bind("x", &x)
            .bind("number", &number)
            .bind("y", &y)
            .u32("count", y.tensor.len())
            .u32("items", self.items)
            .u32("channels", x.shape()[1])
            .u32("per_group", x.shape()[1] / self.windows.groups)
            .f32("baseline", self.baseline)
            .linear(y.tensor.len())
    }
}

/// Input: scores f32[1 + windows]. Output: f32[G, H, W].
#[derive(Debug)]
struct OcclusionMap(OcclusionWindows);

impl Op for OcclusionMap {
    fn name(&self) -> &'static str {
        "occlusion_map"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let scores = Tensor::f32(&[1 + self.0.count()]);
        let [height, width] = self.0.picture;
        match inputs {
            [given] if **given == scores => Ok(vec![Tensor::f32(&[self.0.groups, height, width])]),
            _ => Err(shape_error("occlusion_map", inputs, scores.to_string())),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (scores, y) = (cx.input(0), cx.output(0));
        let dispatch = cx.dispatch("occlusion/mean");
        (self.0.parameters(dispatch))
            .bind("scores", &scores)
            .bind("y", &y)
            .u32("count", y.tensor.len())
            .linear(y.tensor.len())
    }
}

impl Var {
    /// Batch `number`, `u32[1]`, of `items` copies of `self`, a picture f32[1, C, H, W]:
    /// f32[items, C, H, W]. Item 0 of batch 0 is the picture itself, the k-th after it has
    /// window k covered, at `baseline` on the channels of its group; those after the last
    /// window are the picture again. Windows are counted along rows, then down, then from
    /// group to group. number · items must be below 2³². No gradient.
    ///
    /// # Errors
    /// Those of [`OcclusionWindows::checked`]; another shape.
    pub fn occlude(
        &self,
        number: &Var,
        items: usize,
        windows: OcclusionWindows,
        baseline: f32,
    ) -> Result<Var, TapeError> {
        let op = Occlude {
            windows: windows.checked()?,
            baseline,
            items,
        };
        Var::record1(op, &[self, number])
    }

    /// What pixels are worth, f32[G, H, W] for G groups of channels, when `self`,
    /// f32[1 + windows], has the values of the items of [`Var::occlude`]: the mean over the
    /// windows that cover a pixel of the first value less that of the window. No gradient.
    ///
    /// # Errors
    /// As [`Var::occlude`].
    pub fn occlusion_map(&self, windows: OcclusionWindows) -> Result<Var, TapeError> {
        Var::record1(OcclusionMap(windows.checked()?), &[self])
    }
}
