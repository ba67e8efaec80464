//! Draws scenes into a frame store with the ray caster (`shaders/raycast`).

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::scene::SceneData;
use crate::Error;
use crate::envs::EnvError;
use crate::gpu::shader::ShaderInfo;
use crate::gpu::{
    Bound, BufferRange, FrameShape, FrameStore, Gpu, GpuError, Kernel, ParamBlock, Readback, Value,
};

/// Pixels of one invocation times invocations of one workgroup.
const PIXELS_PER_GROUP: usize = 4 * 64;

/// Pictures on the device, for the video modes: u8[count, 3, size, size].
#[derive(Debug, Clone)]
pub struct PictureBank {
    buffer: wgpu::Buffer,
    count: usize,
    size: usize,
}

impl PictureBank {
    /// Packs pictures, u8[3, size, size] each (planes red, green, blue, rows from
    /// the top); `size` is a multiple of 4.
    ///
    /// # Errors
    /// [`EnvError::NoPictures`], [`EnvError::PictureBytes`],
    /// [`EnvError::TooManyPictures`], and those of the device.
    pub fn from_pictures(
        gpu: &Gpu,
        pictures: &[impl AsRef<[u8]>],
        size: usize,
    ) -> Result<PictureBank, Error> {
        let bytes = 3 * size * size;
        if pictures.is_empty() {
            return Err(EnvError::NoPictures.into());
        }
        for (index, picture) in pictures.iter().enumerate() {
            let given = picture.as_ref().len();
            if given != bytes || size == 0 || !size.is_multiple_of(4) {
                return Err(EnvError::PictureBytes { index, given, size }.into());
            }
        }
        let limits = gpu.capabilities();
        let most = limits.max_binding.min(limits.max_buffer) as usize / bytes;
        if pictures.len() > most {
            let given = pictures.len();
            return Err(EnvError::TooManyPictures { given, size, most }.into());
        }
        let buffer = gpu.storage("picture bank", (pictures.len() * bytes) as u64)?;
        for (i, picture) in pictures.iter().enumerate() {
            let range = BufferRange {
                buffer: buffer.clone(),
                offset: (i * bytes) as u64,
                size: bytes as u64,
            };
            gpu.write(&range, picture.as_ref())?;
        }
        Ok(PictureBank {
            buffer,
            count: pictures.len(),
            size,
        })
    }

    /// How many pictures there are, 1 or more.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Height and width of each.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// The ray caster with all that it needs to draw up to `worlds` scenes at a time
/// into the pages of one store. Drawing creates nothing on the device.
#[derive(Debug)]
pub struct Renderer {
    gpu: Gpu,
    store: FrameStore,
    worlds: usize,
    /// Pictures of the bank; 0 without one.
    pictures: usize,
    params: wgpu::Buffer,
    scenes: wgpu::Buffer,
    /// For each page `stride` bytes: the slot within the page that each scene goes to.
    destinations: wgpu::Buffer,
    stride: u64,
    kernel: std::sync::Arc<Kernel>,
    /// For each page.
    groups: Vec<wgpu::BindGroup>,
    segmenter: OnceLock<Segmenter>,
    /// What is written before a submission must not be written over by another
    /// thread before it; the lock holds the host's side of `destinations`.
    turn: Mutex<Vec<u32>>,
}

impl Renderer {
    /// The shader that draws.
    pub(crate) const SHADER: &'static str = "raycast/raycast.color";

    /// For up to `worlds` scenes at a time and the frames of `store`. Scenes that
    /// show a picture need `pictures`.
    ///
    /// # Errors
    /// [`GpuError::Rejected`] for more worlds or pixels than can be dispatched, and for
    /// frames of neither 3 nor 4 planes; those of allocating.
    pub fn new(
        gpu: &Gpu,
        store: &FrameStore,
        worlds: usize,
        pictures: Option<&PictureBank>,
    ) -> Result<Renderer, GpuError> {
        let limits = *gpu.capabilities();
        let across = workgroups(store.image_size());
        let most = limits.max_groups as usize;
        if !(1..=most).contains(&worlds) || across > most {
            return Err(rejected(format!(
                "{worlds} worlds of {0}×{0} pixels: there must be from 1 to {most} worlds, and a frame of at most {1} pixels",
                store.image_size(),
                most * PIXELS_PER_GROUP,
            )));
        }
        let planes = store.shape().planes;
        if !(3..=4).contains(&planes) {
            return Err(rejected(format!(
                "frames of {planes} planes; there must be 3, or 4 with saliency"
            )));
        }
        let kernel = kernel(gpu, Renderer::SHADER)?;
        let params = params(gpu, kernel.shader, worlds, store.shape(), pictures)?;
        let scenes = gpu.storage("scenes", (worlds * size_of::<SceneData>()) as u64)?;
        let stride = (worlds as u64 * 4).next_multiple_of(limits.offset_alignment.max(4));
        let pages = store.pages();
        let destinations = gpu.storage("destinations", stride * pages.len() as u64)?;
        let bank = match pictures {
            Some(bank) => bank.buffer.clone(),
            None => gpu.storage("no pictures", 4)?,
        };
        let mut groups = vec![];
        for (i, page) in pages.iter().enumerate() {
            let destination = BufferRange {
                buffer: destinations.clone(),
                offset: stride * i as u64,
                size: worlds as u64 * 4,
            };
            let bound = [
                ("scenes", Bound::Buffer(BufferRange::whole(&scenes))),
                ("destination", Bound::Buffer(destination)),
                ("frames", Bound::Buffer(BufferRange::whole(page))),
                ("pictures", Bound::Buffer(BufferRange::whole(&bank))),
            ];
            groups.push(bind(gpu, &kernel, &params, &bound)?);
        }
        Ok(Renderer {
            gpu: gpu.clone(),
            store: store.clone(),
            worlds,
            pictures: pictures.map_or(0, PictureBank::count),
            params,
            scenes,
            destinations,
            stride,
            kernel,
            groups,
            segmenter: OnceLock::new(),
            turn: Mutex::default(),
        })
    }

