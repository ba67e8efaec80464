//! Arenas: many named tensors in one buffer, so that an optimiser step, an
//! exponential moving average or a norm is one dispatch over all of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BufferRange, Gpu, GpuError};

/// Elements to which every tensor in an arena is aligned: 256 bytes, the offset
/// alignment that WebGPU guarantees to suffice for bindings.
pub const ARENA_ALIGNMENT: usize = 64;

/// One tensor of an arena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArenaEntry {
    pub name: String,
    pub shape: Vec<usize>,
    /// First element, from the start of the arena.
    pub offset: usize,
}

impl ArenaEntry {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements, from the start of the arena.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// Names and places of the tensors of an arena, before it has memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArenaLayout {
    entries: Vec<ArenaEntry>,
    len: usize,
}

impl ArenaLayout {
    /// Appends a tensor and returns the range of elements that it takes, padding included.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize]) -> Range<usize> {
        let offset = self.len;
        let entry = ArenaEntry {
            name: name.into(),
            shape: shape.to_vec(),
            offset,
        };
        self.len += entry.len().max(1).next_multiple_of(ARENA_ALIGNMENT);
        self.entries.push(entry);
        offset..self.len
    }

    /// All tensors, in order.
    pub fn entries(&self) -> &[ArenaEntry] {
        &self.entries
    }

    /// The tensor of that name.
    pub fn find(&self, name: &str) -> Option<&ArenaEntry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// Elements in all, padding included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A buffer of 4-byte elements (f32, or u32 for counters) with a layout. Zeroed at
/// first; what lies between tensors stays zero.
#[derive(Debug, Clone)]
pub struct Arena(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    label: String,
    layout: ArenaLayout,
    buffer: wgpu::Buffer,
}

impl PartialEq for Arena {
    fn eq(&self, other: &Arena) -> bool {
        self.0.id == other.0.id
    }
}

impl Arena {
    /// Allocates an arena.
    pub fn new(gpu: &Gpu, label: &str, layout: ArenaLayout) -> Result<Arena, GpuError> {
        // An identity to compare arenas by, not state that anything depends on.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(Arena(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            label: label.to_string(),
            buffer: gpu.storage(label, layout.len() as u64 * 4)?,
            layout,
        })))
    }

    /// The name it was given.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Names and places.
    pub fn layout(&self) -> &ArenaLayout {
        &self.0.layout
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        self.0.buffer.size()
    }

    /// A range of elements as a range of the buffer.
    pub fn slice(&self, elements: Range<usize>) -> BufferRange {
        BufferRange {
            buffer: self.0.buffer.clone(),
            offset: elements.start as u64 * 4,
            size: elements.len() as u64 * 4,
        }
    }

    /// The tensor of that name as a range of the buffer.
    pub fn tensor(&self, name: &str) -> Option<BufferRange> {
        self.layout().find(name).map(|e| self.slice(e.range()))
    }

    /// Everything.
    pub fn whole(&self) -> BufferRange {
        BufferRange::whole(&self.0.buffer)
    }
}
