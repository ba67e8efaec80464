//! From planned dispatches to a program: memory, kernels, parameter blocks, bind groups.

use std::collections::HashMap;

use super::plan::{Place, Plan};
use super::program::{Program, Step};
use super::watcher::Watcher;
use super::{MemoryReport, TapeError, Tensor};
use crate::gpu::{Bound, BufferRange, Gpu, ParamBlock};
use crate::ops::{Dispatch, Operand, Storage};

/// Uniform blocks start at multiples of this (WebGPU's guaranteed alignment).
const UNIFORM_ALIGNMENT: usize = 256;

/// A program that has taken no memory yet but for its constants and its ring of watched
/// scalars: see [`Tape::plan`](super::Tape::plan).
pub struct PlannedProgram {
    pub(super) gpu: Gpu,
    pub(super) dispatches: Vec<Dispatch>,
    pub(super) inputs: Vec<(String, Operand)>,
    pub(super) outputs: Vec<(String, Operand)>,
    /// Places that a run writes completely, and their bytes.
    pub(super) scratch: Vec<(Place, u64)>,
    pub(super) plan: Plan,
    pub(super) watcher: Option<Watcher>,
}

impl std::fmt::Debug for PlannedProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PlannedProgram({} dispatches, {:?})",
            self.dispatches.len(),
            self.plan.report
        )
    }
}

impl PlannedProgram {
    /// Memory that it will allocate.
    pub fn memory(&self) -> MemoryReport {
        self.plan.report
    }

    /// Takes the memory and makes what a replay needs.
    ///
    /// # Errors
    /// Those of the device: no memory, a kernel that it refuses.
    pub fn build(self) -> Result<Program, TapeError> {
        let gpu = &self.gpu;
        let buffers: Vec<wgpu::Buffer> = (self.plan.buffers.iter().enumerate())
            .map(|(i, bytes)| gpu.storage(&format!("planned {i}"), *bytes))
            .collect::<Result<_, _>>()?;
        let at = |place: Place, offset: u64, size: u64| BufferRange {
            buffer: buffers[place.buffer].clone(),
            offset: place.offset + offset,
            size,
        };
        let resolve = |operand: &Operand| -> Bound {
            match &operand.storage {
                Storage::Slot(slot) => {
                    Bound::Buffer(at(self.plan.places[*slot], operand.offset, operand.size))
                }
                Storage::Range(range) => Bound::Buffer(BufferRange {
                    buffer: range.buffer.clone(),
                    offset: range.offset + operand.offset,
                    size: operand.size,
                }),
                Storage::Texture(view) => Bound::Texture(view.clone()),
            }
        };
        let steps = steps(gpu, &self.dispatches, |operand| Ok(resolve(operand)))?;
        let named = |list: &[(String, Operand)]| -> HashMap<String, (BufferRange, Tensor)> {
            list.iter()
                .filter_map(|(name, operand)| match resolve(operand) {
                    Bound::Buffer(range) => Some((name.clone(), (range, operand.tensor.clone()))),
                    Bound::Texture(_) => None,
                })
                .collect()
        };
        let scratch = (self.scratch.iter())
            .map(|(place, bytes)| at(*place, 0, *bytes))
            .collect();
        Ok(Program::new(
            gpu.clone(),
            steps,
            named(&self.inputs),
            named(&self.outputs),
            scratch,
            self.plan.report,
            self.watcher,
        ))
    }
}

/// Kernels, parameter blocks and bind groups of dispatches, on the memory that
/// `resolve` gives each operand.
pub(super) fn steps(
    gpu: &Gpu,
    dispatches: &[Dispatch],
    mut resolve: impl FnMut(&Operand) -> Result<Bound, TapeError>,
) -> Result<Vec<Step>, TapeError> {
    let mut blocks: Vec<u8> = vec![];
    let mut block_ranges = vec![];
    for dispatch in dispatches {
        let bytes = ParamBlock::bytes(dispatch.shader, &dispatch.params)?;
        block_ranges.push((blocks.len() as u64, bytes.len() as u64));
        blocks.extend_from_slice(&bytes);
        blocks.resize(blocks.len().next_multiple_of(UNIFORM_ALIGNMENT), 0);
    }
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let uniform = gpu.create("parameters", blocks.len().max(16) as u64, usage)?;
    if !blocks.is_empty() {
        gpu.write(&BufferRange::whole(&uniform), &blocks)?;
    }

    gpu.prepare_kernels(dispatches.iter().map(|dispatch| dispatch.shader))?;
    let mut steps = vec![];
    for (dispatch, (offset, size)) in dispatches.iter().zip(block_ranges) {
        let kernel = gpu.kernel(dispatch.shader)?;
        let params = dispatch.shader.params.as_ref().map(|_| BufferRange {
            buffer: uniform.clone(),
            offset,
            size,
        });
        let bound: Vec<_> = (dispatch.bound.iter())
            .map(|(name, operand)| Ok((*name, resolve(operand)?)))
            .collect::<Result<_, TapeError>>()?;
        let bind_group = gpu.guarded(dispatch.shader.key, || {
            kernel.bind(gpu.device(), params.as_ref(), &bound)
        })??;
        steps.push(Step {
            op: dispatch.op,
            cost: dispatch.cost,
            kernel,
            bind_group,
            groups: dispatch.groups,
        });
    }
    Ok(steps)
}
