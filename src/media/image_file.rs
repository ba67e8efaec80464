//! Image files: PNG and JPEG of any size, alone or in folders; the frames of GIFs.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::codecs::gif::GifDecoder;
use image::imageops::{self, FilterType};
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage, RgbaImage,
};

use super::rgb8::Rgb;
use super::{MediaError, Rgb8};

/// Memory that decoding one image may take: 20,000×20,000 pixels fit, an
/// archive bomb does not.
const DECODE_LIMIT_MIB: u64 = 2048;

/// Extensions of files with one picture.
pub(crate) const STILLS: [&str; 3] = ["png", "jpg", "jpeg"];

/// How a picture of any shape becomes a square without distortion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The largest centred square is kept; the rest is cut off.
    CentreCrop,
    /// All is kept; bars of this colour fill the square.
    Letterbox(Rgb),
}

/// The image files that `path` stands for: itself if it is a file, or a
/// folder's `.png`, `.jpg` and `.jpeg` files (any case) sorted by name. Other
/// files and subfolders of a folder are passed over. Never empty.
///
/// # Errors
/// [`MediaError::Missing`], [`MediaError::Unreadable`], [`MediaError::EmptyFolder`].
pub fn list(path: &Path) -> Result<Vec<PathBuf>, MediaError> {
    let unreadable = |source| unreadable(path, source);
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = files_of(path, &STILLS)?;
    if files.is_empty() {
        return Err(MediaError::EmptyFolder {
            path: path.to_owned(),
        });
    }
    Ok(files)
}

