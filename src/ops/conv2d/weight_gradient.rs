//! The gradient of a convolution's weights: which kernel, cut into how many pieces.

use super::super::lower::work;
use super::super::tiled::{TiledProduct, pays, suffix};
use super::super::{Lower, Op, Operand, TapeError, Tensor, shape_error};
use super::correlation::{Tile, candidates, shapes};
use super::{Conv2dOptions, Sizes, pixels_as_steps};
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{Capabilities, GpuError, Precision};

/// Invocations of a workgroup of `conv2d/weight_gradient` without workgroup memory.
const LANES: usize = 32;
/// Workgroups that the sum over pixels is cut into pieces for: of 32 lanes, of tiles in
/// workgroup memory, and of 8 lanes.
const GROUPS: usize = 512;
const TILED_GROUPS: usize = 256;
const WINDOW_GROUPS: usize = 32;
/// Shortest piece (pixels) worth a workgroup, and most pieces.
const SHORTEST_PIECE: usize = 512;
const MOST_PIECES: usize = 64;

/// Inputs: g[B, M, OH, OW], x. Outputs like w and, if asked for, bias.
#[derive(Debug)]
pub(super) struct WeightGradient {
    pub options: Conv2dOptions,
    pub sizes: Sizes,
    pub bias: bool,
}

/// How a sum is cut into pieces for a kernel.
struct Pieces {
    /// Terms of each piece but the last.
    piece: usize,
    /// Workgroups of the dispatch; along the last dimension they are the pieces.
    groups: [usize; 3],
}

impl Pieces {
    fn of(terms: usize, piece: usize, [x, y]: [usize; 2]) -> Pieces {
        let groups = [x, y, terms.div_ceil(piece)];
        Pieces { piece, groups }
    }
}

impl Op for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [g, x] if g.shape == self.sizes.output() && x.shape == self.sizes.input() => {
                let mut outputs = vec![Tensor::f32(&self.sizes.weight())];
                outputs.extend(self.bias.then(|| Tensor::f32(&[self.sizes.out_channels])));
                Ok(outputs)
            }
            _ => Err(shape_error(
                "conv2d_weight_gradient",
                inputs,
                format!("{:?}", self.sizes),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let Some((kind, mut tiles)) = self.window(cx.capabilities()) else {
            return self.lower_pixels(cx);
        };
        tiles.retain(|tile| cx.has_groups(self.window_pieces(tile).groups));
        if cx.precision() == Precision::F16 {
            return self.lower_pixels(cx);
        }
        let shapes = shapes(&self.sizes.input(), &self.sizes.output());
        let class = format!("conv2d_weight_gradient {kind} {shapes}");
        let shaders = tiles.iter().map(|t| t.shader).collect();
        let others = self.tiled(cx).into_iter().map(|t| t.shader);
        let others: Vec<_> = others
            .filter(|s| cx.has_groups(self.pixel_pieces(s).groups))
            .collect();
        match cx.choose(class, shaders, &others) {
            Some(shader) => match Tile::of(shader) {
                Some(tile) => self.lower_window(cx, tile),
                None => self.dispatch_pixels(cx, shader),
            },
            None => self.lower_pixels(cx),
        }
    }
}

impl WeightGradient {
    /// The permutations of `conv2d/weight_gradient_window` for the layer, least
    /// estimated work first, where the device and the layer suit them.
    fn window(&self, capabilities: &Capabilities) -> Option<(&'static str, Vec<Tile>)> {
        let (s, o) = (self.sizes, self.options);
        let kind = match (o.stride, o.pad == 0 && o.upsample == 1) {
            (1, true) => "valid",
            (1, false) => "padded",
            (2, true) => "strided",
            _ => return None,
        };
        if capabilities.subgroup_size != Some(8) || s.kernel_height != s.kernel_width {
            return None;
        }
        let mut tiles = candidates(&format!("conv2d/weight_gradient_window.{kind}_"));
        tiles.retain(|tile| tile.kernel == s.kernel_height);
        tiles.sort_by_key(|tile| {
            let runs = s.images * s.out_height.div_ceil(tile.run) * s.out_width;
            let loads = tile.kernel * tile.window() + tile.shares() * tile.run;
            let sums = tile.channels * s.taps();
            runs * s.out_channels.div_ceil(tile.channels) * work(loads, sums, tile.run)
        });
        Some((kind, tiles))
    }

