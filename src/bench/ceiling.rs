//! The most that this device does, measured with shaders that do nothing else
//! (`shaders/ceiling/`). No ceilings of f16 and of cooperative matrices: rates of kernels
//! that use them stand beside those of f32.

use super::subject::KernelRun;
use super::{Effort, Pass, Rate, Row, Samples, Stopwatch, Subject};
use crate::Error;
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{Bound, BufferRange, Gpu, GpuError, ParamBlock, Value};
use crate::tape::{Cost, Program, Tape, Tensor, Timer};

/// Which way of multiplying and adding is fastest differs by device and driver.
const MULTIPLY_ADDS: [&str; 5] = [
    "ceiling/multiply_add.fused_8",
    "ceiling/multiply_add.fused_12",
    "ceiling/multiply_add.fused_24",
    "ceiling/multiply_add.plain_8",
    "ceiling/multiply_add.plain_12",
];
const COPIES: [&str; 2] = ["ceiling/copy.one", "ceiling/copy.four"];
/// Invocations that fill any device.
const INVOCATIONS: u32 = 1 << 18;
/// Rounds of each: milliseconds, on software and on others.
const ROUNDS: [u32; 2] = [16, 512];
/// Bytes of what is copied, on software and on others: more than caches hold.
const COPIED: [u64; 2] = [64 << 20, 256 << 20];
/// Dispatches in the program whose recording is timed.
const RECORDED: usize = 256;

/// Things that [`Ceilings::measure`] measures, one after the other.
pub const STEPS: usize = MULTIPLY_ADDS.len() + COPIES.len() + 2;

/// What the rates of works are compared with.
#[derive(Debug, Clone)]
pub struct Ceilings {
    /// Billions of floating-point operations a second: f32 multiply-adds, each two.
    pub gflops: f64,
    /// Gigabytes a second of a copy, read and written.
    pub gbps: f64,
    /// How they were measured, and two more: what a dispatch costs the device, and what
    /// recording one costs the host. Rates are those of the fastest sample.
    pub rows: Vec<Row>,
}

impl Ceilings {
    /// Measures them; `step` is told before each of [`STEPS`] what comes.
    ///
    /// # Errors
    /// Those of the device; [`Error::NoCeiling`] where the timer saw no time pass.
    pub fn measure(
        stopwatch: &Stopwatch,
        effort: Effort,
        step: &mut dyn FnMut(&str),
    ) -> Result<Ceilings, Error> {
        let mut best = |name: &'static str, shape: &str, subjects: Vec<Subject>| {
            let mut fastest: Option<(f64, Row)> = None;
            for subject in subjects {
                // The shader apart from its file, which the name says.
                let variant = subject.variant();
                let kind = variant.rsplit(['.', '/']).next().unwrap_or(variant);
                step(format!("{name} {kind}").trim_end());
                let samples = stopwatch.samples(&subject, effort)?;
                let timer = stopwatch.timer_of(&subject);
                let mut row = ceiling_row(name, shape, subject.variant(), samples, timer);
                row.rate = Rate::of(subject.cost(), row.samples.min());
                let Some(Rate::Gflops(rate) | Rate::Gbps(rate)) = row.rate else {
                    continue;
                };
                if fastest.as_ref().is_none_or(|(other, _)| rate > *other) {
                    fastest = Some((rate, row));
                }
            }
            fastest.ok_or(Error::NoCeiling { what: name })
        };
        let gpu = stopwatch.gpu();
        let (gflops, multiply_add) = best(
            "ceiling multiply-add",
            "f32",
            subjects(&MULTIPLY_ADDS, |key| multiply_add(gpu, key))?,
        )?;
        let (gbps, copied) = {
            let pair = [copy_buffer(gpu)?, copy_buffer(gpu)?];
            let shape = format!("{} MiB", pair[0].size() >> 20);
            let subjects = subjects(&COPIES, |key| copy(gpu, key, &pair))?;
            best("ceiling copy", &shape, subjects)?
        };
        step("ceiling dispatch");
        let subject = dispatch(gpu)?;
        let dispatch = ceiling_row(
            "ceiling dispatch",
            "one workgroup",
            subject.variant(),
            stopwatch.samples(&subject, effort)?,
            stopwatch.timer_of(&subject),
        );
        step("ceiling record");
        let subject = Subject::program(chain(gpu)?).recording();
        let record = ceiling_row(
            "ceiling record",
            "host, per dispatch",
            subject.variant(),
            stopwatch.samples(&subject, effort)?,
            stopwatch.timer_of(&subject),
        );
        Ok(Ceilings {
            gflops,
            gbps,
            rows: vec![multiply_add, copied, dispatch, record],
        })
    }
}

