//! Slots of one size in pages, so that a store of any size respects the limits on buffers
//! and bindings.

use super::{BufferRange, Gpu, GpuError};

/// `capacity` slots of equal size; slot s lies in page s / slots_per_page.
#[derive(Debug, Clone)]
pub struct Pages {
    buffers: Vec<wgpu::Buffer>,
    slots_per_page: usize,
    slot_bytes: usize,
    capacity: usize,
}

/// Why there are no pages.
#[derive(Debug)]
pub(crate) enum NoPages {
    /// A slot is larger than a page, which has so many bytes at most.
    SlotTooLarge {
        limit: u64,
    },
    /// Memory holds only so many slots.
    DoNotFit {
        fits: usize,
    },
    Gpu(GpuError),
}

impl Pages {
    /// Allocates pages of at most `page_bytes`, and of what the device allows; none where
    /// memory is known ([`Gpu::free_memory`]) not to hold all of them.
    pub(crate) fn new(
        gpu: &Gpu,
        what: &str,
        capacity: usize,
        slot_bytes: usize,
        page_bytes: u64,
    ) -> Result<Pages, NoPages> {
        let (able, slot) = (gpu.capabilities(), slot_bytes as u64);
        let capacity = capacity.max(1);
        let limit = able.max_binding.min(able.max_buffer).min(page_bytes);
        let slots_per_page = match limit.checked_div(slot) {
            None | Some(0) => return Err(NoPages::SlotTooLarge { limit }),
            Some(slots) => capacity.min(slots as usize),
        };
        if let Some(free) = gpu.free_memory()
            && capacity as u64 * slot > free
        {
            let fits = (free / slot) as usize;
            return Err(NoPages::DoNotFit { fits });
        }
        let mut buffers = vec![];
        for first in (0..capacity).step_by(slots_per_page) {
            let slots = slots_per_page.min(capacity - first);
            match gpu.storage(what, slots as u64 * slot) {
                Ok(buffer) => buffers.push(buffer),
                Err(GpuError::OutOfMemory { .. }) => return Err(NoPages::DoNotFit { fits: first }),
                Err(e) => return Err(NoPages::Gpu(e)),
            }
        }
        Ok(Pages {
            buffers,
            slots_per_page,
            slot_bytes,
            capacity,
        })
    }

    /// The pages, in order.
    pub fn buffers(&self) -> &[wgpu::Buffer] {
        &self.buffers
    }

    /// Slots in a page (the last may have fewer).
    pub fn slots_per_page(&self) -> usize {
        self.slots_per_page
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|page| page.size()).sum()
    }

    /// The page of a slot, and its number within the page.
    pub fn place(&self, slot: usize) -> (usize, usize) {
        (slot / self.slots_per_page, slot % self.slots_per_page)
    }

    /// A slot as a range of its page.
    pub fn slot(&self, slot: usize) -> BufferRange {
        let (page, within) = self.place(slot);
        let bytes = self.slot_bytes as u64;
        BufferRange {
            buffer: self.buffers[page].clone(),
            offset: within as u64 * bytes,
            size: bytes,
        }
    }
}
