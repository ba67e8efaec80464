//! Measures, before a program is built, which permutation is quickest for each
//! operation that has several: on buffers of its own, so that no state changes.

use std::time::{Duration, Instant};

use super::TapeError;
use super::build::steps;
use super::compile::{Memory, Work};
use super::program::Step;
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{Bound, BufferRange, Gpu, GpuError};
use crate::ops::{Choosing, Dispatch, Lower, OpenChoice, Operand, Storage};

/// Runs of a candidate that are timed, and the time after which fewer will do.
const RUNS: usize = 5;
const LONG: Duration = Duration::from_millis(20);
/// A candidate that takes so many times as long as the best is not run again.
const HOPELESS: u32 = 2;
/// What is not quicker than the estimate's choice by this much is noise.
const WORTHWHILE: f64 = 0.9;

/// Measures every choice that is still open in `work`, as long as the device has leave
/// and time to ([`Gpu::set_tuning`]), and adds them to the device's choices.
pub(super) fn tune(gpu: &Gpu, memory: &Memory, work: &[Work]) -> Result<(), TapeError> {
    let Some(mut tuning) = gpu.tuning() else {
        return Ok(());
    };
    let mut open = open_choices(gpu, memory, work)?;
    if open.is_empty() || tuning.budget.is_zero() {
        return Ok(());
    }
    // Dropped, and with it the turn given on, when all is measured.
    let _turn = match tuning.turn.as_ref() {
        Some(turn) => {
            let turn = turn(gpu);
            // Whoever had the turn before may have closed some, or all.
            open = open_choices(gpu, memory, work)?;
            if open.is_empty() {
                return Ok(());
            }
            turn
        }
        None => None,
    };
    let started = Instant::now();
    (tuning.notice)(&format!(
        "measuring which kernels are quickest for {} on {}, {} s at most",
        shapes(open.len()),
        gpu.info().name,
        tuning.budget.as_secs_f32().ceil()
    ));
    let mut choices = gpu.choices();
    let mut left = open.len();
    for (w, choice) in open {
        if started.elapsed() >= tuning.budget {
            break;
        }
        let key = quickest(gpu, memory, w, &choice, started + tuning.budget)?;
        choices.insert(choice.class, key);
        left -= 1;
    }
    if left > 0 {
        (tuning.notice)(&format!(
            "the time is up: {} left to the estimate",
            shapes(left)
        ));
    }
    (tuning.keep)(gpu, &choices);
    gpu.set_choices(choices);
    tuning.budget = tuning.budget.saturating_sub(started.elapsed());
    gpu.set_tuning(Some(tuning));
    Ok(())
}

fn shapes(count: usize) -> String {
    match count {
        1 => "1 shape".to_string(),
        _ => format!("{count} shapes"),
    }
}

/// Every choice that nobody has made yet, once, with an operation that it is for.
fn open_choices<'a>(
    gpu: &Gpu,
    memory: &Memory,
    work: &'a [Work],
) -> Result<Vec<(&'a Work, OpenChoice)>, TapeError> {
    let mut open: Vec<(&Work, OpenChoice)> = vec![];
    for w in work.iter().filter(|w| !w.op.is_alias()) {
        for choice in sandbox(gpu, memory, w, None)?.open {
            if choice.candidates.len() > 1 && !open.iter().any(|(_, o)| o.class == choice.class) {
                open.push((w, choice));
            }
        }
    }
    Ok(open)
}

/// One operation lowered apart from its program.
struct Sandbox {
    dispatches: Vec<Dispatch>,
    open: Vec<OpenChoice>,
}

fn sandbox(
    gpu: &Gpu,
    memory: &Memory,
    work: &Work,
    forced: Option<&'static str>,
) -> Result<Sandbox, TapeError> {
    let (inputs, outputs) = memory.operands_of(work);
    let mut slots = memory.slots().to_vec();
    let mut dispatches = vec![];
    let mut choosing = Choosing {
        known: gpu.choices(),
        forced,
        open: vec![],
    };
    work.op.lower(&mut Lower {
        op: work.op.name(),
        inputs: &inputs,
        outputs: &outputs,
        in_place: work.op.writes(),
        capabilities: gpu.capabilities(),
        precision: gpu.precision(),
        choosing: &mut choosing,
        slots: &mut slots,
        dispatches: &mut dispatches,
    })?;
    Ok(Sandbox {
        dispatches,
        open: choosing.open,
    })
}

/// The key of the quickest candidate, as far as there is time; the first, which the
/// estimate prefers, unless another is clearly quicker.
fn quickest(
    gpu: &Gpu,
    memory: &Memory,
    work: &Work,
    choice: &OpenChoice,
    deadline: Instant,
) -> Result<&'static str, TapeError> {
    let mut times: Vec<(&'static ShaderInfo, Duration)> = vec![];
    for shader in &choice.candidates {
        if Instant::now() >= deadline {
            break;
        }
        let best = times.iter().map(|(_, t)| *t).min();
        let measured = sandbox(gpu, memory, work, Some(shader.key))
            .and_then(|sandbox| time(gpu, &sandbox.dispatches, best));
        match measured {
            Ok(time) => times.push((shader, time)),
            Err(error @ TapeError::Gpu(GpuError::DeviceLost { .. })) => return Err(error),
            // What this device refuses, or has no room for now, is no candidate.
            Err(_) => {}
        }
    }
    let estimate = choice.candidates[0];
    let Some(&(shader, best)) = times.iter().min_by_key(|(_, t)| *t) else {
        return Ok(estimate.key);
    };
    let of_estimate = times.iter().find(|(s, _)| s.key == estimate.key);
    Ok(match of_estimate {
        Some((_, t)) if best.as_secs_f64() > WORTHWHILE * t.as_secs_f64() => estimate.key,
        _ => shader.key,
    })
}

/// The shortest of several runs.
fn time(gpu: &Gpu, dispatches: &[Dispatch], best: Option<Duration>) -> Result<Duration, TapeError> {
    let mut buffers: Vec<((Storage, u64), wgpu::Buffer)> = vec![];
    let steps = steps(gpu, dispatches, |operand: &Operand| {
        if let Storage::Texture(view) = &operand.storage {
            return Ok(Bound::Texture(view.clone()));
        }
        let key = (operand.storage.clone(), operand.offset);
        let known = buffers
            .iter()
            .position(|(k, b)| *k == key && b.size() >= operand.size);
        let buffer = match known {
            Some(i) => buffers[i].1.clone(),
            None => {
                let buffer = gpu.storage("tuning", operand.size)?;
                buffers.push((key, buffer.clone()));
                buffer
            }
        };
        Ok(Bound::Buffer(BufferRange {
            buffer,
            offset: 0,
            size: operand.size,
        }))
    })?;
    // The first run compiles.
    run(gpu, &steps)?;
    let mut shortest = run(gpu, &steps)?;
    let hopeless = best.is_some_and(|best| shortest > best * HOPELESS);
    if !hopeless {
        let runs = if shortest > LONG { 1 } else { RUNS };
        for _ in 0..runs {
            shortest = shortest.min(run(gpu, &steps)?);
        }
    }
    Ok(shortest)
}

fn run(gpu: &Gpu, steps: &[Step]) -> Result<Duration, TapeError> {
    let started = Instant::now();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for step in steps {
            step.record(&mut pass);
        }
    }
    gpu.queue().submit([encoder.finish()]);
    gpu.wait()?;
    Ok(started.elapsed())
}
