//! Values on a tape, and the graph that they are recorded on.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use super::{DType, Op, TapeError, Tensor};
use crate::gpu::{Arena, BufferRange};

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A result of a node.
    Node,
    /// Written by the caller between runs; the program owns the memory.
    Input(String),
    /// Fixed bytes, uploaded when the program is compiled.
    Constant(Rc<[u8]>),
    /// Elements of an arena; operations may change them.
    State(Arena, Range<usize>),
    /// A buffer of the caller's.
    External(BufferRange),
    /// A texture of the caller's.
    Texture(wgpu::TextureView),
}

#[derive(Debug)]
pub(crate) struct Value {
    pub tensor: Tensor,
    pub source: Source,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub op: Rc<dyn Op>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

/// Everything recorded so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub values: Vec<Value>,
    pub nodes: Vec<Node>,
    /// Values that a person reads: (name, value).
    pub outputs: Vec<(String, usize)>,
    /// Scalars to watch: (name, value).
    pub watched: Vec<(String, usize)>,
}

pub(crate) type Shared = Rc<RefCell<Graph>>;

/// A value on a tape: lazy, shape-checked; a cheap handle.
#[derive(Clone)]
pub struct Var {
    pub(crate) graph: Shared,
    pub(crate) id: usize,
}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Var {} {}", self.id, self.tensor())
    }
}

impl Var {
    /// Appends a value that no operation computes.
    pub(crate) fn source(graph: &Shared, tensor: Tensor, source: Source) -> Var {
        let mut g = graph.borrow_mut();
        // The same range of the same arena is the same value, so that gradients
        // with respect to it add up.
        if let Source::State(arena, range) = &source {
            let same = g.values.iter().position(|v| {
                v.tensor == tensor
                    && matches!(&v.source, Source::State(a, r) if a == arena && r == range)
            });
            if let Some(id) = same {
                return Var {
                    graph: graph.clone(),
                    id,
                };
            }
        }
        g.values.push(Value { tensor, source });
        Var {
            graph: graph.clone(),
            id: g.values.len() - 1,
        }
    }

    /// Appends a node; returns its outputs.
    pub(crate) fn record(op: impl Op + 'static, inputs: &[&Var]) -> Result<Vec<Var>, TapeError> {
        let Some(first) = inputs.first() else {
            return Err(TapeError::Option {
                op: op.name(),
                message: "needs at least one operand".to_string(),
            });
        };
        let graph = first.graph.clone();
        if inputs.iter().any(|v| !Rc::ptr_eq(&v.graph, &graph)) {
            return Err(TapeError::ForeignVar { op: op.name() });
        }
        let tensors: Vec<Tensor> = inputs.iter().map(|v| v.tensor()).collect();
        let outputs = op.infer(&tensors.iter().collect::<Vec<_>>())?;
        let mut g = graph.borrow_mut();
        let first_id = g.values.len();
        let ids: Vec<usize> = (first_id..first_id + outputs.len()).collect();
        for tensor in outputs {
            let source = Source::Node;
            g.values.push(Value { tensor, source });
        }
        g.nodes.push(Node {
            op: Rc::new(op),
            inputs: inputs.iter().map(|v| v.id).collect(),
            outputs: ids.clone(),
        });
        drop(g);
        Ok(ids
            .into_iter()
            .map(|id| Var {
                graph: graph.clone(),
                id,
            })
            .collect())
    }

    /// Appends a node with one output.
    pub(crate) fn record1(op: impl Op + 'static, inputs: &[&Var]) -> Result<Var, TapeError> {
        let name = op.name();
        Var::record(op, inputs)?.pop().ok_or(TapeError::Option {
            op: name,
            message: "has no output".to_string(),
        })
    }

    /// Shape and element type.
    pub fn tensor(&self) -> Tensor {
        self.graph.borrow().values[self.id].tensor.clone()
    }

    /// Shape.
    pub fn shape(&self) -> Vec<usize> {
        self.tensor().shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.tensor().dtype
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.tensor().len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A fixed f32 tensor on the same tape as `self`.
    pub(crate) fn constant_like(&self, shape: &[usize], data: &[f32]) -> Var {
        let bytes: Vec<u8> = bytemuck::cast_slice(data).to_vec();
        Var::source(
            &self.graph,
            Tensor::f32(shape),
            Source::Constant(bytes.into()),
        )
    }
}
