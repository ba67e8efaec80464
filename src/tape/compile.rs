//! From a recording to a program: drop what nobody needs, fuse tails, place
//! results inside packs, lower to dispatches, plan memory.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::build::PlannedProgram;
use super::plan::{Slot, plan};
use super::program::Program;
use super::tune::tune;
use super::watcher::Watcher;
use super::{Tape, TapeError, Tensor, Var};
use crate::gpu::{BufferRange, Gpu};
use crate::ops::{Choosing, Dispatch, Graph, Lower, Op, Operand, Pack, Source, Storage, Watch};

/// A node that will run.
pub(super) struct Work {
    pub op: Rc<dyn Op>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl Tape {
    /// Compiles everything recorded that an output, a watched scalar or a change of
    /// state depends on.
    ///
    /// # Errors
    /// Those of [`Tape::plan`].
    pub fn compile(&self, gpu: &Gpu) -> Result<Program, TapeError> {
        self.plan(gpu)?.build()
    }

    /// [`Tape::compile`] up to where it takes memory and makes kernels: what a program
    /// will need is known before the device is asked for it. Watched scalars belong to
    /// the first program that is planned.
    ///
    /// # Errors
    /// [`TapeError::DuplicateName`] for two inputs that it reads, two outputs or two watched
    /// scalars of one name; [`TapeError::Shape`] for values without elements; [`TapeError::TooLarge`] and
    /// [`TapeError::TooManyGroups`] for what the device cannot do; those of the device.
    pub fn plan(&self, gpu: &Gpu) -> Result<PlannedProgram, TapeError> {
        let (nodes, values) = {
            let graph = self.graph.borrow();
            (graph.nodes.len(), graph.values.len())
        };
        let planned = self.plan_watched(gpu);
        let mut graph = self.graph.borrow_mut();
        // The copy into the ring is this program's: another must not run it, too.
        graph.nodes.truncate(nodes);
        graph.values.truncate(values);
        if planned.is_ok() {
            graph.watched.clear();
        }
        planned
    }

    fn plan_watched(&self, gpu: &Gpu) -> Result<PlannedProgram, TapeError> {
        let watcher = self.record_watch(gpu)?;
        let graph = self.graph.borrow();
        let work = fuse(&graph, live(&graph));
        let mut memory = Memory::assign(gpu, &graph, &work)?;
        tune(gpu, &memory, &work)?;
        let dispatches = memory.lower(gpu, &work)?;
        Ok(memory.planned(gpu, &graph, dispatches, watcher))
    }

    /// Records the copy of watched scalars into their ring.
    fn record_watch(&self, gpu: &Gpu) -> Result<Option<Watcher>, TapeError> {
        let watched = self.graph.borrow().watched.clone();
        if watched.is_empty() {
            return Ok(None);
        }
        require_own_names("watched scalar", &watched)?;
        let vars: Vec<Var> = (watched.iter())
            .map(|(_, id)| Var {
                graph: self.graph.clone(),
                id: *id,
            })
            .collect();
        let watcher = Watcher::new(gpu, watched.into_iter().map(|(name, _)| name).collect())?;
        let offsets = (0..vars.len()).map(|i| i * 64).collect();
        let packed = Pack::record(&vars, offsets, vars.len() * 64)?;
        let ring = self.external(
            watcher.ring().clone(),
            Tensor::u32(&[watcher.ring().size as usize / 4]),
        )?;
        Watch::record(&packed, &ring, vars.len())?;
        Ok(Some(watcher))
    }
}

/// An error if a tensor has no elements: nothing can be bound to a shader that is nothing.
fn require_elements(op: &'static str, tensor: &Tensor) -> Result<(), TapeError> {
    match tensor.is_empty() {
        true => Err(TapeError::Shape {
            op,
            given: tensor.to_string(),
            expected: "at least one element".to_string(),
        }),
        false => Ok(()),
    }
}

/// An error if two of these values have one name.
fn require_own_names(what: &'static str, named: &[(String, usize)]) -> Result<(), TapeError> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (name, id) in named {
        if known.insert(name, *id).is_some_and(|other| other != *id) {
            let name = name.clone();
            return Err(TapeError::DuplicateName { what, name });
        }
    }
    Ok(())
}