fn ceiling_row(name: &str, shape: &str, variant: &str, samples: Samples, timer: Timer) -> Row {
    Row {
        name: name.to_string(),
        shape: shape.to_string(),
        pass: Pass::Ceiling,
        variant: variant.to_string(),
        dispatches: 1,
        samples,
        rate: None,
        percent_of_ceiling: None,
        timer,
    }
}

fn subjects(
    keys: &[&str],
    make: impl Fn(&'static ShaderInfo) -> Result<Subject, Error>,
) -> Result<Vec<Subject>, Error> {
    keys.iter().map(|key| make(shader(key)?)).collect()
}

fn shader(key: &str) -> Result<&'static ShaderInfo, GpuError> {
    ShaderInfo::find(key).ok_or_else(|| GpuError::Rejected {
        what: key.to_string(),
        reason: "there is no such shader".to_string(),
    })
}

/// One of two things: the first on a CPU that plays a GPU.
fn by_kind<T: Copy>(gpu: &Gpu, [software, other]: [T; 2]) -> T {
    match gpu.capabilities().software {
        true => software,
        false => other,
    }
}

/// A kernel bound to buffers.
fn kernel(
    gpu: &Gpu,
    shader: &'static ShaderInfo,
    params: &[(&'static str, Value)],
    bound: &[(&'static str, &wgpu::Buffer)],
    groups: u32,
    cost: Cost,
) -> Result<Subject, Error> {
    let kernel = gpu.kernel(shader)?;
    let bytes = ParamBlock::bytes(shader, params)?;
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let block = BufferRange::whole(&gpu.create(shader.key, bytes.len().max(16) as u64, usage)?);
    gpu.write(&block, &bytes)?;
    let bound: Vec<_> = (bound.iter())
        .map(|(name, buffer)| (*name, Bound::Buffer(BufferRange::whole(buffer))))
        .collect();
    let bind_group = gpu.guarded(shader.key, || {
        kernel.bind(gpu.device(), Some(&block), &bound)
    })??;
    // Shaders fold a long row of workgroups into two dimensions.
    let rows = groups.div_ceil(gpu.capabilities().max_groups);
    Ok(Subject::kernel(KernelRun {
        kernel,
        bind_group,
        groups: [groups.div_ceil(rows), rows, 1],
        cost,
    }))
}

fn multiply_add(gpu: &Gpu, shader: &'static ShaderInfo) -> Result<Subject, Error> {
    let rounds = by_kind(gpu, ROUNDS);
    let constant = |name| u64::from(shader.constant(name).unwrap_or(0));
    let steps = u64::from(rounds) * constant("CHAINS") * constant("PASSES");
    let cost = Cost {
        flops: 2 * u64::from(INVOCATIONS) * steps,
        bytes: 0,
    };
    let y = gpu.storage("sums", 4 * u64::from(INVOCATIONS))?;
    let params = [
        ("rounds", Value::U32(rounds)),
        ("factor", Value::F32(0.75)),
        ("term", Value::F32(0.5)),
    ];
    let groups = INVOCATIONS / shader.invocations();
    kernel(gpu, shader, &params, &[("y", &y)], groups, cost)
}

/// As large as the device lets one be bound, up to what leaves its caches.
fn copy_buffer(gpu: &Gpu) -> Result<wgpu::Buffer, GpuError> {
    let able = gpu.capabilities();
    let most = by_kind(gpu, COPIED);
    // All copies are of whole workgroups of 64 invocations and 4 × 16 bytes each.
    let bytes = most.min(able.max_binding).min(able.max_buffer) / 4096 * 4096;
    gpu.storage("copied", bytes)
}

fn copy(
    gpu: &Gpu,
    shader: &'static ShaderInfo,
    [x, y]: &[wgpu::Buffer; 2],
) -> Result<Subject, Error> {
    let width = shader.constant("WIDTH").unwrap_or(1);
    let count = (x.size() / 16) as u32;
    let cost = Cost {
        flops: 0,
        bytes: 2 * x.size(),
    };
    let groups = count / (width * shader.invocations());
    let params = [("count", Value::U32(count))];
    kernel(gpu, shader, &params, &[("x", x), ("y", y)], groups, cost)
}

fn dispatch(gpu: &Gpu) -> Result<Subject, Error> {
    let shader = shader("ceiling/dispatch")?;
    let y = gpu.storage("word", 4)?;
    kernel(gpu, shader, &[], &[("y", &y)], 1, Cost::default())
}

/// A program of many dispatches of two kernels in turn.
fn chain(gpu: &Gpu) -> Result<Program, Error> {
    let tape = Tape::new();
    let mut x = tape.input("x", Tensor::f32(&[64]));
    for _ in 0..RECORDED / 2 {
        x = x.tanh()?.sigmoid()?;
    }
    tape.output("x", &x);
    Ok(tape.compile(gpu)?)
}
