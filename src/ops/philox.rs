//! `philox`: random numbers from the counter-based generator Philox4x32-10.
//!
//! There is no hidden state: element 4i + j of a tensor is made from word j of
//! `philox4x32_10([i, step, stream, 0], [lower half of seed, upper half of seed])`.
//! `step` is read on the device (a counter in state that each run advances), so a
//! compiled program draws new numbers every run, and a resumed run draws those that
//! the interrupted one would have. Every use of random numbers has a `stream` of its
//! own. The methods of [`Stream`] are the CPU twins.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3"
//! (SC 2011).

use std::f64::consts::TAU;

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// The narrowest interval of uniform numbers: below it, products with small numbers
/// would be subnormal, which devices may flush to zero.
const NARROWEST: f32 = 1e-30;

/// Ten rounds of Philox4x32: the CPU twin of `shaders/common/philox.wgsl`.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let a = 0xD251_1F53u64 * u64::from(c[0]);
        let b = 0xCD9E_8D57u64 * u64::from(c[2]);
        c = [
            (b >> 32) as u32 ^ c[1] ^ k[0],
            b as u32,
            (a >> 32) as u32 ^ c[3] ^ k[1],
            a as u32,
        ];
        k = [
            k[0].wrapping_add(0x9E37_79B9),
            k[1].wrapping_add(0xBB67_AE85),
        ];
    }
    c
}

/// A sequence of random numbers, independent of those of every other stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The seed of the run: the generator's key.
    pub seed: u64,
    /// Which use of random numbers within the run: part of the counter.
    pub stream: u32,
}

