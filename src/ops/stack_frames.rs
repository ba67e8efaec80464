//! `stack_frames`: frame stacks gathered from a paged store of uint8 frames, with the
//! random shift of SPEC.md A.3 on the way.

use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{BufferRange, FrameShape, FrameStore};
use crate::ops::Source;

/// Inputs: slots u32[B, F]; offsets u32[B, 2] if any; then the pages.
#[derive(Debug)]
struct StackFrames {
    frame: FrameShape,
    capacity: usize,
    frames_per_page: usize,
    /// Largest shift, if stacks are shifted.
    pad: Option<usize>,
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
            self.pad.is_none() || (inputs[1].shape == [b, 2] && inputs[1].dtype == DType::U32);
        if inputs[0].dtype != DType::U32 || !offsets_fit || b * f == 0 {
            return Err(wrong());
        }
        Ok(vec![Tensor::f32(&[
            b,
            self.frame.planes * f,
            self.frame.side,
            self.frame.side,
        ])])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (slots, y) = (cx.input(0), cx.output(0));
        let (stacks, frames) = (slots.shape()[0], slots.shape()[1]);
        let offsets = if self.pad.is_some() {
            cx.input(1)
        } else {
            slots.clone()
        };
        let pages = 1 + self.pad.is_some() as usize;
        let mut kernels: Vec<_> = ShaderInfo::find("stack_frames/stack_frames")
            .into_iter()
            .collect();
        // A lane for each row of pixels, which are whole fours in every store: on GPUs,
        // neighbours would write far apart.
        if cx.capabilities().software {
            let quads = ShaderInfo::find("stack_frames/stack_frames.quads");
            kernels.splice(0..0, quads);
        }
        let FrameShape { planes, side } = self.frame;
        let class = format!("stack_frames {stacks}x{frames}x{planes}x{side}");
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
                .u32("first_slot", first)
                .u32(
                    "last_slot",
                    (first + self.frames_per_page).min(self.capacity),
                )
                .u32("pad", self.pad.unwrap_or(0))
                .u32("has_offsets", self.pad.is_some() as usize)
                .linear_groups(stacks * frames)?;
        }
        Ok(())
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
        inputs.extend(shift.map(|(offsets, _)| offsets));
        inputs.extend(&pages);
        let op = StackFrames {
            frame: store.shape(),
            capacity: store.capacity(),
            frames_per_page: store.frames_per_page(),
            pad: shift.map(|(_, pad)| pad),
        };
        Var::record1(op, &inputs)
    }
}
