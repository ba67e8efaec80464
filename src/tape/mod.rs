//! Record → differentiate → compile → replay.
//!
//! Recording is lazy: `x.conv2d(&w, …)` checks shapes and appends a node, nothing
//! runs. [`Tape::gradients`] appends more nodes to the *same* tape, so a gradient
//! (or an attribution map) is an ordinary value. [`Tape::compile`] plans memory,
//! fuses tails, chooses kernels and builds a [`Program`] that replays without
//! allocating, creating pipelines or reading back.
//!
//! Nodes run in the order in which they were recorded. Operations that change
//! state (an optimiser step) take effect at their place in that order: what is
//! recorded after them sees the new state.

mod build;
mod compile;
mod gradient;
mod plan;
mod profile;
mod program;
mod tune;
mod watcher;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

pub use crate::ops::{Cost, DType, Gradient, TapeError, Tensor, Var};
pub use build::PlannedProgram;
pub use gradient::ArenaGradients;
pub use plan::MemoryReport;
pub use profile::{Profile, ProfileRow, TimedDispatch, Timer, summarise};
pub use program::{Call, Program};
pub use watcher::WatchedRow;

use crate::gpu::{Arena, BufferRange};
use crate::ops::{Graph, Shared, Source};

/// A recording. Cheap to clone: clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    graph: Shared,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Tape {
        Tape {
            graph: Rc::new(RefCell::new(Graph::default())),
        }
    }

    /// A tensor that the caller writes between runs (`Program::write`); the program
    /// owns its memory, zero at first. No other input that it reads may have this name.
    pub fn input(&self, name: &str, tensor: Tensor) -> Var {
        Var::source(&self.graph, tensor, Source::Input(name.to_string()))
    }

    /// A fixed f32 tensor. `data` has as many elements as `shape`.
    pub fn constant(&self, shape: &[usize], data: &[f32]) -> Result<Var, TapeError> {
        let tensor = Tensor::f32(shape);
        if data.len() != tensor.len() {
            return Err(TapeError::DataLength {
                name: format!("constant {tensor}"),
                expected: tensor.bytes(),
                given: 4 * data.len() as u64,
            });
        }
        let bytes: Vec<u8> = bytemuck::cast_slice(data).to_vec();
        Ok(Var::source(
            &self.graph,
            tensor,
            Source::Constant(bytes.into()),
        ))
    }

    /// An f32 tensor filled with one value.
    pub fn full(&self, shape: &[usize], value: f32) -> Var {
        let tensor = Tensor::f32(shape);
        let data = vec![value; tensor.len()];
        let bytes: Vec<u8> = bytemuck::cast_slice(&data).to_vec();
        Var::source(&self.graph, tensor, Source::Constant(bytes.into()))
    }

    /// The f32 tensor `name` of an arena.
    pub fn state(&self, arena: &Arena, name: &str) -> Result<Var, TapeError> {
        let Some(entry) = arena.layout().find(name) else {
            let known: Vec<_> = arena
                .layout()
                .entries()
                .iter()
                .map(|e| e.name.as_str())
                .collect();
            return Err(TapeError::UnknownName {
                what: "tensor in the arena",
                given: name.to_string(),
                known: known.join(", "),
            });
        };
        let source = Source::State(arena.clone(), entry.range());
        Ok(Var::source(&self.graph, Tensor::f32(&entry.shape), source))
    }

    /// A range of elements of an arena as one flat tensor.
    pub fn state_range(&self, arena: &Arena, elements: Range<usize>, dtype: DType) -> Var {
        let tensor = Tensor {
            shape: vec![elements.len()],
            dtype,
        };
        Var::source(&self.graph, tensor, Source::State(arena.clone(), elements))
    }

    /// A buffer of the caller's, at least as large as the tensor, which is at its start.
    ///
    /// # Errors
    /// [`TapeError::DataLength`] if it is smaller.
    pub fn external(&self, range: BufferRange, tensor: Tensor) -> Result<Var, TapeError> {
        if range.size < tensor.bytes() {
            return Err(TapeError::DataLength {
                name: format!("external {tensor}"),
                expected: tensor.bytes(),
                given: range.size,
            });
        }
        let range = BufferRange {
            size: tensor.bytes(),
            ..range
        };
        Ok(Var::source(&self.graph, tensor, Source::External(range)))
    }

    /// A texture of the caller's (any sampled 2-D float format); its texels are read
    /// by [`Var::texture_to_image`].
    pub fn texture(&self, view: &wgpu::TextureView, height: usize, width: usize) -> Var {
        let tensor = Tensor::f32(&[height, width, 4]);
        Var::source(&self.graph, tensor, Source::Texture(view.clone()))
    }

    /// Names a value so that a compiled program keeps it for reading. No other output of
    /// the tape may have this name.
    pub fn output(&self, name: &str, var: &Var) {
        self.graph
            .borrow_mut()
            .outputs
            .push((name.to_string(), var.id));
    }

    /// Names a scalar to watch: each run of a compiled program appends it to a
    /// small ring that is read asynchronously. No other watched scalar may have this name.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for anything but one f32.
    pub fn watch(&self, name: &str, scalar: &Var) -> Result<(), TapeError> {
        if scalar.len() != 1 || scalar.dtype() != DType::F32 {
            return Err(TapeError::Shape {
                op: "watch",
                given: scalar.tensor().to_string(),
                expected: "one f32".to_string(),
            });
        }
        self.graph
            .borrow_mut()
            .watched
            .push((name.to_string(), scalar.id));
        Ok(())
    }
}
