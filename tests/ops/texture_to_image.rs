use crate::common::*;
use foveate::tape::{Tape, Tensor};
use foveate::wgpu;
use rand::RngExt;

/// An RGBA texture with these bytes.
fn texture(
    format: wgpu::TextureFormat,
    height: usize,
    width: usize,
    data: &[u8],
) -> wgpu::TextureView {
    let gpu = gpu();
    let size = wgpu::Extent3d {
        width: width as u32,
        height: height as u32,
        depth_or_array_layers: 1,
    };
    let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some((data.len() / height) as u32),
        rows_per_image: None,
    };
    gpu.queue()
        .write_texture(texture.as_image_copy(), data, layout, size);
    texture.create_view(&Default::default())
}

/// The mean over the area that each output pixel covers.
fn reference(data: &[u8], h: usize, w: usize, height: usize, width: usize) -> Vec<f64> {
    let overlap = |p: usize, i: usize, n: usize, out: usize| {
        let scale = n as f64 / out as f64;
        let (from, to) = (i as f64 * scale, (i + 1) as f64 * scale);
        (to.min((p + 1) as f64) - from.max(p as f64)).max(0.0) / scale
    };
    let mut y = vec![];
    for colour in 0..3 {
        for i in 0..height {
            for j in 0..width {
                let mut sum = 0.0;
                for p in 0..h {
                    for q in 0..w {
                        sum += overlap(p, i, h, height)
                            * overlap(q, j, w, width)
                            * f64::from(data[(p * w + q) * 4 + colour]);
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[test]
fn bytes_at_their_own_size_and_by_area() {
    for (h, w, height, width) in [
        (1, 1, 1, 1),
        (5, 7, 5, 7),
        (5, 7, 3, 2),
        (4, 4, 9, 6),
        (30, 20, 15, 10),
    ] {
        let mut rng = rng(1);
        let data: Vec<u8> = (0..h * w * 4).map(|_| rng.random_range(0..=255)).collect();
        let view = texture(wgpu::TextureFormat::Rgba8Unorm, h, w, &data);
        let tape = Tape::new();
        let t = tape.texture(&view, h, w);
        let y = match (h, w) == (height, width) {
            true => t.texture_to_image(),
            false => t.texture_to_image_sized(height, width),
        }
        .unwrap();
        assert_eq!(y.shape(), [1, 3, height, width]);
        let expected = reference(&data, h, w, height, width);
        assert_close("texture", &computed(&tape, &y), &expected, 2e-6);
    }
}

#[test]
fn bright_and_negative_texels_are_clamped() {
    let texels: [f32; 8] = [7.5, -3.0, 0.5, 1.0, 1e30, 0.0, 1.0, 0.0];
    let view = texture(
        wgpu::TextureFormat::Rgba32Float,
        1,
        2,
        bytemuck::cast_slice(&texels),
    );
    let tape = Tape::new();
    let y = tape.texture(&view, 1, 2).texture_to_image().unwrap();
    let expected = [255.0, 255.0, 0.0, 0.0, 127.5, 255.0];
    assert_close("texture", &computed(&tape, &y), &expected, 1e-6);
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[4, 4, 4]));
    assert!(
        x.texture_to_image()
            .unwrap_err()
            .to_string()
            .contains("Tape::texture")
    );
    let view = texture(wgpu::TextureFormat::Rgba8Unorm, 1, 1, &[0; 4]);
    let t = tape.texture(&view, 1, 1);
    assert!(
        t.texture_to_image_sized(0, 3)
            .unwrap_err()
            .to_string()
            .contains("0×3")
    );
}