/// Nodes that an output or a change of state depends on, in recorded order.
fn live(graph: &Graph) -> Vec<Work> {
    let mut needed: HashSet<usize> = graph.outputs.iter().map(|(_, id)| *id).collect();
    let mut work = vec![];
    for node in graph.nodes.iter().rev() {
        if !node.op.writes().is_empty() || node.outputs.iter().any(|o| needed.contains(o)) {
            needed.extend(&node.inputs);
            work.push(Work {
                op: node.op.clone(),
                inputs: node.inputs.clone(),
                outputs: node.outputs.clone(),
            });
        }
    }
    work.reverse();
    work
}

/// Merges pointwise tails into what produces their operand, where nobody else
/// reads the operand and no state changes in between.
fn fuse(graph: &Graph, work: Vec<Work>) -> Vec<Work> {
    let mut uses: HashMap<usize, usize> = HashMap::new();
    for id in work.iter().flat_map(|w| &w.inputs) {
        *uses.entry(*id).or_default() += 1;
    }
    for (_, id) in &graph.outputs {
        *uses.entry(*id).or_default() += 1;
    }
    let mut fused: Vec<Option<Work>> = vec![];
    let mut producer: HashMap<usize, usize> = HashMap::new();
    let mut last_write = 0;
    for w in work {
        let mut w = w;
        if let Some(epilogue) = w.op.as_epilogue()
            && let Some(&p) = producer.get(&w.inputs[0])
            && p >= last_write
            && uses.get(&w.inputs[0]) == Some(&1)
            && let Some(before) = &fused[p]
            && let Some(op) = before.op.with_epilogue(epilogue)
        {
            let mut inputs = before.inputs.clone();
            inputs.extend(&w.inputs[1..]);
            w = Work {
                op,
                inputs,
                outputs: w.outputs,
            };
            fused[p] = None;
        }
        if !w.op.writes().is_empty() {
            last_write = fused.len();
        }
        for o in &w.outputs {
            producer.insert(*o, fused.len());
        }
        fused.push(Some(w));
    }
    fused.into_iter().flatten().collect()
}

/// Storage of every value, slots growing as operations ask for workspaces.
pub(super) struct Memory {
    /// Value → operand.
    operands: HashMap<usize, Operand>,
    /// Bytes of each slot.
    slots: Vec<u64>,
    /// Slots that keep their memory for the program's whole life.
    kept: HashSet<usize>,
    /// Among those, slots whose bytes are not all written by each run.
    partly_written: HashSet<usize>,
    /// Inputs by name.
    inputs: Vec<(String, usize)>,
}

impl Memory {
    fn assign(gpu: &Gpu, graph: &Graph, work: &[Work]) -> Result<Memory, TapeError> {
        let mut memory = Memory {
            operands: HashMap::new(),
            slots: vec![],
            kept: HashSet::new(),
            partly_written: HashSet::new(),
            inputs: vec![],
        };
        let placed = memory.place_in_packs(graph, work);
        let mut constants: Vec<(usize, Rc<[u8]>)> = vec![];
        // What a node reads, and what is an output without being computed.
        let read = (work.iter()).flat_map(|w| w.inputs.iter().map(|id| (w.op.name(), id)));
        let outputs = graph.outputs.iter().map(|(_, id)| ("output", id));
        for (reader, id) in read.chain(outputs) {
            require_elements(reader, &graph.values[*id].tensor)?;
            if memory.operands.contains_key(id) {
                continue;
            }
            let tensor = graph.values[*id].tensor.clone();
            match &graph.values[*id].source {
                Source::Node => {}
                Source::Input(name) => {
                    let slot = memory.slot(tensor.bytes());
                    memory.kept.insert(slot);
                    memory.partly_written.insert(slot);
                    memory.inputs.push((name.clone(), *id));
                    memory.put(*id, Storage::Slot(slot), 0, tensor);
                }
                Source::Constant(bytes) => {
                    // Placed below, all in one buffer.
                    if !constants.iter().any(|(c, _)| c == id) {
                        constants.push((*id, bytes.clone()));
                    }
                }
                Source::State(arena, range) => {
                    memory.put(*id, Storage::Range(arena.slice(range.clone())), 0, tensor);
                }
                Source::External(range) => {
                    memory.put(*id, Storage::Range(range.clone()), 0, tensor)
                }
                Source::Texture(view) => memory.put(*id, Storage::Texture(view.clone()), 0, tensor),
            }
        }
        require_own_names("input", &memory.inputs)?;
        require_own_names("output", &graph.outputs)?;
        memory.upload_constants(gpu, graph, &constants)?;
        for w in work {
            for (i, id) in w.outputs.iter().enumerate() {
                let tensor = graph.values[*id].tensor.clone();
                require_elements(w.op.name(), &tensor)?;
                if w.op.is_alias() && i == 0 {
                    let mut operand = memory.operands[&w.inputs[0]].clone();
                    operand.tensor = tensor;
                    memory.operands.insert(*id, operand);
                } else if let Some(&(slot, offset)) = placed.get(id) {
                    memory.put(*id, Storage::Slot(slot), offset, tensor);
                } else if !memory.operands.contains_key(id) {
                    let slot = memory.slot(tensor.bytes());
                    memory.put(*id, Storage::Slot(slot), 0, tensor);
                }
            }
        }
        for (_, id) in &graph.outputs {
            if let Some(Operand {
                storage: Storage::Slot(slot),
                ..
            }) = memory.operands.get(id)
            {
                memory.kept.insert(*slot);
            }
        }
        Ok(memory)
    }

