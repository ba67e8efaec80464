//! A store of uint8 frames in pages: RGB planes and what else there is to see, each
//! frame once, so that a store of any size respects the limits on buffers and bindings.

use super::{BufferRange, Gpu, GpuError, NoPages, Pages};

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

/// Frames of one shape in fixed slots.
#[derive(Debug, Clone)]
pub struct FrameStore {
    pages: Pages,
    shape: FrameShape,
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
        let wrong = |limit: u64| GpuError::Rejected {
            what: "frame store".to_string(),
            reason: format!(
                "frames of {}×{side}×{side} pixels: the side must be a multiple of 4 and a frame at most {limit} bytes",
                shape.planes
            ),
        };
        if !side.is_multiple_of(4) {
            let able = gpu.capabilities();
            return Err(wrong(able.max_binding.min(able.max_buffer).min(page_bytes)));
        }
        let pages = Pages::new(gpu, "frames", capacity, frame, page_bytes);
        let pages = pages.map_err(|e| match e {
            NoPages::SlotTooLarge { limit } => wrong(limit),
            NoPages::DoNotFit { fits } => GpuError::FramesDoNotFit {
                frames: capacity,
                image_size: side,
                bytes: capacity as u64 * frame as u64,
                fits,
            },
            NoPages::Gpu(e) => e,
        })?;
        Ok(FrameStore { pages, shape })
    }

    /// The pages, in order.
    pub fn pages(&self) -> &[wgpu::Buffer] {
        self.pages.buffers()
    }

    /// Slots in a page (the last may have fewer).
    pub fn frames_per_page(&self) -> usize {
        self.pages.slots_per_page()
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
        self.pages.capacity()
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.pages.bytes()
    }

    /// The page of a slot, and its number within the page.
    pub fn place(&self, slot: usize) -> (usize, usize) {
        self.pages.place(slot)
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
            Some(&last) if last as usize >= self.capacity() => wrong(format!(
                "slot {last} of a store of {} frames",
                self.capacity()
            )),
            _ => Ok(()),
        }
    }

    /// A slot as a range of its page.
    pub fn slot(&self, slot: usize) -> BufferRange {
        self.pages.slot(slot)
    }
}