    /// How `conv2d/weight_gradient_window` cuts the sum, of runs down a column.
    fn window_pieces(&self, tile: &Tile) -> Pieces {
        let s = self.sizes;
        let groups = [
            s.in_channels.div_ceil(tile.shader.invocations() as usize),
            s.out_channels.div_ceil(tile.channels),
        ];
        let units = s.images * s.out_height.div_ceil(tile.run) * s.out_width;
        let pieces = WINDOW_GROUPS.div_ceil(groups[0] * groups[1]);
        let piece = units.div_ceil(pieces.min(units.div_ceil(SHORTEST_PIECE / tile.run)));
        Pieces::of(units, piece, groups)
    }

    fn lower_window(&self, cx: &mut Lower, tile: Tile) -> Result<(), TapeError> {
        let (g, x) = (cx.input(0), cx.input(1));
        let (s, o) = (self.sizes, self.options);
        let runs = s.out_height.div_ceil(tile.run);
        let Pieces { piece, groups } = self.window_pieces(&tile);
        let pieces = groups[2];
        let partial = self.partial(cx, 0, pieces);
        let partial_bias = match self.bias {
            true => self.partial(cx, 1, pieces),
            false => cx.workspace(Tensor::f32(&[pieces, s.out_channels])),
        };
        cx.dispatch(tile.shader.key)
            .bind("g", &g)
            .bind("x", &x)
            .bind("partial", &partial)
            .bind("partial_bias", &partial_bias)
            .u32("images", s.images)
            .u32("in_channels", s.in_channels)
            .u32("in_height", s.in_height)
            .u32("in_width", s.in_width)
            .u32("out_channels", s.out_channels)
            .u32("out_height", s.out_height)
            .u32("out_width", s.out_width)
            .u32("pad", o.pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("runs", runs)
            .u32("piece", piece)
            .f32("scale", o.scale)
            .flops(s.flops())
            .groups(groups.map(|n| n as u32))?;
        self.join(cx, &partial, Some(&partial_bias), pieces)
    }

    /// Which permutations of `conv2d/weight_gradient` do the layer.
    fn kind(&self) -> &'static str {
        match self.options.pad == 0 && self.options.upsample == 1 {
            true => "valid",
            false => "padded",
        }
    }

    /// Rows and columns of the result, and terms of the sum for each.
    fn product(&self) -> [usize; 3] {
        let s = self.sizes;
        let pixels = s.images * s.out_height * s.out_width;
        [s.out_channels, s.in_channels * s.taps(), pixels]
    }

    /// Pieces that the sum over pixels is cut into, for so many tiles.
    fn pieces(&self, groups: usize, tiles: usize) -> usize {
        let [_, _, pixels] = self.product();
        let pieces = groups.div_ceil(tiles);
        pieces.min(pixels / SHORTEST_PIECE).clamp(1, MOST_PIECES)
    }

    fn tiled_pieces(&self, tile: &TiledProduct) -> usize {
        let [rows, columns, _] = self.product();
        self.pieces(TILED_GROUPS, tile.groups(rows, columns))
    }

    /// The permutations in workgroup memory, least estimated cost first.
    fn tiled(&self, cx: &Lower) -> Vec<TiledProduct> {
        let prefix = format!("conv2d/weight_gradient.{}_tiled_", self.kind());
        let pieces = |tile: &TiledProduct| self.tiled_pieces(tile);
        TiledProduct::candidates(cx, &prefix, self.product(), pieces)
    }

    /// Lanes over pixels: any kernel, any device.
    fn lower_pixels(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (s, o) = (self.sizes, self.options);
        let (capabilities, precision) = (*cx.capabilities(), cx.precision());
        let kind = match s.taps() {
            1 => "pointwise",
            _ => self.kind(),
        };
        // Compilers of software devices take minutes over long kernels.
        let compact = match capabilities.software && capabilities.subgroup_size != Some(8) {
            true => "_compact",
            false => "",
        };
        let lanes = ShaderInfo::find(&format!("conv2d/weight_gradient.{kind}{compact}"));
        let lanes: Vec<_> = lanes.into_iter().collect();
        let tiled: Vec<_> = self.tiled(cx).iter().map(|t| t.shader).collect();
        let (candidates, others) = match capabilities {
            _ if precision == Precision::F16 => (tiled, vec![]),
            c if !c.software && pays(self.product()) => ([tiled, lanes].concat(), vec![]),
            c if c.subgroup_size == Some(8) => (lanes, tiled),
            _ => ([lanes, tiled].concat(), vec![]),
        };
        let groups = |s: &&'static ShaderInfo| self.pixel_pieces(s).groups;
        let (candidates, others) = cx.dispatchable(candidates, others, groups);
        let class = format!(
            "conv2d_weight_gradient {kind} {}x{} /{} +{} *{} {}{}",
            s.kernel_height,
            s.kernel_width,
            o.stride,
            o.pad,
            o.upsample,
            shapes(&s.input(), &s.output()),
            suffix(precision),
        );
        let Some(shader) = cx.choose(class, candidates, &others) else {
            let reason = format!("there is no shader 'conv2d/weight_gradient.{kind}'");
            let what = "conv2d_weight_gradient".to_string();
            return Err(GpuError::Rejected { what, reason }.into());
        };
        self.dispatch_pixels(cx, shader)
    }

