//! A store of uint8 frames in pages: RGB planes and what else there is to see, each
//! frame once, so that a store of any size respects the limits on buffers and bindings.

use super::{BufferRange, Gpu, GpuError};

/// What a frame is: u8[planes, side, side].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameShape {
    /// 1 or more: 3 for RGB, 4 for RGB and saliency, 1 for saliency alone.
    pub planes: usize,
    /// Height and width in pixels.
    pub side: usize,
}

impl FrameShape {
    /// Red, green and blue.
    pub fn rgb(side: usize) -> FrameShape {
        FrameShape { planes: 3, side }
    }

    /// Red, green, blue, and where somebody who knows the task would look.
    pub fn rgb_and_saliency(side: usize) -> FrameShape {
        FrameShape { planes: 4, side }
    }

    /// Bytes of a frame.
    pub fn bytes(&self) -> usize {
        self.planes * self.side * self.side
    }
}

/// Frames of one shape in fixed slots. Slot s lies in page s / frames_per_page.
#[derive(Debug, Clone)]
pub struct FrameStore {
    pages: Vec<wgpu::Buffer>,
    frames_per_page: usize,
    shape: FrameShape,
    capacity: usize,
}

impl FrameStore {
    /// Instead of a slot: no frame goes anywhere.
    pub const NO_SLOT: u32 = u32::MAX;

    /// A store of `capacity` frames; their side is a multiple of 4, so that rows are
    /// whole words.
    ///
    /// # Errors
    /// [`GpuError::FramesDoNotFit`] with the number of frames that do, before anything
    /// is allocated where memory is known ([`Gpu::free_memory`]); [`GpuError::Rejected`]
    /// for a side that is wrong.
    pub fn new(gpu: &Gpu, capacity: usize, shape: FrameShape) -> Result<FrameStore, GpuError> {
        FrameStore::with_page_limit(gpu, capacity, shape, u64::MAX)
    }

    /// [`FrameStore::new`] with pages of at most `page_bytes`, where the device would
    /// allow larger ones.
    pub fn with_page_limit(
        gpu: &Gpu,
        capacity: usize,
        shape: FrameShape,
        page_bytes: u64,
    ) -> Result<FrameStore, GpuError> {
        let (frame, side) = (shape.bytes(), shape.side);
        let able = gpu.capabilities();
        let limit = able.max_binding.min(able.max_buffer).min(page_bytes) as usize;
        let per_page = limit.checked_div(frame).unwrap_or(0).min(capacity.max(1));
        if per_page == 0 || !side.is_multiple_of(4) {
            return Err(GpuError::Rejected {
                what: "frame store".to_string(),
                reason: format!(
                    "frames of {}×{side}×{side} pixels: the side must be a multiple of 4 and a frame at most {limit} bytes",
                    shape.planes
                ),
            });
        }
        let do_not_fit = |fits: usize| GpuError::FramesDoNotFit {
            frames: capacity,
            image_size: side,
            bytes: capacity as u64 * frame as u64,
            fits,
        };
        if let Some(free) = gpu.free_memory()
            && capacity as u64 * frame as u64 > free
        {
            return Err(do_not_fit((free / frame as u64) as usize));
        }
        let mut pages: Vec<wgpu::Buffer> = vec![];
        for first in (0..capacity.max(1)).step_by(per_page) {
            let frames = per_page.min(capacity.max(1) - first);
            match gpu.storage("frames", (frames * frame) as u64) {
                Ok(page) => pages.push(page),
                Err(GpuError::OutOfMemory { .. }) => return Err(do_not_fit(first)),
                Err(e) => return Err(e),
            }
        }
        Ok(FrameStore {
            pages,
            frames_per_page: per_page,
            shape,
            capacity: capacity.max(1),
        })
    }

    /// The pages, in order.
    pub fn pages(&self) -> &[wgpu::Buffer] {
        &self.pages
    }

    /// Slots in a page (the last may have fewer).
    pub fn frames_per_page(&self) -> usize {
        self.frames_per_page
    }

    /// What a frame is.
    pub fn shape(&self) -> FrameShape {
        self.shape
    }

    /// Height and width of a frame.
    pub fn image_size(&self) -> usize {
        self.shape.side
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.shape.bytes()
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The page of a slot, and its number within the page.
    pub fn place(&self, slot: usize) -> (usize, usize) {
        (slot / self.frames_per_page, slot % self.frames_per_page)
    }

    /// An error if one of `slots` is neither a slot nor [`FrameStore::NO_SLOT`], or
    /// stands there twice: two frames cannot go to one place.
    pub(crate) fn check_slots(&self, slots: &[u32]) -> Result<(), GpuError> {
        let wrong = |reason: String| {
            Err(GpuError::Rejected {
                what: "frame slots".to_string(),
                reason,
            })
        };
        let mut given: Vec<u32> = (slots.iter().copied())
            .filter(|&slot| slot != FrameStore::NO_SLOT)
            .collect();
        given.sort_unstable();
        if let Some(twice) = given.windows(2).find(|pair| pair[0] == pair[1]) {
            return wrong(format!("slot {} is given twice", twice[0]));
        }
        match given.last() {
            Some(&last) if last as usize >= self.capacity => wrong(format!(
                "slot {last} of a store of {} frames",
                self.capacity
            )),
            _ => Ok(()),
        }
    }

    /// A slot as a range of its page.
    pub fn slot(&self, slot: usize) -> BufferRange {
        let (page, within) = self.place(slot);
        let bytes = self.frame_bytes() as u64;
        BufferRange {
            buffer: self.pages[page].clone(),
            offset: within as u64 * bytes,
            size: bytes,
        }
    }
}
