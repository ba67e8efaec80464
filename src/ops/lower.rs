//! How operations become dispatches: symbolic operands, one list of dispatches
//! that the tape then plans memory for.

use super::{TapeError, Tensor};
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{BufferRange, Capabilities, Choices, GpuError, Precision, Value};

/// Rows from which one invocation for each is likely to be quicker on software devices
/// than one workgroup for each: those of a vector register there.
const MANY_ROWS: usize = 8;
/// Elements, or fours, of an invocation of a pointwise shader on software devices, where
/// beginning a workgroup costs as much as what it does.
const SOFTWARE_LOT: usize = 8;
/// Invocations of a workgroup of `common/plane.wgsl`.
const PLANE_LANES: usize = 64;

/// Elements, or fours, for one invocation of a pointwise shader.
fn lot(software: bool) -> usize {
    if software { SOFTWARE_LOT } else { 1 }
}

/// Memory, before or after it is placed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Storage {
    /// A slot of the program's own memory, placed later.
    Slot(usize),
    /// Memory that exists: state, the caller's buffers.
    Range(BufferRange),
    Texture(wgpu::TextureView),
}

/// A tensor as an operand of a dispatch.
#[derive(Debug, Clone)]
pub struct Operand {
    pub(crate) storage: Storage,
    /// Bytes from the start of the storage.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
    pub tensor: Tensor,
}

impl Operand {
    /// Whether both are the same memory.
    pub fn same_memory(&self, other: &Operand, offset_elements: usize) -> bool {
        self.storage == other.storage && self.offset == other.offset + 4 * offset_elements as u64
    }

    /// Shape.
    pub fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    /// Elements `start..start + len` as a flat operand. `start` must be a multiple
    /// of 64 (256 bytes).
    pub fn range(&self, start: usize, len: usize) -> Operand {
        debug_assert!(start.is_multiple_of(64));
        Operand {
            storage: self.storage.clone(),
            offset: self.offset + 4 * start as u64,
            size: 4 * len as u64,
            tensor: Tensor {
                shape: vec![len],
                dtype: self.tensor.dtype,
            },
        }
    }
}

/// What a dispatch has to do, whatever kernel does it: the yardstick of its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Floating-point operations, a multiply-add counting two; 0 where the operation
    /// states none, because memory bounds it.
    pub flops: u64,
    /// Bytes read and written: each operand once, what is changed in place twice.
    pub bytes: u64,
}

/// One dispatch, before memory is placed.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub op: &'static str,
    pub shader: &'static ShaderInfo,
    pub bound: Vec<(&'static str, Operand)>,
    pub params: Vec<(&'static str, Value)>,
    pub groups: [u32; 3],
    pub cost: Cost,
}

/// How choices between permutations are made while operations are lowered.
#[derive(Debug, Default)]
pub(crate) struct Choosing {
    pub known: Choices,
    /// Run this one, to measure it.
    pub forced: Option<&'static str>,
    /// What nothing is known about.
    pub open: Vec<OpenChoice>,
}

/// A choice that has not been made.
#[derive(Debug)]
pub(crate) struct OpenChoice {
    /// Operation and shapes.
    pub class: String,
    pub candidates: Vec<&'static ShaderInfo>,
}

/// What an operation sees while it is lowered.
pub struct Lower<'a> {
    pub(crate) op: &'static str,
    pub(crate) inputs: &'a [Operand],
    pub(crate) outputs: &'a [Operand],
    /// Indices of the inputs that it changes in place.
    pub(crate) in_place: &'a [usize],
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) precision: Precision,
    pub(crate) choosing: &'a mut Choosing,
    /// Sizes in bytes of the slots made so far, workspaces included.
    pub(crate) slots: &'a mut Vec<u64>,
    pub(crate) dispatches: &'a mut Vec<Dispatch>,
}