    /// Blocks that a permutation without workgroup memory divides the taps into.
    fn tap_blocks(&self, shader: &ShaderInfo) -> usize {
        let taps = shader.constant("TAPS").unwrap_or(1) as usize;
        self.sizes.taps().div_ceil(taps)
    }

    /// How a permutation of `conv2d/weight_gradient` cuts the sum, over pixels.
    fn pixel_pieces(&self, shader: &'static ShaderInfo) -> Pieces {
        let [rows, columns, pixels] = self.product();
        let (groups, pieces) = match TiledProduct::of(shader) {
            Some(tile) => {
                let groups = [columns.div_ceil(tile.columns), rows.div_ceil(tile.rows)];
                (groups, self.tiled_pieces(&tile))
            }
            None => {
                let channels = shader.constant("CHANNELS").unwrap_or(1) as usize;
                let groups = [
                    self.sizes.in_channels * self.tap_blocks(shader),
                    rows.div_ceil(channels),
                ];
                (groups, self.pieces(GROUPS, groups[0] * groups[1]))
            }
        };
        Pieces::of(pixels, pixels.div_ceil(pieces), groups)
    }

    fn dispatch_pixels(
        &self,
        cx: &mut Lower,
        shader: &'static ShaderInfo,
    ) -> Result<(), TapeError> {
        let (g, x) = (cx.input(0), cx.input(1));
        let (s, o) = (self.sizes, self.options);
        let Pieces { piece, groups } = self.pixel_pieces(shader);
        let pieces = groups[2];
        let advance = TiledProduct::of(shader).map_or(LANES, |tile| tile.step);
        let step = pixels_as_steps(advance, s.out_height, s.out_width);
        let partial = self.partial(cx, 0, pieces);
        cx.dispatch(shader.key)
            .bind("g", &g)
            .bind("x", &x)
            .bind("partial", &partial)
            .u32("images", s.images)
            .u32("in_channels", s.in_channels)
            .u32("in_height", s.in_height)
            .u32("in_width", s.in_width)
            .u32("out_channels", s.out_channels)
            .u32("out_height", s.out_height)
            .u32("out_width", s.out_width)
            .u32("kernel_height", s.kernel_height)
            .u32("kernel_width", s.kernel_width)
            .u32("stride", o.stride)
            .u32("pad", o.pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("piece", piece)
            .u32("tap_blocks", self.tap_blocks(shader))
            .u32("step_image", step[0])
            .u32("step_row", step[1])
            .u32("step_column", step[2])
            .f32("scale", o.scale)
            .flops(s.flops())
            .groups(groups.map(|n| n as u32))?;
        self.join(cx, &partial, None, pieces)?;
        if !self.bias {
            return Ok(());
        }
        let db = cx.output(1);
        cx.dispatch("conv2d/bias_gradient")
            .bind("g", &g)
            .bind("db", &db)
            .u32("images", s.images)
            .u32("channels", s.out_channels)
            .u32("plane", s.out_height * s.out_width)
            .linear_groups(s.out_channels)
    }

    /// Where the pieces of an output go: one is the result itself.
    fn partial(&self, cx: &mut Lower, output: usize, pieces: usize) -> Operand {
        let whole = cx.output(output);
        match pieces {
            1 => whole,
            _ => cx.workspace(Tensor::f32(&[pieces, whole.tensor.len()])),
        }
    }

    fn join(
        &self,
        cx: &mut Lower,
        partial: &Operand,
        partial_bias: Option<&Operand>,
        pieces: usize,
    ) -> Result<(), TapeError> {
        if pieces == 1 {
            return Ok(());
        }
        let dw = cx.output(0);
        let weights = dw.tensor.len();
        // Without a bias to sum nothing is read or written there.
        let (biases, partial_bias, db) = match partial_bias {
            Some(partial) if self.bias => (self.sizes.out_channels, partial.clone(), cx.output(1)),
            _ => (0, partial.clone(), cx.workspace(Tensor::f32(&[1]))),
        };
        cx.dispatch("conv2d/join_pieces")
            .bind("partial", partial)
            .bind("partial_bias", &partial_bias)
            .bind("dw", &dw)
            .bind("db", &db)
            .u32("count", weights)
            .u32("bias_count", biases)
            .u32("pieces", pieces)
            .linear(weights + biases)
    }
}
