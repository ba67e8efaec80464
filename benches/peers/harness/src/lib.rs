//! What the measuring programs have in common: arguments, inputs, fingerprints of
//! results, and the lines they print. `../pytorch/harness.py` is the same in Python.
//!
//! ```text
//! PROGRAM --work NAME --reps N [--on-request]
//! PROGRAM --describe
//! ```
//!
//! A program prepares the work and runs it twice, unmeasured: compilation and tuning
//! end there. Then it runs it N times, each time waiting for the device, and prints one
//! line of JSON. With `--on-request` it says when it is ready, and measures once for each
//! line it reads, so that programs can take turns without being warmed up again.

pub mod visarl;
pub mod works;

use std::io::BufRead;
use std::time::Instant;

use serde_json::{Map, Value, json};

/// Whatever went wrong, in words; the runner reports it as the reason why a peer is missing.
pub type Failure = Box<dyn std::error::Error>;

/// Who measures.
pub struct Peer {
    pub name: &'static str,
    /// Of the framework.
    pub version: String,
    /// Adapter and driver.
    pub device: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub kind: String,
}

/// One piece of work, ready to run.
pub trait Work {
    /// Runs it once and waits for the device.
    fn run(&mut self) -> Result<(), Failure>;
    /// Reads results of the last run back.
    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure>;
    /// Whether the results are a function of the inputs of this folder. Otherwise they
    /// are only checked for being finite.
    fn comparable(&self) -> bool {
        true
    }
}

struct Arguments {
    work: Option<String>,
    reps: usize,
    on_request: bool,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut found = Arguments {
        work: None,
        reps: 5,
        on_request: false,
    };
    let mut describe = false;
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--work" => found.work = Some(value()?),
            "--reps" => found.reps = value()?.parse()?,
            "--on-request" => found.on_request = true,
            "--describe" => describe = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    if found.reps == 0 {
        return Err("--reps must be at least 1".into());
    }
    if found.work.is_none() && !describe {
        return Err("--work NAME or --describe is needed".into());
    }
    Ok(found)
}

/// The whole of a measuring program: opens the device, prepares what `--work` names,
/// measures, prints.
pub fn main<D>(
    open: impl FnOnce() -> Result<(Peer, D), Failure>,
    prepare: impl FnOnce(&D, &str) -> Result<Box<dyn Work>, Failure>,
) -> Result<(), Failure> {
    let arguments = arguments()?;
    let started = Instant::now();
    let (peer, device) = open()?;
    let mut line = Map::from_iter([
        ("peer".to_string(), json!(peer.name)),
        ("version".to_string(), json!(peer.version)),
        ("device".to_string(), json!(peer.device)),
        ("kind".to_string(), json!(peer.kind)),
    ]);
    let Some(name) = arguments.work else {
        println!("{}", Value::Object(line));
        return Ok(());
    };
    let mut work = prepare(&device, &name)?;
    for _ in 0..2 {
        work.run()?;
    }
    line.insert("work".to_string(), json!(name));
    line.insert(
        "warmup_s".to_string(),
        json!(started.elapsed().as_secs_f64()),
    );
    if !arguments.on_request {
        println!("{}", measure(work.as_mut(), line, arguments.reps)?);
        return Ok(());
    }
    println!("{}", Value::Object(line.clone()));
    for request in std::io::stdin().lock().lines() {
        request?;
        println!("{}", measure(work.as_mut(), line.clone(), arguments.reps)?);
    }
    Ok(())
}

/// Runs the work `reps` times and fingerprints its last results.
fn measure(
    work: &mut dyn Work,
    mut line: Map<String, Value>,
    reps: usize,
) -> Result<Value, Failure> {
    let mut times = vec![];
    for _ in 0..reps {
        let started = Instant::now();
        work.run()?;
        times.push(1e3 * started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median = match times.len() % 2 {
        0 => (times[middle - 1] + times[middle]) / 2.0,
        _ => times[middle],
    };
    let results = work.results()?;
    if let Some((name, _)) = (results.iter()).find(|(_, v)| !v.iter().all(|x| x.is_finite())) {
        return Err(format!("{name} is not finite").into());
    }
    if work.comparable() {
        let check: Map<_, _> = (results.iter())
            .map(|(name, values)| (name.clone(), json!(fingerprint(values))))
            .collect();
        line.insert("check".to_string(), check.into());
    }
    line.insert("reps".to_string(), json!(reps));
    line.insert("median_ms".to_string(), json!(median));
    line.insert("min_ms".to_string(), json!(times[0]));
    line.insert("max_ms".to_string(), json!(times[reps - 1]));
    Ok(line.into())
}

/// 24 random bits for each index: the integer hash `lowbias32` (C. Wellons,
/// hash-prospector, public domain) of index and seed.
fn bits(seed: u32, index: u32) -> u32 {
    let mut h = index
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(seed.wrapping_mul(0x85EB_CA6B));
    h ^= h >> 16;
    h = h.wrapping_mul(0x7FEB_352D);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846C_A68B);
    h ^= h >> 16;
    h >> 8
}

/// `len` numbers in −scale..scale, the same in every language: the numbers before the
/// scaling are multiples of 2⁻²³.
pub fn signed(seed: u32, len: usize, scale: f32) -> Vec<f32> {
    let unit = |i| bits(seed, i) as f32 / 8_388_608.0 - 1.0;
    (0..len as u32).map(|i| scale * unit(i)).collect()
}

/// `len` numbers in 0..1, multiples of 2⁻²⁴.
pub fn unsigned(seed: u32, len: usize) -> Vec<f32> {
    (0..len as u32)
        .map(|i| bits(seed, i) as f32 / 16_777_216.0)
        .collect()
}

/// Product with a fixed random vector, and Euclidean length.
fn fingerprint(values: &[f32]) -> [f64; 2] {
    let weights = signed(999, values.len(), 1.0);
    let pairs = values.iter().zip(&weights);
    let product = pairs.map(|(&v, &w)| f64::from(v) * f64::from(w)).sum();
    let square: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
    [product, square.sqrt()]
}