/// The files of a folder whose names end in one of `extensions` (lower case here, any
/// case there), sorted by name.
///
/// # Errors
/// [`MediaError::Missing`], [`MediaError::Unreadable`].
pub(crate) fn files_of(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, MediaError> {
    let unreadable = |source| unreadable(folder, source);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if has_extension(&file, extensions) && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether the name of `path` ends in one of `extensions`, in any case.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    (path.extension().and_then(|e| e.to_str()))
        .is_some_and(|e| extensions.iter().any(|k| e.eq_ignore_ascii_case(k)))
}

/// Reads one PNG or JPEG (known by its content, not its name). The orientation
/// that a camera wrote is applied, 16-bit channels become 8-bit, grey becomes
/// RGB and transparency is laid on white.
///
/// # Errors
/// [`MediaError::Missing`], [`MediaError::Unreadable`], [`MediaError::ZeroSized`],
/// [`MediaError::NotAnImage`], [`MediaError::TooLarge`].
pub fn read(path: &Path) -> Result<Rgb8, MediaError> {
    decode_still(path, open(path)?)
}

/// Reads the pictures of one PNG, JPEG or GIF (known by its content): one, or every frame
/// of the animation as it is shown, in order. Never empty; of one file, all of one size.
///
/// # Errors
/// As [`read`].
pub fn read_frames(path: &Path) -> Result<Vec<Rgb8>, MediaError> {
    let mut file = open(path)?;
    let mut head = Vec::new();
    (file.by_ref().take(4).read_to_end(&mut head))
        .and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(|source| unreadable(path, source))?;
    if head == b"GIF8" {
        decode_gif(path, file)
    } else {
        decode_still(path, file).map(|picture| vec![picture])
    }
}

/// Opens a file that is neither a folder nor without pixels.
fn open(path: &Path) -> Result<BufReader<File>, MediaError> {
    let io = |source| unreadable(path, source);
    if fs::metadata(path).map_err(io)?.is_dir() {
        return Err(MediaError::NotAnImage {
            path: path.to_owned(),
            reason: "it is a folder".into(),
        });
    }
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    if is_zero_sized(&mut file).map_err(io)? {
        return Err(MediaError::ZeroSized {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

fn decode_gif(path: &Path, file: BufReader<File>) -> Result<Vec<Rgb8>, MediaError> {
    let undecodable = |e| undecodable(path, e);
    let mut decoder = GifDecoder::new(file).map_err(undecodable)?;
    decoder
        .set_limits(limits(DECODE_LIMIT_MIB))
        .map_err(undecodable)?;
    let mut pictures: Vec<Rgb8> = Vec::new();
    for frame in decoder.into_frames() {
        let picture = on_white(&frame.map_err(undecodable)?.into_buffer())?;
        // All frames together are held to the limit of one picture.
        if (pictures.len() as u64 + 1) * picture.data().len() as u64 > DECODE_LIMIT_MIB << 20 {
            return Err(MediaError::TooLarge {
                path: path.to_owned(),
                limit_mib: DECODE_LIMIT_MIB,
                reason: format!("it has more than {} frames", pictures.len()),
            });
        }
        pictures.push(picture);
    }
    if pictures.is_empty() {
        return Err(MediaError::NotAnImage {
            path: path.to_owned(),
            reason: "it ends before its first frame".into(),
        });
    }
    Ok(pictures)
}

fn decode_still(path: &Path, file: BufReader<File>) -> Result<Rgb8, MediaError> {
    let io = |source| unreadable(path, source);
    let undecodable = |e| undecodable(path, e);
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(io)?;
    if let Some(other) = reader.format()
        && !matches!(other, ImageFormat::Png | ImageFormat::Jpeg)
    {
        return Err(MediaError::NotAnImage {
            path: path.to_owned(),
            reason: format!("it is {other:?}; PNG or JPEG is needed"),
        });
    }
    // The library gives grey where a JPEG lacks data.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(&fs::read(path).map_err(io)?) {
        return Err(MediaError::NotAnImage {
            path: path.to_owned(),
            reason: "it is cut short: a JPEG without its end".into(),
        });
    }
    reader.limits(limits(DECODE_LIMIT_MIB));
    let mut decoder = reader.into_decoder().map_err(undecodable)?;
    // The library checks the decoder's own buffers against the limit; the
    // picture's is ours to check.
    if decoder.total_bytes() > DECODE_LIMIT_MIB << 20 {
        let (width, height) = decoder.dimensions();
        return Err(MediaError::TooLarge {
            path: path.to_owned(),
            limit_mib: DECODE_LIMIT_MIB,
            reason: format!("it is {width} wide and {height} high"),
        });
    }
    let orientation = decoder.orientation().map_err(undecodable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    picture.apply_orientation(orientation);

    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width == 0 || height == 0 {
        return Err(MediaError::ZeroSized {
            path: path.to_owned(),
        });
    }
    if picture.color().has_alpha() {
        on_white(&picture.to_rgba8())
    } else {
        Rgb8::new(width, height, picture.into_rgb8().into_raw())
    }
}

/// Transparency laid on white.
fn on_white(picture: &RgbaImage) -> Result<Rgb8, MediaError> {
    let colours = picture.pixels().map(|p| {
        let [r, g, b, alpha] = p.0.map(u32::from);
        [r, g, b].map(|v| ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    });
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Rgb8::from_colours(width, height, colours)
}

/// Fits a picture into a square of `size` pixels, keeping its aspect. The
/// triangle filter is as wide as the step between target pixels, so that
/// shrinking averages and does not alias.
///
/// # Errors
/// [`MediaError::Shape`] if `size` is 0 or beyond 65,535.
pub fn resize_square(picture: &Rgb8, size: usize, fit: Fit) -> Result<Rgb8, MediaError> {
    let target = side(size)?;
    match fit {
        Fit::CentreCrop => {
            let source = buffer(picture)?;
            let side = source.width().min(source.height());
            let (x, y) = ((source.width() - side) / 2, (source.height() - side) / 2);
            let square = imageops::crop_imm(&source, x, y, side, side).to_image();
            let fitted = imageops::resize(&square, target, target, FilterType::Triangle);
            Rgb8::new(size, size, fitted.into_raw())
        }
        Fit::Letterbox(bars) => {
            let inner = resize_within(picture, size)?;
            let mut square = Rgb8::filled(size, size, bars)?;
            let (x, y) = ((size - inner.width()) / 2, (size - inner.height()) / 2);
            square.paste(&inner, x, y);
            Ok(square)
        }
    }
}

/// Resizes a picture so that its longer side has `size` pixels, keeping its aspect: all
/// of it, and no more. Filtered as by [`resize_square`].
///
/// # Errors
/// [`MediaError::Shape`] if `size` is 0 or beyond 65,535.
pub fn resize_within(picture: &Rgb8, size: usize) -> Result<Rgb8, MediaError> {
    side(size)?;
    let (width, height) = size_within(picture.width(), picture.height(), size);
    let source = buffer(picture)?;
    let fitted = imageops::resize(&source, width as u32, height as u32, FilterType::Triangle);
    Rgb8::new(width, height, fitted.into_raw())
}

/// Width and height of a picture whose longer side becomes `size` pixels: rounded, and
/// never 0, so that one of 1×10,000 still shows.
pub fn size_within(width: usize, height: usize, size: usize) -> (usize, usize) {
    let longer = width.max(height).max(1);
    let scaled = |extent: usize| ((extent * size + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
}

fn side(size: usize) -> Result<u32, MediaError> {
    let side = u16::try_from(size).ok().filter(|&s| s > 0).map(u32::from);
    side.ok_or_else(|| MediaError::Shape {
        what: "side of the resized image",
        expected: "1 to 65535 pixels".into(),
        got: size.to_string(),
    })
}

fn buffer(picture: &Rgb8) -> Result<RgbImage, MediaError> {
    let too_wide = || MediaError::Shape {
        what: "picture to resize",
        expected: "sides that fit 32 bits".into(),
        got: format!("{}×{}", picture.height(), picture.width()),
    };
    let width = u32::try_from(picture.width()).map_err(|_| too_wide())?;
    let height = u32::try_from(picture.height()).map_err(|_| too_wide())?;
    RgbImage::from_raw(width, height, picture.data().to_vec()).ok_or_else(too_wide)
}

/// Reads a file, or all image files of a folder in the order of [`list`], each
/// fitted to `size`×`size`; with the file it came from.
///
/// # Errors
/// Those of [`list`], [`read`] and [`resize_square`]; the first bad file ends it.
pub fn read_square(path: &Path, size: usize, fit: Fit) -> Result<Vec<(PathBuf, Rgb8)>, MediaError> {
    list(path)?
        .into_iter()
        .map(|file| {
            let picture = resize_square(&read(&file)?, size, fit)?;
            Ok((file, picture))
        })
        .collect()
}

/// Resizes to `size`×`size`, whatever the aspect: two pixels each way, weighted by their
/// distance, then cut to whole numbers. As PyTorch's interpolate with mode "bilinear" and
/// align_corners=False, with which the benchmark resizes its videos (SPEC.md F.1). The
/// twin of `bilinear` in the bridge's `video.py`.
///
/// # Errors
/// [`MediaError::Shape`] if `size` or a side of the picture is 0.
pub fn resize_bilinear(picture: &Rgb8, size: usize) -> Result<Rgb8, MediaError> {
    let (width, height) = (picture.width(), picture.height());
    let (columns, rows) = (taps(width, size), taps(height, size));
    let at = |x: usize, y: usize, c: usize| f32::from(picture.data()[3 * (y * width + x) + c]);
    let mut data = Vec::with_capacity(3 * size * size);
    if width > 0 && height > 0 {
        for &(top, bottom, down) in &rows {
            for &(left, right, along) in &columns {
                for c in 0..3 {
                    let line = |y| at(left, y, c) * (1.0 - along) + at(right, y, c) * along;
                    data.push((line(top) * (1.0 - down) + line(bottom) * down) as u8);
                }
            }
        }
    }
    Rgb8::new(size, size, data)
}

/// The two source pixels of each target pixel, and the share of the second.
fn taps(length: usize, size: usize) -> Vec<(usize, usize, f32)> {
    let scale = length as f32 / size.max(1) as f32;
    (0..size)
        .map(|i| {
            let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let low = at as usize;
            (
                low,
                (low + 1).min(length.saturating_sub(1)),
                at - low as f32,
            )
        })
        .collect()
}

/// Whether a folder is there; an error if nothing is.
///
/// # Errors
/// [`MediaError::Missing`], [`MediaError::Unreadable`].
pub(crate) fn is_folder(path: &Path) -> Result<bool, MediaError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    Ok(metadata.is_dir())
}

/// Whether the file is empty or a PNG whose header says 0 pixels. (The decoder
/// refuses the latter too, but in words that do not tell it from damage.)
fn is_zero_sized(file: &mut BufReader<File>) -> std::io::Result<bool> {
    let mut head = Vec::new();
    file.by_ref().take(24).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    // Signature, then the IHDR chunk: length, name, width, height (W3C PNG, 11.2.1).
    let png_without_pixels = head.len() == 24
        && head.starts_with(b"\x89PNG\r\n\x1a\n")
        && &head[12..16] == b"IHDR"
        && (head[16..20] == [0; 4] || head[20..24] == [0; 4]);
    Ok(head.is_empty() || png_without_pixels)
}

/// Whether an end-of-image marker follows the beginning of the first scan (ITU T.81,
/// B.1.1: no coded data look like it). A thumbnail's own end comes before that.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, after @ ..] = rest {
        if *marker == 0xff {
            // Markers may be padded.
            rest = &rest[1..];
            continue;
        }
        if *marker == SCAN {
            return after.windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        let length = (after.first_chunk()).map_or(usize::MAX, |l| u16::from_be_bytes(*l).into());
        rest = after.get(length..).unwrap_or_default();
    }
    false
}

fn limits(mib: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(mib << 20);
    limits
}

fn unreadable(path: &Path, source: std::io::Error) -> MediaError {
    let path = path.to_owned();
    if source.kind() == std::io::ErrorKind::NotFound {
        MediaError::Missing { path }
    } else {
        MediaError::Unreadable { path, source }
    }
}

fn undecodable(path: &Path, error: ImageError) -> MediaError {
    let path = path.to_owned();
    match error {
        ImageError::Limits(e) => MediaError::TooLarge {
            path,
            limit_mib: DECODE_LIMIT_MIB,
            reason: e.to_string(),
        },
        e => MediaError::NotAnImage {
            path,
            reason: e.to_string(),
        },
    }
}