    fn slot(&mut self, bytes: u64) -> usize {
        self.slots.push(bytes);
        self.slots.len() - 1
    }

    fn put(&mut self, id: usize, storage: Storage, offset: u64, tensor: Tensor) {
        let size = tensor.bytes();
        self.operands.insert(
            id,
            Operand {
                storage,
                offset,
                size,
                tensor,
            },
        );
    }

    /// Gives the inputs of packs their place inside the pack, where they are results
    /// of operations (through reshapes), are packed once, and are not computed from
    /// what lies in the same pack already, nor beside it by an operation that reads it:
    /// a dispatch cannot read and write one buffer. All others are copied.
    fn place_in_packs(&mut self, graph: &Graph, work: &[Work]) -> HashMap<usize, (usize, u64)> {
        let producer: HashMap<usize, &Work> = (work.iter())
            .flat_map(|w| w.outputs.iter().map(move |o| (*o, w)))
            .collect();
        let root_of = |id: usize| {
            let mut root = id;
            while let Some(p) = producer.get(&root)
                && p.op.is_alias()
            {
                root = p.inputs[0];
            }
            root
        };
        let reads = |reader: usize, read: usize| {
            (producer.get(&reader)).is_some_and(|p| p.inputs.iter().any(|i| root_of(*i) == read))
        };
        // Neither is computed from the other.
        let apart = |a: usize, b: usize| {
            let beside = (producer.get(&a))
                .is_some_and(|p| p.outputs.contains(&b) && !p.op.outputs_share_buffer());
            !beside && !reads(a, b) && !reads(b, a)
        };
        let mut placed: HashMap<usize, (usize, u64)> = HashMap::new();
        for w in work {
            let Some(offsets) = w.op.placement() else {
                continue;
            };
            let output = &graph.values[w.outputs[0]].tensor;
            let slot = self.slot(output.bytes());
            // What no input covers must stay zero: the memory is not shared.
            self.kept.insert(slot);
            self.partly_written.insert(slot);
            self.put(w.outputs[0], Storage::Slot(slot), 0, output.clone());
            let roots: Vec<usize> = w.inputs.iter().map(|id| root_of(*id)).collect();
            let mut here: Vec<usize> = vec![];
            for (root, offset) in roots.iter().zip(offsets) {
                let computed = producer
                    .get(root)
                    .is_some_and(|p| p.op.placement().is_none());
                let once = roots.iter().filter(|r| *r == root).count() == 1;
                let unread = here.iter().all(|other| apart(*root, *other));
                if computed && once && unread && !placed.contains_key(root) {
                    placed.insert(*root, (slot, 4 * *offset as u64));
                    here.push(*root);
                }
            }
        }
        placed
    }

