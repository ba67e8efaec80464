//! `stack_frames`: frame stacks gathered from a paged store of uint8 frames, with the
//! random shift or crop of SPEC.md A.3 on the way.

use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{BufferRange, FrameShape, FrameStore};
use crate::ops::Source;

/// Which pixels of frames stacks have. All frames of a stack are framed alike.
#[derive(Debug, Clone, Copy)]
pub enum Framing<'a> {
    /// The middle, from row and column (S − size) / 2, rounded down.
    Centre,
    /// The middle after a shift, (offsets u32[B, 2], pad): each stack is displaced by its
    /// own (x − pad, y − pad), border pixels repeated. Larger offsets than 2·pad count as
    /// that.
    Shift(&'a Var, usize),
    /// The window that starts at row and column, u32[B, 2], 0..=S − size each. Larger ones
    /// count as the last that fits.
    Crop(&'a Var),
}

/// A window of frames, at one place for each stack.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Height and width.
    size: usize,
    /// Row and column at which it begins at place 0; before the frame for shifts.
    origin: i32,
    /// The last place on each axis, where stacks have places of their own.
    most: Option<usize>,
    /// Which of a stack's two offsets is the row's.
    row_at: usize,
}

/// Inputs: slots u32[B, F]; offsets u32[B, 2] if any; then the pages.
#[derive(Debug)]
struct StackFrames {
    frame: FrameShape,
    capacity: usize,
    frames_per_page: usize,
    window: Window,
}

impl Op for StackFrames {
    fn name(&self) -> &'static str {
        "stack_frames"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let wrong = || {
            shape_error(
                "stack_frames",
                &inputs[..inputs.len().min(2)],
                "slots u32[B, F], offsets u32[B, 2]",
            )
        };
        let [b, f] = inputs[0].shape[..] else {
            return Err(wrong());
        };
        let offsets_fit =
            !self.has_offsets() || (inputs[1].shape == [b, 2] && inputs[1].dtype == DType::U32);
        if inputs[0].dtype != DType::U32 || !offsets_fit || b * f == 0 {
            return Err(wrong());
        }
        Ok(vec![Tensor::f32(&[
            b,
            self.frame.planes * f,
            self.window.size,
            self.window.size,
        ])])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (slots, y) = (cx.input(0), cx.output(0));
        let (stacks, frames) = (slots.shape()[0], slots.shape()[1]);
        let offsets = if self.has_offsets() {
            cx.input(1)
        } else {
            slots.clone()
        };
        let pages = 1 + self.has_offsets() as usize;
        let Window { size, origin, .. } = self.window;
        let mut kernels: Vec<_> = ShaderInfo::find("stack_frames/stack_frames")
            .into_iter()
            .collect();
        // A lane for each row of pixels, where they are whole fours: on GPUs, neighbours
        // would write far apart.
        if cx.capabilities().software && size.is_multiple_of(4) {
            let quads = ShaderInfo::find("stack_frames/stack_frames.quads");
            kernels.splice(0..0, quads);
        }
        let FrameShape { planes, side } = self.frame;
        let class = format!("stack_frames {stacks}x{frames}x{planes}x{size}");
        // Measuring would need pages as large as the store's.
        let kernel = cx.choose_unmeasured(&class, &kernels).map_or("", |s| s.key);
        // Frames lie evenly among the pages.
        let gathered = y.tensor.len() / self.capacity.div_ceil(self.frames_per_page);
        for (page, first) in (0..self.capacity).step_by(self.frames_per_page).enumerate() {
            let buffer = cx.input(pages + page);
            cx.dispatch(kernel)
                .bind_part("page", &buffer, gathered)
                .bind("slots", &slots)
                .bind("offsets", &offsets)
                .bind_part("y", &y, gathered)
                .u32("stacks", stacks)
                .u32("frames", frames)
                .u32("planes", planes)
                .u32("side", side)
                .u32("size", size)
                .u32("first_slot", first)
                .u32(
                    "last_slot",
                    (first + self.frames_per_page).min(self.capacity),
                )
                .i32("origin", origin)
                .u32("most", self.window.most.unwrap_or(0))
                .u32("row_at", self.window.row_at)
                .u32("has_offsets", self.has_offsets() as usize)
                .linear_groups(stacks * frames)?;
        }
        Ok(())
    }
}

impl StackFrames {
    fn has_offsets(&self) -> bool {
        self.window.most.is_some()
    }
}

impl Var {
    /// Frame stacks: for slots u32[B, F] of `store`, f32[B, C·F, S, S] in 0..255, the C
    /// planes of frame f in channels C·f..C·f+C. With `shift`, (offsets u32[B, 2] in 0..=2·pad, pad),
    /// each stack is displaced by its own (x − pad, y − pad), border pixels repeated.
    /// Slots beyond the store leave their frame unwritten: the caller keeps them inside.
    pub fn stack_frames(
        &self,
        store: &FrameStore,
        shift: Option<(&Var, usize)>,
    ) -> Result<Var, TapeError> {
        let framing = match shift {
            Some((offsets, pad)) => Framing::Shift(offsets, pad),
            None => Framing::Centre,
        };
        self.stack_windows(store, store.shape().side, framing)
    }

    /// [`Var::stack_frames`] of `size`×`size` pixels of each frame, f32[B, C·F, size, size]:
    /// to the bit what [`Var::crop`], [`Var::center_crop`] and [`Var::shift`] would make of
    /// whole stacks, which are never stored.
    ///
    /// # Errors
    /// A window of no pixel or larger than a frame, a padding beyond 65,535; shapes that do
    /// not fit.
    pub fn stack_windows(
        &self,
        store: &FrameStore,
        size: usize,
        framing: Framing,
    ) -> Result<Var, TapeError> {
        let side = store.shape().side;
        let wrong = |message| {
            let op = "stack_frames";
            Err(TapeError::Option { op, message })
        };
        if !(1..=side).contains(&size) {
            return wrong(format!(
                "the window is {size} pixels wide; it must be 1 to the frame's, {side}"
            ));
        }
        let middle = ((side - size) / 2) as i32;
        let window = |origin, most| Window {
            size,
            origin,
            most,
            row_at: 0,
        };
        let (offsets, window) = match framing {
            Framing::Centre => (None, window(middle, None)),
            Framing::Crop(offsets) => (Some(offsets), window(0, Some(side - size))),
            Framing::Shift(_, pad) if pad > usize::from(u16::MAX) => {
                return wrong(format!(
                    "got a padding of {pad} pixels; expected at most {}",
                    u16::MAX
                ));
            }
            // The offsets of a shift are x, then y.
            Framing::Shift(offsets, pad) => {
                let shifted = Window {
                    row_at: 1,
                    ..window(middle - pad as i32, Some(2 * pad))
                };
                (Some(offsets), shifted)
            }
        };
        let pages: Vec<Var> = (store.pages().iter())
            .map(|page| {
                let range = BufferRange::whole(page);
                Var::source(
                    &self.graph,
                    Tensor::u8(&[range.size as usize]),
                    Source::External(range),
                )
            })
            .collect();
        let mut inputs = vec![self];
        inputs.extend(offsets);
        inputs.extend(&pages);
        let op = StackFrames {
            frame: store.shape(),
            capacity: store.capacity(),
            frames_per_page: store.frames_per_page(),
            window,
        };
        Var::record1(op, &inputs)
    }
}
