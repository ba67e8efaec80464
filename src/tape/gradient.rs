//! Reverse-mode differentiation: gradients are recorded on the same tape.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Gradient, Tape, TapeError, Var};
use crate::gpu::{Arena, BufferRange};
use crate::ops::{Backward, Graph, Pack, Source, Value};

/// The gradients of an arena's tensors: see [`Tape::arena_gradients`].
#[derive(Debug, Clone)]
pub struct ArenaGradients {
    /// All of them, `f32[N]`, laid out like the arena's range; zero where the scalar
    /// does not depend on a parameter. What [`Var::adam`] takes.
    pub packed: Var,
    /// One for each tensor that the scalar depends on, by its name.
    pub named: Vec<(String, Var)>,
}

impl Tape {
    /// Records d `scalar` / d `wrt[i]` for each i; `None` where the scalar does not
    /// depend on it. `rule` says how ReLUs pass gradients back.
    ///
    /// # Errors
    /// [`TapeError::Shape`] if `scalar` is none, and those of
    /// [`gradients_seeded`](Self::gradients_seeded).
    pub fn gradients(
        &self,
        scalar: &Var,
        wrt: &[Var],
        rule: Gradient,
    ) -> Result<Vec<Option<Var>>, TapeError> {
        if scalar.len() != 1 {
            return Err(TapeError::Shape {
                op: "gradients",
                given: scalar.tensor().to_string(),
                expected: "a scalar; seed other values with gradients_seeded".to_string(),
            });
        }
        let seed = self.full(&scalar.shape(), 1.0);
        self.gradients_seeded(&[(scalar.clone(), seed)], wrt, rule)
    }

    /// Records Σ ⟨seed, ∂output/∂`wrt[i]`⟩ over the pairs (output, seed).
    ///
    /// # Errors
    /// [`TapeError::Shape`] for a seed of another shape than its output;
    /// [`TapeError::NotDifferentiable`]; [`TapeError::Stale`] where an operation read what has
    /// been changed since, be it a state or a buffer of the caller's, by itself or reshaped.
    pub fn gradients_seeded(
        &self,
        outputs: &[(Var, Var)],
        wrt: &[Var],
        rule: Gradient,
    ) -> Result<Vec<Option<Var>>, TapeError> {
        let mut gradients: HashMap<usize, Var> = HashMap::new();
        for (output, seed) in outputs {
            if output.shape() != seed.shape() {
                return Err(TapeError::Shape {
                    op: "gradients",
                    given: seed.tensor().to_string(),
                    expected: format!("a seed shaped like {}", output.tensor()),
                });
            }
            accumulate(&mut gradients, output.id, seed.clone())?;
        }
        let (dependent, aliases, count) = {
            let graph = self.graph.borrow();
            (dependents(&graph, wrt), aliases(&graph), graph.nodes.len())
        };
        for node in (0..count).rev() {
            let (op, inputs, outputs) = {
                let graph = self.graph.borrow();
                let n = &graph.nodes[node];
                let reached = n.outputs.iter().any(|o| gradients.contains_key(o));
                if !reached || !n.inputs.iter().any(|i| dependent.contains(i)) {
                    continue;
                }
                (n.op.clone(), n.inputs.clone(), n.outputs.clone())
            };
            self.check_fresh(node, &aliases)?;
            let vars = |ids: &[usize]| -> Vec<Var> {
                ids.iter()
                    .map(|&id| Var {
                        graph: self.graph.clone(),
                        id,
                    })
                    .collect()
            };
            let grads: Vec<_> = outputs.iter().map(|o| gradients.get(o).cloned()).collect();
            let needs: Vec<_> = inputs.iter().map(|i| dependent.contains(i)).collect();
            let (input_vars, output_vars) = (vars(&inputs), vars(&outputs));
            let found = op.gradient(&Backward {
                inputs: &input_vars,
                outputs: &output_vars,
                grads: &grads,
                needs: &needs,
                rule,
            })?;
            for ((input, gradient), needed) in inputs.iter().zip(found).zip(&needs) {
                if let (Some(gradient), true) = (gradient, *needed) {
                    accumulate(&mut gradients, *input, gradient)?;
                }
            }
        }
        Ok(wrt.iter().map(|w| gradients.get(&w.id).cloned()).collect())
    }