    /// How many scenes can be drawn at a time.
    pub fn worlds(&self) -> usize {
        self.worlds
    }

    /// The store that is drawn into.
    pub fn store(&self) -> &FrameStore {
        &self.store
    }

    /// Draws scene i into slot `slots[i]` of the store, u8[3, height, width], and
    /// saliency below it where frames have a fourth plane: 255 on what the task is about;
    /// [`FrameStore::NO_SLOT`]: it is not drawn. One submission, one dispatch for
    /// each page that is touched.
    ///
    /// # Errors
    /// [`GpuError::Rejected`] if the lengths differ or are more than
    /// [`worlds`](Renderer::worlds), a slot does not exist or stands there twice, or
    /// a scene shows a picture that the bank does not have. Nothing is drawn then.
    pub fn draw(&self, scenes: &[SceneData], slots: &[u32]) -> Result<(), GpuError> {
        if scenes.len() != slots.len() || scenes.len() > self.worlds {
            return Err(rejected(format!(
                "{} scenes and {} slots for a renderer of {} worlds",
                scenes.len(),
                slots.len(),
                self.worlds
            )));
        }
        self.check_pictures(scenes)?;
        self.store.check_slots(slots)?;
        let place =
            |slot: u32| (slot != FrameStore::NO_SLOT).then(|| self.store.place(slot as usize));
        let mut pages: Vec<usize> = slots
            .iter()
            .filter_map(|&s| place(s))
            .map(|p| p.0)
            .collect();
        pages.sort_unstable();
        pages.dedup();
        if pages.is_empty() {
            return Ok(());
        }
        self.gpu.check_lost()?;
        let queue = self.gpu.queue();
        let mut within = self.turn();
        queue.write_buffer(&self.scenes, 0, bytemuck::cast_slice(scenes));
        for &page in &pages {
            within.clear();
            within.extend(slots.iter().map(|&slot| match place(slot) {
                Some((of, number)) if of == page => number as u32,
                _ => FrameStore::NO_SLOT,
            }));
            let at = self.stride * page as u64;
            queue.write_buffer(&self.destinations, at, bytemuck::cast_slice(&within));
        }
        let mut encoder = (self.gpu.device()).create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.kernel.pipeline);
            for &page in &pages {
                pass.set_bind_group(0, &self.groups[page], &[]);
                let across = workgroups(self.store.image_size());
                pass.dispatch_workgroups(across as u32, scenes.len() as u32, 1);
            }
        }
        queue.submit([encoder.finish()]);
        Ok(())
    }

    /// What each pixel of each scene belongs to, u8[height · width] a scene, rows
    /// from the top: `SEGMENT_BACKGROUND`, `SEGMENT_FLOOR`, or `SEGMENT_TASK` and up
    /// (see [`scene`](super::scene)). Any number of scenes; waits for the device.
    pub fn segmentation(&self, scenes: &[SceneData]) -> Result<Vec<Vec<u8>>, GpuError> {
        let segmenter = match self.segmenter.get() {
            Some(segmenter) => segmenter,
            None => {
                let made = Segmenter::new(self)?;
                self.segmenter.get_or_init(|| made)
            }
        };
        let turn = self.turn();
        let pixels = self.store.image_size().pow(2);
        let mut all = Vec::with_capacity(scenes.len());
        for part in scenes.chunks(segmenter.worlds) {
            let ids = segmenter.run(self, part, pixels)?;
            all.extend(ids.chunks_exact(pixels).map(<[u8]>::to_vec));
        }
        drop(turn);
        Ok(all)
    }

    fn check_pictures(&self, scenes: &[SceneData]) -> Result<(), GpuError> {
        let wanting = (scenes.iter())
            .find(|s| s.background == SceneData::PICTURE && s.picture as usize >= self.pictures);
        match wanting {
            Some(scene) => Err(rejected(format!(
                "a scene shows picture {}, the bank has {}",
                scene.picture, self.pictures
            ))),
            None => Ok(()),
        }
    }

    fn turn(&self) -> MutexGuard<'_, Vec<u32>> {
        // A panic while the lock is held leaves scratch memory that is filled anew.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second permutation, for those who ask for it.
