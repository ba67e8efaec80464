//! A compiled tape: a fixed list of dispatches over planned memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::watcher::{WatchedRow, Watcher};
use super::{MemoryReport, TapeError, Tensor};
use crate::gpu::{BufferRange, Gpu, GpuError, Kernel};
use crate::ops::Cost;

/// One dispatch of a program: its pipeline, bind group 0, and the workgroups.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub pipeline: &'a wgpu::ComputePipeline,
    pub bind_group: &'a wgpu::BindGroup,
    pub groups: [u32; 3],
}

pub(crate) struct Step {
    /// The operation it belongs to.
    pub op: &'static str,
    pub cost: Cost,
    pub kernel: Arc<Kernel>,
    pub bind_group: wgpu::BindGroup,
    pub groups: [u32; 3],
}

impl Step {
    /// Records it into a pass, with all that it needs.
    pub fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.kernel.pipeline);
        self.dispatch(pass);
    }

    /// Records it into a pass that has its pipeline.
    fn dispatch(&self, pass: &mut wgpu::ComputePass) {
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Replays a tape. Everything it needs was built by [`Tape::compile`](super::Tape::compile):
/// replaying allocates nothing on the device and reads nothing back.
pub struct Program {
    gpu: Gpu,
    pub(super) steps: Vec<Step>,
    inputs: HashMap<String, (BufferRange, Tensor)>,
    outputs: HashMap<String, (BufferRange, Tensor)>,
    scratch: Vec<BufferRange>,
    memory: MemoryReport,
    watcher: Option<Watcher>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Program({} dispatches, {:?})",
            self.steps.len(),
            self.memory
        )
    }
}

fn known(map: &HashMap<String, (BufferRange, Tensor)>) -> String {
    let mut names: Vec<_> = map.keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

impl Program {
    pub(super) fn new(
        gpu: Gpu,
        steps: Vec<Step>,
        inputs: HashMap<String, (BufferRange, Tensor)>,
        outputs: HashMap<String, (BufferRange, Tensor)>,
        scratch: Vec<BufferRange>,
        memory: MemoryReport,
        watcher: Option<Watcher>,
    ) -> Program {
        Program {
            gpu,
            steps,
            inputs,
            outputs,
            scratch,
            memory,
            watcher,
        }
    }

    /// Records the program into the caller's encoder: no submit, no readback.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("foveate"),
            timestamp_writes: None,
        });
        self.record(&mut pass);
    }

    /// What [`Program::encode`] records, in order, for a caller who records it by
    /// themselves: into a pass of their own, with dispatches of their own in between.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call<'_>> + '_ {
        self.steps.iter().map(|step| Call {
            pipeline: &step.kernel.pipeline,
            bind_group: &step.bind_group,
            groups: step.groups,
        })
    }

    /// Records the program into a pass.
    pub(crate) fn record(&self, pass: &mut wgpu::ComputePass) {
        let mut current: Option<&Arc<Kernel>> = None;
        for step in &self.steps {
            if current.is_none_or(|k| !Arc::ptr_eq(k, &step.kernel)) {
                pass.set_pipeline(&step.kernel.pipeline);
                current = Some(&step.kernel);
            }
            step.dispatch(pass);
        }
    }

    /// Encodes and submits on foveate's queue.
    pub fn run(&self) -> Result<(), TapeError> {
        self.gpu.check_lost()?;
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        self.encode(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    /// Writes an input; takes effect before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, name: &str, data: &[T]) -> Result<(), TapeError> {
        let (range, tensor) = self.input_range(name)?;
        let bytes: &[u8] = bytemuck::cast_slice(data);
        if bytes.len() as u64 != tensor.bytes() {
            return Err(TapeError::DataLength {
                name: name.to_string(),
                expected: tensor.bytes(),
                given: bytes.len() as u64,
            });
        }
        Ok(self.gpu.write(range, bytes)?)
    }

    /// Memory and tensor of an input.
    pub fn input_range(&self, name: &str) -> Result<&(BufferRange, Tensor), TapeError> {
        self.inputs.get(name).ok_or_else(|| TapeError::UnknownName {
            what: "input",
            given: name.to_string(),
            known: known(&self.inputs),
        })
    }

    /// Memory and tensor of an output.
    pub fn output_range(&self, name: &str) -> Result<&(BufferRange, Tensor), TapeError> {
        self.outputs
            .get(name)
            .ok_or_else(|| TapeError::UnknownName {
                what: "output",
                given: name.to_string(),
                known: known(&self.outputs),
            })
    }

    /// Reads an output back.
    pub async fn read<T: bytemuck::Pod>(&self, name: &str) -> Result<Vec<T>, TapeError> {
        let (range, tensor) = self.output_range(name)?;
        let bytes = self.gpu.read(range).await?;
        let wanted = tensor.len() * tensor.dtype.size();
        Ok(bytemuck::pod_collect_to_vec(&bytes[..wanted]))
    }

    /// [`Program::read`], waiting for it.
    pub fn read_blocking<T: bytemuck::Pod>(&self, name: &str) -> Result<Vec<T>, TapeError> {
        pollster::block_on(self.read(name))
    }

    /// Fills all memory that a run must write before it reads with NaN patterns, so
    /// that a test notices what relies on leftovers.
    pub fn poison(&self) -> Result<(), GpuError> {
        for range in &self.scratch {
            let pattern = vec![0xFFu8; range.size as usize];
            self.gpu.write(range, &pattern)?;
        }
        Ok(())
    }

    /// Memory that the program allocated.
    pub fn memory(&self) -> MemoryReport {
        self.memory
    }

    /// The dispatches of one run in order: (operation, shader permutation).
    pub fn dispatches(&self) -> impl ExactSizeIterator<Item = (&'static str, &'static str)> + '_ {
        self.steps.iter().map(|s| (s.op, s.kernel.shader.key))
    }

    /// What each dispatch of one run has to do, in their order.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = Cost> + '_ {
        self.steps.iter().map(|s| s.cost)
    }

    /// Names of the watched scalars, in the order of [`WatchedRow::values`].
    pub fn watched(&self) -> &[String] {
        self.watcher.as_ref().map_or(&[], |w| w.names())
    }

    /// Asks for the watched scalars without waiting; [`Program::poll_watched`] has them later.
    pub fn request_watched(&mut self) -> Result<(), GpuError> {
        match &mut self.watcher {
            Some(w) => w.request(&self.gpu),
            None => Ok(()),
        }
    }

    /// The rows that came back since the last call, oldest first.
    pub fn poll_watched(&mut self) -> Result<Vec<WatchedRow>, GpuError> {
        match &mut self.watcher {
            Some(w) => w.poll(&self.gpu),
            None => Ok(vec![]),
        }
    }

    /// The rows since the last call, waiting for them.
    pub fn watched_blocking(&mut self) -> Result<Vec<WatchedRow>, GpuError> {
        match &mut self.watcher {
            Some(w) => w.blocking(&self.gpu),
            None => Ok(vec![]),
        }
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}
