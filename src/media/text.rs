//! Antialiased text, in Noto Sans (SIL Open Font License 1.1), which the
//! program carries: no system font or font library is asked.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use super::rgb8::Rgb;
use super::{MediaError, Rgb8};

/// Dark grey: softer than black on white paper, still far above 7:1 contrast.
pub const INK: Rgb = [51, 51, 51];

/// How heavy the strokes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

/// One line of text, rasterised: how much of each pixel the ink covers.
#[derive(Debug, Clone)]
pub struct Label {
    width: usize,
    height: usize,
    /// Row-major, `height · width` values in 0..=1.
    coverage: Vec<f32>,
}

impl Label {
    /// Rasterises one line at `size` pixels per em. Its height is the font's
    /// line height (about 1.36 `size`), whatever the letters, so that labels of
    /// one size share a baseline. Characters that the font lacks show as a box.
    ///
    /// # Errors
    /// [`MediaError::Shape`] if `size` is not within 1..=500.
    pub fn new(text: &str, size: f32, weight: Weight) -> Result<Self, MediaError> {
        if !(1.0..=500.0).contains(&size) {
            return Err(MediaError::Shape {
                what: "size of text",
                expected: "1 to 500 pixels".into(),
                got: size.to_string(),
            });
        }
        let bytes = match weight {
            Weight::Regular => notosans::REGULAR_TTF,
            Weight::Bold => notosans::BOLD_TTF,
        };
        let font = FontRef::try_from_slice(bytes).map_err(|e| MediaError::Encode {
            what: "text",
            reason: e.to_string(),
        })?;
        // ab_glyph scales the line height, people think in ems.
        let per_em = font
            .units_per_em()
            .map_or(1.0, |units| font.height_unscaled() / units);
        let font = font.into_scaled(PxScale::from(size * per_em));

        let mut pen = 0.0;
        let mut before = None;
        let mut outlines = Vec::new();
        for character in text.chars().filter(|c| !c.is_control()) {
            let id = font.glyph_id(character);
            if let Some(before) = before {
                pen += font.kern(before, id);
            }
            let glyph = id.with_scale_and_position(font.scale(), point(pen, font.ascent()));
            outlines.extend(font.outline_glyph(glyph));
            pen += font.h_advance(id);
            before = Some(id);
        }

        let (width, height) = (pen.max(0.0).ceil() as usize, font.height().ceil() as usize);
        let mut coverage = vec![0.0; width * height];
        for outline in outlines {
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i64, corner.y as i64);
            outline.draw(|x, y, ink| {
                let at = |start: i64, offset: u32, limit: usize| {
                    usize::try_from(start + i64::from(offset))
                        .ok()
                        .filter(|&v| v < limit)
                };
                if let (Some(x), Some(y)) = (at(left, x, width), at(top, y, height)) {
                    let pixel: &mut f32 = &mut coverage[y * width + x];
                    *pixel = (*pixel + ink).min(1.0);
                }
            });
        }
        Ok(Self {
            width,
            height,
            coverage,
        })
    }

    /// Width in pixels; 0 for no text.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The same line, to be read from bottom to top.
    pub fn turned_left(&self) -> Label {
        let (width, height) = (self.height, self.width);
        let coverage = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| self.coverage[x * self.width + (self.width - 1 - y)])
            .collect();
        Label {
            width,
            height,
            coverage,
        }
    }

    /// Draws the line with its top left corner at (`x`, `y`); what lies outside
    /// the picture is cut.
    pub fn draw(&self, picture: &mut Rgb8, x: i64, y: i64, colour: Rgb) {
        for (i, &ink) in self.coverage.iter().enumerate().filter(|(_, c)| **c > 0.0) {
            let column = usize::try_from(x + (i % self.width) as i64);
            let row = usize::try_from(y + (i / self.width) as i64);
            let (Ok(column), Ok(row)) = (column, row) else {
                continue;
            };
            if let Some(paper) = picture.get(column, row) {
                let mixed = std::array::from_fn(|c| {
                    let (under, over) = (f32::from(paper[c]), f32::from(colour[c]));
                    (under + (over - under) * ink).round() as u8
                });
                picture.set(column, row, mixed);
            }
        }
    }

    /// Draws the line centred on (`x`, `y`).
    pub fn draw_centred(&self, picture: &mut Rgb8, x: i64, y: i64, colour: Rgb) {
        let (half_width, half_height) = (self.width as i64 / 2, self.height as i64 / 2);
        self.draw(picture, x - half_width, y - half_height, colour);
    }
}

/// Breaks `text` at spaces into lines of at most `width` pixels; a word that is
/// wider than that is cut and ends in '…'.
///
/// # Errors
/// As [`Label::new`].
pub fn wrap(text: &str, size: f32, weight: Weight, width: usize) -> Result<Vec<Label>, MediaError> {
    let mut lines: Vec<(String, Label)> = Vec::new();
    for word in text.split_whitespace() {
        if let Some((line, label)) = lines.last_mut() {
            let longer = format!("{line} {word}");
            let longer_label = Label::new(&longer, size, weight)?;
            if longer_label.width() <= width {
                (*line, *label) = (longer, longer_label);
                continue;
            }
        }
        lines.push((word.to_owned(), cut(word, size, weight, width)?));
    }
    Ok(lines.into_iter().map(|(_, label)| label).collect())
}

/// The line, or as much of it as fits into `width` pixels followed by '…'.
///
/// # Errors
/// As [`Label::new`].
pub fn cut(text: &str, size: f32, weight: Weight, width: usize) -> Result<Label, MediaError> {
    let mut label = Label::new(text, size, weight)?;
    let mut kept: Vec<char> = text.chars().collect();
    while label.width() > width && kept.pop().is_some() {
        let shorter: String = kept.iter().chain(['…'].iter()).collect();
        label = Label::new(&shorter, size, weight)?;
    }
    Ok(label)
}