#[derive(Debug)]
struct Segmenter {
    /// Scenes at a time: those of the renderer, or as many as one binding can hold.
    worlds: usize,
    kernel: std::sync::Arc<Kernel>,
    group: wgpu::BindGroup,
    ids: wgpu::Buffer,
    readback: Readback,
}

impl Segmenter {
    fn new(renderer: &Renderer) -> Result<Segmenter, GpuError> {
        let gpu = &renderer.gpu;
        let limits = gpu.capabilities();
        let pixels = renderer.store.image_size().pow(2);
        let most = limits.max_binding.min(limits.max_buffer) as usize / pixels;
        let worlds = renderer.worlds.min(most.max(1));
        let ids = gpu.storage("segmentation", (worlds * pixels) as u64)?;
        // Scene i goes to slot i.
        let slots: Vec<u32> = (0..renderer.worlds as u32).collect();
        let destination = gpu.storage("segmentation slots", slots.len() as u64 * 4)?;
        gpu.write(
            &BufferRange::whole(&destination),
            bytemuck::cast_slice(&slots),
        )?;
        let kernel = kernel(gpu, "raycast/raycast.segmentation")?;
        let bound = [
            (
                "scenes",
                Bound::Buffer(BufferRange::whole(&renderer.scenes)),
            ),
            (
                "destination",
                Bound::Buffer(BufferRange::whole(&destination)),
            ),
            ("frames", Bound::Buffer(BufferRange::whole(&ids))),
        ];
        Ok(Segmenter {
            worlds,
            group: bind(gpu, &kernel, &renderer.params, &bound)?,
            kernel,
            readback: Readback::new(gpu, ids.size())?,
            ids,
        })
    }

    /// The ids of at most `self.worlds` scenes, one scene after the other.
    fn run(
        &self,
        renderer: &Renderer,
        scenes: &[SceneData],
        pixels: usize,
    ) -> Result<Vec<u8>, GpuError> {
        let gpu = &renderer.gpu;
        gpu.check_lost()?;
        (gpu.queue()).write_buffer(&renderer.scenes, 0, bytemuck::cast_slice(scenes));
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.kernel.pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            let across = workgroups(renderer.store.image_size());
            pass.dispatch_workgroups(across as u32, scenes.len() as u32, 1);
        }
        let range = BufferRange {
            buffer: self.ids.clone(),
            offset: 0,
            size: (scenes.len() * pixels) as u64,
        };
        let bytes = self.readback.record(&mut encoder, &[range]);
        gpu.queue().submit([encoder.finish()]);
        pollster::block_on(self.readback.fetch(bytes))
    }
}

fn rejected(reason: String) -> GpuError {
    GpuError::Rejected {
        what: "renderer".to_string(),
        reason,
    }
}

/// Workgroups across one frame.
fn workgroups(image_size: usize) -> usize {
    (image_size * image_size).div_ceil(PIXELS_PER_GROUP)
}

fn kernel(gpu: &Gpu, key: &str) -> Result<std::sync::Arc<Kernel>, GpuError> {
    let shader =
        ShaderInfo::find(key).ok_or_else(|| rejected(format!("no shader is called '{key}'")))?;
    gpu.kernel(shader)
}

/// Both permutations have the same parameters.
fn params(
    gpu: &Gpu,
    shader: &ShaderInfo,
    worlds: usize,
    frame: FrameShape,
    pictures: Option<&PictureBank>,
) -> Result<wgpu::Buffer, GpuError> {
    let picture = Value::U32(pictures.map_or(1, PictureBank::size) as u32);
    let values = [
        ("worlds", Value::U32(worlds as u32)),
        ("width", Value::U32(frame.side as u32)),
        ("height", Value::U32(frame.side as u32)),
        ("picture_width", picture),
        ("picture_height", picture),
        (
            "pictures",
            Value::U32(pictures.map_or(1, PictureBank::count) as u32),
        ),
        ("planes", Value::U32(frame.planes as u32)),
    ];
    let bytes = ParamBlock::bytes(shader, &values)?;
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let buffer = gpu.create("raycast parameters", bytes.len() as u64, usage)?;
    gpu.write(&BufferRange::whole(&buffer), &bytes)?;
    Ok(buffer)
}

fn bind(
    gpu: &Gpu,
    kernel: &Kernel,
    params: &wgpu::Buffer,
    bound: &[(&'static str, Bound)],
) -> Result<wgpu::BindGroup, GpuError> {
    let params = BufferRange::whole(params);
    gpu.guarded(kernel.shader.key, || {
        kernel.bind(gpu.device(), Some(&params), bound)
    })?
}
