//! A store of what a frozen encoder makes of frames.

use crate::gpu::{BufferRange, Gpu, GpuError, NoPages, Pages};
use crate::ops::{TapeError, Tensor, Var};
use crate::tape::Tape;

/// Embeddings in slots, f32[capacity, width] in pages.
#[derive(Debug, Clone)]
pub struct LatentStore {
    pages: Pages,
    width: usize,
}

impl LatentStore {
    /// Allocates `capacity` slots.
    ///
    /// # Errors
    /// [`GpuError::LatentsDoNotFit`] with the number that do; those of allocating.
    pub fn new(gpu: &Gpu, capacity: usize, width: usize) -> Result<LatentStore, GpuError> {
        LatentStore::with_page_limit(gpu, capacity, width, u64::MAX)
    }

    /// [`LatentStore::new`] with pages of at most `page_bytes`, where the device would
    /// allow larger ones.
    pub fn with_page_limit(
        gpu: &Gpu,
        capacity: usize,
        width: usize,
        page_bytes: u64,
    ) -> Result<LatentStore, GpuError> {
        let do_not_fit = |fits| GpuError::LatentsDoNotFit {
            latents: capacity,
            width,
            fits,
        };
        let pages = Pages::new(gpu, "latents", capacity, 4 * width, page_bytes);
        let pages = pages.map_err(|e| match e {
            NoPages::SlotTooLarge { .. } => do_not_fit(0),
            NoPages::DoNotFit { fits } => do_not_fit(fits),
            NoPages::Gpu(e) => e,
        })?;
        Ok(LatentStore { pages, width })
    }

    /// Components of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.pages.capacity()
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.pages.bytes()
    }

    /// Where an embedding is.
    pub fn slot(&self, slot: usize) -> BufferRange {
        self.pages.slot(slot)
    }

    /// The pages, in order, each f32[slots, width].
    ///
    /// # Errors
    /// Those of [`Tape::external`].
    pub fn tables(&self, tape: &Tape) -> Result<Vec<Var>, TapeError> {
        let each = self.pages.slots_per_page();
        let pages = self.pages.buffers().iter().enumerate();
        pages
            .map(|(page, buffer)| {
                let slots = each.min(self.capacity() - page * each);
                let table = Tensor::f32(&[slots, self.width]);
                tape.external(BufferRange::whole(buffer), table)
            })
            .collect()
    }

    /// The embeddings in `slots` `u32[N]`: `f32[N, width]`.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn gather(&self, tape: &Tape, slots: &Var) -> Result<Var, TapeError> {
        Var::gather_pages(&self.tables(tape)?, slots)
    }
}