impl Lower<'_> {
    /// Input `i`.
    pub fn input(&self, i: usize) -> Operand {
        self.inputs[i].clone()
    }

    /// Input `i`, if there is one.
    pub fn try_input(&self, i: usize) -> Option<Operand> {
        self.inputs.get(i).cloned()
    }

    /// Output `i`.
    pub fn output(&self, i: usize) -> Operand {
        self.outputs[i].clone()
    }

    /// What the device can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.capabilities
    }

    /// In which precision products are to be computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether the device has so many workgroups along each dimension.
    pub fn has_groups(&self, groups: [usize; 3]) -> bool {
        let most = self.capabilities.max_groups as usize;
        groups.iter().all(|&n| n <= most)
    }

    /// What remains of `candidates` and `others` for [`choose`](Self::choose) where those are
    /// left out that need more workgroups than the device has; others stand in for
    /// candidates that are all left out. If nothing would remain all do, for the dispatch
    /// to say what is too many.
    pub fn dispatchable<T>(
        &self,
        mut candidates: Vec<T>,
        mut others: Vec<T>,
        groups: impl Fn(&T) -> [usize; 3],
    ) -> (Vec<T>, Vec<T>) {
        let fits = |kernel: &T| self.has_groups(groups(kernel));
        if candidates.iter().chain(&others).any(fits) {
            candidates.retain(fits);
            others.retain(fits);
        }
        match candidates.is_empty() {
            true => (others, candidates),
            false => (candidates, others),
        }
    }

    /// The permutation to run among `candidates`, which compute the same and come with
    /// the likeliest first: what was chosen for this class of shapes, else the first.
    /// Those in `others` do so too, but are not worth measuring on this device: they run
    /// only where they were chosen.
    pub fn choose(
        &mut self,
        class: String,
        candidates: Vec<&'static ShaderInfo>,
        others: &[&'static ShaderInfo],
    ) -> Option<&'static ShaderInfo> {
        let all = [&candidates[..], others].concat();
        if let Some(shader) = self.chosen(&class, &all) {
            return Some(shader);
        }
        let first = candidates.first().copied();
        self.choosing.open.push(OpenChoice { class, candidates });
        first
    }

    /// As [`choose`](Self::choose), but nothing is measured: for operations on memory that
    /// is too large to have a second time.
    pub fn choose_unmeasured(
        &self,
        class: &str,
        candidates: &[&'static ShaderInfo],
    ) -> Option<&'static ShaderInfo> {
        self.chosen(class, candidates)
            .or(candidates.first().copied())
    }

    /// The one among `candidates` that was chosen already.
    fn chosen(
        &self,
        class: &str,
        candidates: &[&'static ShaderInfo],
    ) -> Option<&'static ShaderInfo> {
        let key = match self.choosing.forced {
            Some(key) => Some(key),
            None => self.choosing.known.get(class),
        }?;
        candidates.iter().copied().find(|s| s.key == key)
    }

    /// Memory for this operation alone.
    pub fn workspace(&mut self, tensor: Tensor) -> Operand {
        self.slots.push(tensor.bytes());
        Operand {
            storage: Storage::Slot(self.slots.len() - 1),
            offset: 0,
            size: tensor.bytes(),
            tensor,
        }
    }

    /// Starts a dispatch of a pointwise shader over `count` elements: of its permutation
    /// for whole fours, where they are. Returns also how many it counts: elements or fours.
    pub fn pointwise(&mut self, key: &str, count: usize) -> (DispatchBuilder<'_>, usize) {
        let (dispatch, lane) = self.in_fours(key, &[count]);
        (dispatch, count / lane)
    }

    /// Starts a dispatch of the shader `key`: of its permutation that has four elements at
    /// a time, where all of `sizes`, counts of elements, are whole fours. Returns also how
    /// many elements it has at a time, 4 or 1, to divide sizes by.
    pub fn in_fours(&mut self, key: &str, sizes: &[usize]) -> (DispatchBuilder<'_>, usize) {
        let join = if key.contains('.') { '_' } else { '.' };
        match sizes.iter().all(|size| size.is_multiple_of(4)) {
            true => (self.dispatch(&format!("{key}{join}quads")), 4),
            false => (self.dispatch(key), 1),
        }
    }

    /// How `count` planes, of `rows` rows of `width` elements each, are shared among
    /// workgroups: in fours where rows are whole fours, and several for an invocation on
    /// software devices.
    pub fn planes(&self, count: usize, [rows, width]: [usize; 2]) -> Planes {
        let quads = width.is_multiple_of(4);
        let pixels = rows * if quads { width / 4 } else { width };
        let each = lot(self.capabilities.software);
        Planes {
            count,
            quads,
            pixels,
            each,
            parts: pixels.div_ceil(each * PLANE_LANES),
        }
    }

    /// Starts a dispatch of the shader `key`, or of its permutation for fours, over planes,
    /// with the parameters that `common/plane.wgsl` needs. It ends with as many workgroups
    /// as the planes have groups.
    pub fn in_planes(&mut self, key: &str, planes: Planes) -> DispatchBuilder<'_> {
        let dispatch = match planes.quads {
            true => self.dispatch(&format!("{key}.quads")),
            false => self.dispatch(key),
        };
        dispatch
            .u32("planes", planes.count)
            .u32("parts", planes.parts)
            .u32("pixels", planes.pixels)
            .u32("each", planes.each)
    }

    /// Which permutation of the shader `key` does rows of so many elements: the one with
    /// a workgroup for each row or, on software devices, one with an invocation for each
    /// (`rows`, and `rows_quads` for whole fours), which is likelier where they are many.
    pub fn row_kernel(&mut self, key: &str, [rows, width]: [usize; 2]) -> RowKernel {
        let quads = width.is_multiple_of(4);
        let by_lane = format!("{key}.rows{}", if quads { "_quads" } else { "" });
        let mut names = vec![key];
        if self.capabilities.software {
            names.insert(usize::from(rows < MANY_ROWS), &by_lane);
        }
        let shaders: Vec<_> = (names.iter())
            .filter_map(|name| ShaderInfo::find(name))
            .collect();
        let shader = self.choose(format!("{key} {rows}x{width}"), shaders, &[]);
        match shader.and_then(|s| Some((s, s.constant("ROWS")? as usize))) {
            Some((shader, rows_of_group)) => RowKernel {
                key: shader.key,
                width: if quads { width / 4 } else { width },
                groups: rows.div_ceil(rows_of_group),
            },
            None => RowKernel {
                key: shader.map_or("", |s| s.key),
                width,
                groups: rows,
            },
        }
    }

    /// Starts a dispatch of a shader permutation.
    pub fn dispatch(&mut self, key: &str) -> DispatchBuilder<'_> {
        let limit = self.capabilities.max_groups;
        DispatchBuilder {
            op: self.op,
            max_binding: self.capabilities.max_binding,
            limit,
            software: self.capabilities.software,
            shader: ShaderInfo::find(key).ok_or_else(|| GpuError::Rejected {
                what: self.op.to_string(),
                reason: format!("there is no shader '{key}'"),
            }),
            bound: vec![],
            params: vec![],
            flops: 0,
            touched: vec![],
            in_place: self.in_place.iter().map(|&i| &self.inputs[i]).collect(),
            dispatches: self.dispatches,
        }
    }
}

