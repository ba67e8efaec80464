//! The picture in memory.

use std::path::Path;

use super::{MediaError, atomic_file};

/// A colour: red, green, blue, each in 0..=255 (sRGB).
pub type Rgb = [u8; 3];

/// White paper.
pub const WHITE: Rgb = [255, 255, 255];

/// An 8-bit sRGB picture, at least one pixel high and wide.
///
/// Layout: HWC, row-major from the top left, `data.len() == height · width · 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb8 {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Rgb8 {
    /// A picture of `data` (HWC).
    ///
    /// # Errors
    /// [`MediaError::Shape`] if a side is 0 or `data` is not `height · width · 3` long.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, MediaError> {
        let expected = checked_area(width, height)?.saturating_mul(3);
        if data.len() != expected {
            return Err(MediaError::Shape {
                what: "RGB picture",
                expected: format!("{height}×{width}×3 = {expected} bytes"),
                got: format!("{} bytes", data.len()),
            });
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// A picture of one colour.
    ///
    /// # Errors
    /// [`MediaError::Shape`] if a side is 0.
    pub fn filled(width: usize, height: usize, colour: Rgb) -> Result<Self, MediaError> {
        let area = checked_area(width, height)?;
        Self::new(width, height, colour.repeat(area))
    }

    /// A picture of one frame in the layout of observations: CHW, three planes
    /// of `height · width` bytes (red, green, blue). Of a stack, give the slice
    /// of one frame: `&stack[3 * h * w * frame..][..3 * h * w]`.
    ///
    /// # Errors
    /// [`MediaError::Shape`] if a side is 0 or `chw` is not `3 · height · width` long.
    pub fn from_chw(chw: &[u8], height: usize, width: usize) -> Result<Self, MediaError> {
        let area = checked_area(width, height)?;
        if chw.len() != area.saturating_mul(3) {
            return Err(MediaError::Shape {
                what: "frame (CHW)",
                expected: format!("3×{height}×{width} bytes"),
                got: format!("{} bytes", chw.len()),
            });
        }
        let data = (0..area)
            .flat_map(|i| [chw[i], chw[area + i], chw[2 * area + i]])
            .collect();
        Self::new(width, height, data)
    }

    /// One colour per pixel, row-major; for the makers of this folder, which
    /// have already checked the length.
    pub(super) fn from_colours(
        width: usize,
        height: usize,
        colours: impl Iterator<Item = Rgb>,
    ) -> Result<Self, MediaError> {
        Self::new(width, height, colours.flatten().collect())
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, HWC.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, HWC, without a copy.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The colours, row by row.
    pub fn colours(&self) -> impl Iterator<Item = Rgb> + '_ {
        self.data.chunks_exact(3).map(|p| [p[0], p[1], p[2]])
    }

    /// The colour at column `x`, row `y`; `None` outside.
    pub fn get(&self, x: usize, y: usize) -> Option<Rgb> {
        (x < self.width && y < self.height).then(|| {
            let i = 3 * (y * self.width + x);
            [self.data[i], self.data[i + 1], self.data[i + 2]]
        })
    }

    /// Sets a pixel; outside the picture it does nothing.
    pub fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.width && y < self.height {
            let i = 3 * (y * self.width + x);
            self.data[i..i + 3].copy_from_slice(&colour);
        }
    }

    /// Copies `picture` with its top left corner at (`x`, `y`); what lies
    /// outside is cut.
    pub fn paste(&mut self, picture: &Rgb8, x: usize, y: usize) {
        if x >= self.width || y >= self.height {
            return;
        }
        let columns = picture.width.min(self.width - x);
        let rows = picture.height.min(self.height - y);
        for row in 0..rows {
            let from = 3 * row * picture.width;
            let to = 3 * ((y + row) * self.width + x);
            self.data[to..to + 3 * columns]
                .copy_from_slice(&picture.data[from..from + 3 * columns]);
        }
    }

    /// Every pixel repeated `factor` times in both directions (0 counts as 1).
    pub fn upscale_nearest(&self, factor: usize) -> Rgb8 {
        let factor = factor.max(1);
        let mut data = Vec::with_capacity(self.data.len() * factor * factor);
        for row in self.data.chunks_exact(3 * self.width) {
            let wide: Vec<u8> = row.chunks_exact(3).flat_map(|p| p.repeat(factor)).collect();
            data.extend(wide.repeat(factor));
        }
        Rgb8 {
            width: self.width * factor,
            height: self.height * factor,
            data,
        }
    }

    /// The mean of every `factor`×`factor` block; columns and rows that do not
    /// fill a block are cut. How supersampled drawings become antialiased ones.
    ///
    /// # Errors
    /// [`MediaError::Shape`] if the picture is smaller than one block.
    pub fn downscale_mean(&self, factor: usize) -> Result<Rgb8, MediaError> {
        let factor = factor.max(1);
        let (width, height) = (self.width / factor, self.height / factor);
        checked_area(width, height)?;
        let n = factor * factor;
        let mut data = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0usize; 3];
                for row in y * factor..(y + 1) * factor {
                    let start = 3 * (row * self.width + x * factor);
                    for p in self.data[start..start + 3 * factor].chunks_exact(3) {
                        for (s, &v) in sum.iter_mut().zip(p) {
                            *s += usize::from(v);
                        }
                    }
                }
                data.extend(sum.map(|s| ((s + n / 2) / n) as u8));
            }
        }
        Self::new(width, height, data)
    }

    /// The bytes in the layout of observations: CHW, three planes of
    /// `height · width`.
    pub fn to_chw(&self) -> Vec<u8> {
        (0..3)
            .flat_map(|channel| self.data.iter().skip(channel).step_by(3).copied())
            .collect()
    }

    /// Writes a PNG, by way of a temporary file that is renamed at the end.
    ///
    /// # Errors
    /// [`MediaError::Unwritable`] or [`MediaError::Encode`].
    pub fn save_png(&self, path: &Path) -> Result<(), MediaError> {
        use image::ImageEncoder;
        use image::codecs::png::{CompressionType, FilterType, PngEncoder};
        let encode = |reason: String| MediaError::Encode {
            what: "a PNG",
            reason,
        };
        let side = |n: usize| u32::try_from(n).map_err(|e| encode(e.to_string()));
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(
                &self.data,
                side(self.width)?,
                side(self.height)?,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(|e| encode(e.to_string()))?;
        atomic_file::write(path, &bytes)
    }
}

/// `width · height`, if both are at least 1 and the bytes can be counted.
pub(super) fn checked_area(width: usize, height: usize) -> Result<usize, MediaError> {
    match width.checked_mul(height) {
        Some(area) if area > 0 && area <= isize::MAX as usize / 3 => Ok(area),
        _ => Err(MediaError::Shape {
            what: "picture",
            expected: "a height and a width of at least 1 that fit into memory".into(),
            got: format!("{height}×{width}"),
        }),
    }
}