impl Stream {
    /// The generator's key: lower and upper half of the seed.
    pub fn key(self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    /// The four words of one counter.
    pub fn block(self, step: u32, index: u32) -> [u32; 4] {
        philox4x32_10([index, step, self.stream, 0], self.key())
    }

    fn words(self, step: u32, len: usize) -> impl Iterator<Item = u32> {
        let blocks = 0..len.div_ceil(4) as u32;
        blocks.flat_map(move |i| self.block(step, i)).take(len)
    }

    /// What [`Var::philox_uniform`] draws at `step`: the same bits.
    pub fn uniform(
        self,
        step: u32,
        len: usize,
        low: f32,
        high: f32,
    ) -> Result<Vec<f32>, TapeError> {
        let interval = Interval::new(low, high)?;
        Ok(self.words(step, len).map(|w| interval.number(w)).collect())
    }

    /// What [`Var::philox_normal`] draws at `step`: within 1e-6.
    pub fn normal(self, step: u32, len: usize) -> Vec<f32> {
        let pair = |radius: u32, angle: u32| -> [f64; 2] {
            let unit = f64::from((radius >> 8) + 1) / f64::from(1 << 24);
            let turn = TAU * f64::from(angle >> 8) / f64::from(1 << 24);
            let radius = (-2.0 * unit.ln()).max(0.0).sqrt();
            [radius * turn.cos(), radius * turn.sin()]
        };
        let blocks = (0..len.div_ceil(4) as u32).map(|i| self.block(step, i));
        let numbers = blocks.flat_map(|[a, b, c, d]| [pair(a, b), pair(c, d)].concat());
        numbers.take(len).map(|v| v as f32).collect()
    }

    /// What [`Var::philox_integers`] draws at `step`: the same.
    pub fn integers(self, step: u32, len: usize, count: u32) -> Result<Vec<u32>, TapeError> {
        check_count(count)?;
        let below = |w: u32| ((u64::from(w) * u64::from(count)) >> 32) as u32;
        Ok(self.words(step, len).map(below).collect())
    }
}

/// The interval of uniform numbers.
#[derive(Debug, Clone, Copy)]
struct Interval {
    low: f32,
    span: f32,
    /// The largest number that, added to `low` and rounded, stays below the upper end.
    most: f32,
}

impl Interval {
    fn new(low: f32, high: f32) -> Result<Interval, TapeError> {
        let span = high - low;
        if !(low.is_finite() && high.is_finite() && span.is_finite() && span >= NARROWEST) {
            return Err(TapeError::Option {
                op: "philox_uniform",
                message: format!(
                    "got the interval [{low}, {high}); expected finite ends, the upper at least {NARROWEST:e} above the lower"
                ),
            });
        }
        // Bits of positive floats are ordered like the floats: bisect on them.
        let (mut inside, mut outside) = (0u32, span.to_bits() + 1);
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if low + f32::from_bits(middle) < high {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        Ok(Interval {
            low,
            span,
            most: f32::from_bits(inside),
        })
    }

    fn number(&self, word: u32) -> f32 {
        let unit = (word >> 8) as f32 / (1 << 24) as f32;
        self.low + (self.span * unit).min(self.most)
    }
}

fn check_count(count: u32) -> Result<(), TapeError> {
    if count == 0 {
        return Err(TapeError::Option {
            op: "philox_integers",
            message: "got count 0; expected at least 1".to_string(),
        });
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Distribution {
    Uniform(Interval),
    Normal,
    Integers(u32),
}

/// Input: step u32[1]. Output: f32 or u32 of `shape`.
#[derive(Debug)]
struct Philox {
    stream: Stream,
    shape: Vec<usize>,
    distribution: Distribution,
}

impl Op for Philox {
    fn name(&self) -> &'static str {
        "philox"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let blocks = self.shape.iter().product::<usize>().div_ceil(4);
        if blocks == 0 || u32::try_from(blocks).is_err() {
            return Err(TapeError::Option {
                op: "philox",
                message: format!(
                    "got the shape {:?}; expected 1 to 2^34 elements",
                    self.shape
                ),
            });
        }
        check_step("philox", inputs)?;
        Ok(vec![match self.distribution {
            Distribution::Integers(_) => Tensor::u32(&self.shape),
            _ => Tensor::f32(&self.shape),
        }])
    }

    /// Random numbers are constants to everything that depends on them.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Ok(vec![None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (step, y) = (cx.input(0), cx.output(0));
        let count = y.tensor.len();
        let key = match self.distribution {
            Distribution::Uniform(_) => "philox/fill.uniform",
            Distribution::Normal => "philox/fill.normal",
            Distribution::Integers(_) => "philox/fill.integers",
        };
        let [seed_low, seed_high] = self.stream.key();
        let dispatch = cx
            .dispatch(key)
            .bind("step", &step)
            .bind("y", &y)
            .u32("count", count)
            .u32("seed_low", seed_low as usize)
            .u32("seed_high", seed_high as usize)
            .u32("stream", self.stream.stream as usize);
        let dispatch = match self.distribution {
            Distribution::Uniform(i) => {
                (dispatch.f32("low", i.low).f32("span", i.span)).f32("most", i.most)
            }
            Distribution::Normal => dispatch,
            Distribution::Integers(bound) => dispatch.u32("bound", bound as usize),
        };
        dispatch.linear(count.div_ceil(4))
    }
}

/// An error unless the only input is a step counter.
pub(super) fn check_step(op: &'static str, inputs: &[&Tensor]) -> Result<(), TapeError> {
    match inputs {
        [step] if step.dtype == DType::U32 && step.len() == 1 => Ok(()),
        _ => Err(shape_error(op, inputs, "a step counter u32[1]")),
    }
}

/// Random numbers; `self` is the step counter, `u32[1]`.
impl Var {
    /// f32 of `shape`, uniform in [low, high): multiples of 2⁻²⁴ of the interval,
    /// never `high` itself. Errors unless both ends are finite and low < high.
    pub fn philox_uniform(
        &self,
        stream: Stream,
        shape: &[usize],
        low: f32,
        high: f32,
    ) -> Result<Var, TapeError> {
        let distribution = Distribution::Uniform(Interval::new(low, high)?);
        self.philox(stream, shape, distribution)
    }

    /// f32 of `shape`, from the standard normal distribution (Box–Muller); no element
    /// is larger than √(48 ln 2) = 5.77.
    pub fn philox_normal(&self, stream: Stream, shape: &[usize]) -> Result<Var, TapeError> {
        self.philox(stream, shape, Distribution::Normal)
    }

    /// u32 of `shape`, uniform in 0..count: the upper half of word · count, so each
    /// value's probability is within 2⁻³² of 1 / count (a relative bias below
    /// count / 2³²). Errors if `count` is 0.
    pub fn philox_integers(
        &self,
        stream: Stream,
        shape: &[usize],
        count: u32,
    ) -> Result<Var, TapeError> {
        check_count(count)?;
        self.philox(stream, shape, Distribution::Integers(count))
    }

    fn philox(
        &self,
        stream: Stream,
        shape: &[usize],
        distribution: Distribution,
    ) -> Result<Var, TapeError> {
        let op = Philox {
            stream,
            shape: shape.to_vec(),
            distribution,
        };
        Var::record1(op, &[self])
    }
}