/// Planes and the workgroups that do them.
#[derive(Debug, Clone, Copy)]
pub struct Planes {
    count: usize,
    /// Whether a shader has four elements at a time.
    quads: bool,
    /// Elements of a plane, or fours.
    pixels: usize,
    /// How many of them an invocation does.
    each: usize,
    /// Workgroups for a plane.
    parts: usize,
}

impl Planes {
    /// Workgroups for all planes: one plane after the other.
    pub fn groups(&self) -> usize {
        self.count * self.parts
    }
}

/// A permutation for rows, and how it counts.
pub struct RowKernel {
    pub key: &'static str,
    /// Length of a row, in what the permutation has at a time: elements or fours.
    pub width: usize,
    /// Workgroups for all rows.
    pub groups: usize,
}

/// A dispatch being put together; ends with [`linear`](Self::linear) or
/// [`groups`](Self::groups).
pub struct DispatchBuilder<'a> {
    op: &'static str,
    max_binding: u64,
    limit: u32,
    software: bool,
    shader: Result<&'static ShaderInfo, GpuError>,
    bound: Vec<(&'static str, Operand)>,
    params: Vec<(&'static str, Value)>,
    flops: u64,
    /// Bytes that are read or written of each that is bound.
    touched: Vec<u64>,
    in_place: Vec<&'a Operand>,
    dispatches: &'a mut Vec<Dispatch>,
}

impl DispatchBuilder<'_> {
    /// Binds an operand to a name of the shader.
    pub fn bind(self, name: &'static str, operand: &Operand) -> Self {
        self.bind_part(name, operand, operand.tensor.len())
    }

    /// Binds an operand of which only `elements` are read or written: the source of a
    /// gather, or a part of a larger result.
    pub fn bind_part(mut self, name: &'static str, operand: &Operand, elements: usize) -> Self {
        let bytes = (elements * operand.tensor.dtype.size()) as u64;
        self.touched.push(bytes.min(operand.size));
        self.bound.push((name, operand.clone()));
        self
    }

    /// Sets a u32 parameter (a size or a count).
    pub fn u32(mut self, name: &'static str, value: usize) -> Self {
        self.params.push((name, Value::U32(value as u32)));
        self
    }

    /// Sets an i32 parameter.
    pub fn i32(mut self, name: &'static str, value: i32) -> Self {
        self.params.push((name, Value::I32(value)));
        self
    }

    /// Sets an f32 parameter.
    pub fn f32(mut self, name: &'static str, value: f32) -> Self {
        self.params.push((name, Value::F32(value)));
        self
    }

    /// States the floating-point operations of the mathematics, a multiply-add counting
    /// two: not those that a kernel adds, so that kernels can be compared.
    pub fn flops(mut self, count: u64) -> Self {
        self.flops = count;
        self
    }

    /// One invocation for each of `count` items. The shader finds its item with
    /// `linear_index` of `common/linear_index.wgsl`.
    pub fn linear(self, count: usize) -> Result<(), TapeError> {
        let invocations = match &self.shader {
            Ok(s) => s.invocations() as usize,
            Err(e) => return Err(e.clone().into()),
        };
        self.linear_groups(count.div_ceil(invocations))
    }

    /// `count` elements, or fours, of a shader whose invocations do `each` of them, which
    /// it calls so: several on software devices.
    pub fn lots(self, count: usize) -> Result<(), TapeError> {
        let each = lot(self.software);
        (self.u32("count", count).u32("each", each)).linear(count.div_ceil(each))
    }

    /// `count` workgroups in a row, folded into two dimensions where one is too
    /// few. The shader finds its own with `linear_group`.
    pub fn linear_groups(self, count: usize) -> Result<(), TapeError> {
        let count = count.max(1) as u32;
        let x = count.min(self.limit);
        self.groups([x, count.div_ceil(x), 1])
    }

    /// That many workgroups.
    pub fn groups(self, groups: [u32; 3]) -> Result<(), TapeError> {
        let shader = self.shader.clone()?;
        if let Some(&n) = groups.iter().find(|&&n| n > self.limit) {
            return Err(TapeError::TooManyGroups {
                op: self.op,
                groups: n,
                limit: self.limit,
            });
        }
        for (_, operand) in &self.bound {
            // A texture is no buffer binding: its size has a limit of its own.
            let texture = matches!(operand.storage, Storage::Texture(_));
            if !texture && operand.size > self.max_binding {
                return Err(TapeError::TooLarge {
                    op: self.op,
                    bytes: operand.size,
                    limit: self.max_binding,
                });
            }
        }
        let cost = Cost {
            flops: self.flops,
            bytes: self.bytes(shader),
        };
        self.dispatches.push(Dispatch {
            op: self.op,
            shader,
            bound: self.bound,
            params: self.params,
            groups,
            cost,
        });
        Ok(())
    }

    /// Bytes that go between memory and the dispatch.
    fn bytes(&self, shader: &ShaderInfo) -> u64 {
        let same = |a: &Operand, b: &Operand| a.same_memory(b, 0) && a.size == b.size;
        let mut bytes = 0;
        for (i, ((name, operand), touched)) in self.bound.iter().zip(&self.touched).enumerate() {
            // One operand stands in for others that the shader asks for and does not use.
            if self.bound[..i].iter().any(|(_, b)| same(operand, b)) {
                continue;
            }
            let in_place = shader.writes(name) && self.in_place.iter().any(|i| same(operand, i));
            bytes += if in_place { 2 * touched } else { *touched };
        }
        bytes
    }
}

impl Dispatch {
    /// Whether the shader writes the operand bound to `name`.
    pub fn writes(&self, name: &str) -> bool {
        self.shader.writes(name)
    }
}

/// Estimated cost of one pass through a kernel's inner loop that loads `loads` values
/// and adds `terms` products to each of `sums` sums, in multiply-adds as lavapipe does
/// them (measured on two cores: a load is some 18 of them, writing a sum back one).
pub(super) fn work(loads: usize, sums: usize, terms: usize) -> usize {
    18 * loads + sums * (terms + 1)
}
