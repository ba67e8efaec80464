//! What the driver made of kernels, kept on disk.

mod common;

use std::cell::RefCell;

use common::own_gpu;
use foveate::agents::PipelineFile;
use foveate::gpu::shader::SHADERS;

/// Kept, taken up again, and what is damaged passed over. Where the device cannot do it
/// there is no file.
#[test]
fn pipelines_are_kept_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let said = RefCell::new(vec![]);
    let open = |gpu: &_| {
        PipelineFile::open_in(folder.path(), gpu, &mut |text| said.borrow_mut().push(text))
    };
    let some = || SHADERS.iter().filter(|s| s.key.starts_with("binary/"));

    let first = own_gpu();
    let Some(mut file) = open(&first) else {
        assert!(first.pipeline_cache_data().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        return;
    };
    first.prepare_kernels(some()).unwrap();
    file.keep(&first).unwrap();
    let kept = std::fs::read(file.path()).unwrap();
    let data = first.pipeline_cache_data().unwrap();
    assert!(kept.ends_with(&data) && kept.len() > data.len());

    let second = own_gpu();
    let mut file = open(&second).unwrap();
    second.prepare_kernels(some()).unwrap();
    file.keep(&second).unwrap();
    assert!(open(&second).is_none(), "a device has one");

    for damaged in [&kept[..kept.len() - 1], &kept[..5], &b"else"[..]] {
        std::fs::write(file.path(), damaged).unwrap();
        let third = own_gpu();
        let mut file = open(&third).unwrap();
        third.prepare_kernels(some()).unwrap();
        file.keep(&third).unwrap();
        assert!(
            std::fs::read(file.path()).unwrap().ends_with(&data),
            "mended"
        );
    }
    let said = said.into_inner();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|text| text.contains("damaged")), "{said:?}");
}