    /// Records the true gradient of `scalar` with respect to every tensor of an arena
    /// that starts within `elements`. The gradients are computed in their places in one
    /// flat value, so that an optimiser's step is one dispatch over all of them.
    pub fn arena_gradients(
        &self,
        scalar: &Var,
        arena: &Arena,
        elements: Range<usize>,
    ) -> Result<ArenaGradients, TapeError> {
        let entries = arena.layout().entries().iter();
        let entries: Vec<_> = entries.filter(|e| elements.contains(&e.offset)).collect();
        let wrt: Vec<Var> = (entries.iter())
            .map(|e| self.state(arena, &e.name))
            .collect::<Result<_, _>>()?;
        let gradients = self.gradients(scalar, &wrt, Gradient::True)?;
        let (mut named, mut parts, mut offsets) = (vec![], vec![], vec![]);
        for (entry, gradient) in entries.iter().zip(gradients) {
            if let Some(g) = gradient {
                offsets.push(entry.offset - elements.start);
                parts.push(g.clone());
                named.push((entry.name.clone(), g));
            }
        }
        Ok(ArenaGradients {
            packed: Pack::record(&parts, offsets, elements.len())?,
            named,
        })
    }

    /// An error if memory that `node` read, itself or as an alias, was changed by a later
    /// node: its gradient would be computed from other values than its result was.
    fn check_fresh(&self, node: usize, aliases: &HashMap<usize, usize>) -> Result<(), TapeError> {
        let graph = self.graph.borrow();
        for input in &graph.nodes[node].inputs {
            let mut root = input;
            while let Some(of) = aliases.get(root) {
                root = of;
            }
            let value = &graph.values[*root];
            let Some(read) = memory(value) else {
                continue;
            };
            for later in &graph.nodes[node + 1..] {
                let mut written = later.op.writes().iter().map(|&w| later.inputs[w]);
                if written.any(|w| memory(&graph.values[w]).is_some_and(|w| overlap(&w, &read))) {
                    return Err(TapeError::Stale {
                        op: graph.nodes[node].op.name(),
                        state: name(value),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The value that each alias is an alias of.
fn aliases(graph: &Graph) -> HashMap<usize, usize> {
    let nodes = graph.nodes.iter().filter(|n| n.op.is_alias());
    nodes.map(|n| (n.outputs[0], n.inputs[0])).collect()
}

/// Memory of a value that operations may change.
fn memory(value: &Value) -> Option<BufferRange> {
    match &value.source {
        Source::State(arena, range) => Some(arena.slice(range.clone())),
        Source::External(range) => Some(range.clone()),
        _ => None,
    }
}

fn overlap(a: &BufferRange, b: &BufferRange) -> bool {
    a.buffer == b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size
}

/// What a person calls a value whose memory operations may change.
fn name(value: &Value) -> String {
    let Source::State(arena, range) = &value.source else {
        return format!("external {}", value.tensor);
    };
    let mut entries = arena.layout().entries().iter();
    let entry = entries.find(|e| e.offset == range.start);
    entry.map_or(arena.label().to_string(), |e| e.name.clone())
}

/// All values that depend on one of `wrt`, those included.
fn dependents(graph: &Graph, wrt: &[Var]) -> HashSet<usize> {
    let mut set: HashSet<usize> = wrt.iter().map(|w| w.id).collect();
    for node in &graph.nodes {
        if node.inputs.iter().any(|i| set.contains(i)) {
            set.extend(&node.outputs);
        }
    }
    set
}

fn accumulate(
    gradients: &mut HashMap<usize, Var>,
    id: usize,
    gradient: Var,
) -> Result<(), TapeError> {
    let sum = match gradients.get(&id) {
        Some(before) => before.add(&gradient)?,
        None => gradient,
    };
    gradients.insert(id, sum);
    Ok(())
}
