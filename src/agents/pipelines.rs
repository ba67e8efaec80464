//! What the driver made of kernels, kept on disk for the next program, where the driver
//! wants that kept by others (many keep it themselves).

use std::path::{Path, PathBuf};

use super::tuning::{cache_folder, device_name};
use crate::files::MAKE_FOLDER;
use crate::gpu::Gpu;
use crate::run::{RunError, atomic};

/// First bytes of a file; behind them the CRC-32C of the rest, little endian. A driver
/// must not be given bytes that are not its own: a file that is cut short or changed is
/// refused here.
const MAGIC: &[u8] = b"foveate pipelines 1\n";
const CHECKSUM: usize = 4;

/// The file for one device.
#[derive(Debug, Clone)]
pub struct PipelineFile {
    path: PathBuf,
    kept: usize,
}

impl PipelineFile {
    /// Opens the user's file for a device before its kernels are made. `None` where the
    /// device cannot do it. A damaged file is reported to `notice` and not used.
    pub fn open(gpu: &Gpu, notice: &mut dyn FnMut(String)) -> Option<PipelineFile> {
        PipelineFile::open_in(&cache_folder()?, gpu, notice)
    }

    /// [`PipelineFile::open`] in another folder.
    pub fn open_in(
        folder: &Path,
        gpu: &Gpu,
        notice: &mut dyn FnMut(String),
    ) -> Option<PipelineFile> {
        let path = folder.join(format!("pipelines-{}.bin", device_name(gpu)));
        let bytes = std::fs::read(&path).ok();
        let data = bytes.as_deref().and_then(unpacked);
        if bytes.is_some() && data.is_none() {
            notice(format!(
                "warning: '{}' is not used: it is damaged",
                path.display()
            ));
        }
        let kept = data.map_or(0, <[u8]>::len);
        let able = gpu.use_pipeline_cache(data);
        able.then_some(PipelineFile { path, kept })
    }

    /// Keeps what there is now, whole or not at all, if it became more.
    ///
    /// # Errors
    /// [`RunError::Io`] where the folder cannot be written.
    pub fn keep(&mut self, gpu: &Gpu) -> Result<(), RunError> {
        let data = gpu.pipeline_cache_data().unwrap_or_default();
        if data.len() <= self.kept {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| RunError::io(MAKE_FOLDER, folder, e))?;
        }
        atomic::write(&self.path, &packed(&data))?;
        self.kept = data.len();
        Ok(())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn packed(data: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c(data).to_le_bytes();
    [MAGIC, &checksum, data].concat()
}

fn unpacked(bytes: &[u8]) -> Option<&[u8]> {
    let (checksum, data) = bytes.strip_prefix(MAGIC)?.split_at_checked(CHECKSUM)?;
    (checksum == crc32c::crc32c(data).to_le_bytes()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_refused() {
        let good = packed(b"what a driver said");
        assert_eq!(unpacked(&good), Some(&b"what a driver said"[..]));
        for end in 0..good.len() {
            assert_eq!(unpacked(&good[..end]), None, "{end} bytes");
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 4;
            assert_eq!(unpacked(&changed), None, "byte {at}");
        }
    }
}