    fn upload_constants(
        &mut self,
        gpu: &Gpu,
        graph: &Graph,
        constants: &[(usize, Rc<[u8]>)],
    ) -> Result<(), TapeError> {
        let mut data: Vec<u8> = vec![];
        let mut ranges = vec![];
        for (id, bytes) in constants {
            data.resize(data.len().next_multiple_of(256), 0);
            ranges.push((*id, data.len() as u64));
            data.extend_from_slice(bytes);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        if data.is_empty() {
            return Ok(());
        }
        let buffer = gpu.storage("constants", data.len() as u64)?;
        gpu.write(&BufferRange::whole(&buffer), &data)?;
        for (id, offset) in ranges {
            let tensor = graph.values[id].tensor.clone();
            let range = BufferRange {
                buffer: buffer.clone(),
                offset,
                size: tensor.bytes(),
            };
            self.put(id, Storage::Range(range), 0, tensor);
        }
        Ok(())
    }

    /// What a node reads and writes.
    pub fn operands_of(&self, work: &Work) -> (Vec<Operand>, Vec<Operand>) {
        let find = |ids: &[usize]| -> Vec<Operand> {
            ids.iter().map(|id| self.operands[id].clone()).collect()
        };
        (find(&work.inputs), find(&work.outputs))
    }

    /// Bytes of each slot so far.
    pub fn slots(&self) -> &[u64] {
        &self.slots
    }

    fn lower(&mut self, gpu: &Gpu, work: &[Work]) -> Result<Vec<Dispatch>, TapeError> {
        let mut dispatches = vec![];
        let mut choosing = Choosing {
            known: gpu.choices(),
            ..Default::default()
        };
        for w in work.iter().filter(|w| !w.op.is_alias()) {
            let (inputs, outputs) = self.operands_of(w);
            w.op.lower(&mut Lower {
                op: w.op.name(),
                inputs: &inputs,
                outputs: &outputs,
                in_place: w.op.writes(),
                capabilities: gpu.capabilities(),
                precision: gpu.precision(),
                choosing: &mut choosing,
                slots: &mut self.slots,
                dispatches: &mut dispatches,
            })?;
        }
        Ok(dispatches)
    }

    /// Slots with their lifetimes, and the pairs that may not share a buffer.
    fn lifetimes(&self, dispatches: &[Dispatch]) -> (Vec<Slot>, HashSet<(usize, usize)>) {
        let end = dispatches.len().max(1) - 1;
        let mut alive: Vec<Option<(usize, usize)>> = vec![None; self.slots.len()];
        let mut conflicts = HashSet::new();
        for (time, dispatch) in dispatches.iter().enumerate() {
            let touched: Vec<(usize, bool)> = (dispatch.bound.iter())
                .filter_map(|(name, operand)| match operand.storage {
                    Storage::Slot(slot) => Some((slot, dispatch.writes(name))),
                    _ => None,
                })
                .collect();
            for &(slot, _) in &touched {
                let (from, _) = alive[slot].unwrap_or((time, time));
                alive[slot] = Some((from, time));
            }
            for &(a, _) in touched.iter().filter(|(_, writes)| *writes) {
                for &(b, _) in touched.iter().filter(|(_, writes)| !writes) {
                    conflicts.insert((a.min(b), a.max(b)));
                }
            }
        }
        let slots = (self.slots.iter().enumerate())
            .map(|(slot, &bytes)| {
                let kept = self.kept.contains(&slot);
                match alive[slot] {
                    _ if kept => Slot {
                        bytes,
                        alive: (0, end),
                    },
                    Some(alive) => Slot { bytes, alive },
                    None => Slot {
                        bytes: 0,
                        alive: (0, 0),
                    },
                }
            })
            .collect();
        (slots, conflicts)
    }

    /// Gives every slot its place.
    fn planned(
        &self,
        gpu: &Gpu,
        graph: &Graph,
        dispatches: Vec<Dispatch>,
        watcher: Option<Watcher>,
    ) -> PlannedProgram {
        let (slots, conflicts) = self.lifetimes(&dispatches);
        let capabilities = gpu.capabilities();
        let alignment = capabilities.offset_alignment.max(16);
        let plan = plan(&slots, &conflicts, alignment, capabilities.max_buffer);
        let named = |list: &[(String, usize)]| -> Vec<(String, Operand)> {
            list.iter()
                .filter_map(|(name, id)| Some((name.clone(), self.operands.get(id)?.clone())))
                .collect()
        };
        // What a run writes completely: safe to poison in tests.
        let scratch = (0..self.slots.len())
            .filter(|s| slots[*s].bytes > 0 && !self.partly_written.contains(s))
            .map(|s| (plan.places[s], slots[s].bytes))
            .collect();
        PlannedProgram {
            gpu: gpu.clone(),
            dispatches,
            inputs: named(&self.inputs),
            outputs: named(&graph.outputs),
            scratch,
            plan,
            watcher,
        }
    }
}
