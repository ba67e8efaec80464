//! Checkpoints: what is read is what was written, or an error that says why.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use foveate::run::{
    Checkpoint, CheckpointMeta, CheckpointStore, ElementType, NamedTensor, ReplayPosition,
    RunError, TensorSpec,
};
use proptest::prelude::*;

/// Set in a copy of this test program that is to be killed or to fill a disk.
const CHILD: &str = "FOVEATE_TEST_CHILD_CHECKPOINT";

fn meta(step: u64) -> CheckpointMeta {
    let mut meta = CheckpointMeta {
        step,
        config: "0a1b2c3d".into(),
        metrics: step * 2,
        tensorboard: step + 1,
        replay: ReplayPosition {
            segments: step,
            first_frame: 1,
            frames: u64::MAX,
            first_transition: 2,
            transitions: 3,
        },
        ..CheckpointMeta::default()
    };
    meta.extra.insert("episode \"x\"".into(), 17.into());
    meta
}

/// Floats that depend on the step, some that are not equal to themselves, and bytes.
fn values(step: u64) -> (Vec<f32>, Vec<u32>, Vec<u8>) {
    let mut floats: Vec<f32> = (0..24).map(|i| (step * 100 + i) as f32 / 7.0).collect();
    floats[3] = f32::NAN;
    floats[4] = -0.0;
    floats[5] = f32::from_bits(1);
    (
        floats,
        vec![step as u32, u32::MAX],
        step.to_le_bytes()[..5].to_vec(),
    )
}

fn save(store: &CheckpointStore, step: u64) -> Result<Vec<CheckpointMeta>, RunError> {
    let (floats, counters, state) = values(step);
    let tensors = [
        NamedTensor::opaque("env.state", &state[..]),
        NamedTensor::f32("actor.mlp.0.weight", &[2, 3, 4], &floats),
        NamedTensor::u32("counters", &[2], &counters),
        NamedTensor::f32("nothing", &[0, 4], &[]),
        NamedTensor::f32("log_alpha", &[], &floats[..1]),
    ];
    Ok(store.save(&meta(step), &tensors)?.kept)
}

fn assert_holds(checkpoint: &Checkpoint, step: u64) {
    assert_eq!(checkpoint.meta(), &meta(step));
    let (floats, counters, state) = values(step);
    let bits = |v: &[f32]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
    let weight = checkpoint.f32("actor.mlp.0.weight").unwrap();
    assert_eq!(bits(&weight), bits(&floats));
    assert_eq!(checkpoint.u32("counters").unwrap(), counters);
    assert_eq!(checkpoint.bytes("env.state").unwrap(), state);
    assert_eq!(checkpoint.f32("nothing").unwrap(), Vec::<f32>::new());
    assert_eq!(
        bits(&checkpoint.f32("log_alpha").unwrap()),
        bits(&floats[..1])
    );
}

fn steps(store: &CheckpointStore) -> Vec<u64> {
    store
        .list()
        .unwrap()
        .into_iter()
        .map(|(step, _)| step)
        .collect()
}

fn anything(_: &Checkpoint) -> Result<(), RunError> {
    Ok(())
}

fn latest(store: &CheckpointStore) -> (u64, usize) {
    let loaded = store.load_latest(anything).unwrap().expect("a checkpoint");
    let step = loaded.checkpoint.meta().step;
    assert_holds(&loaded.checkpoint, step);
    (step, loaded.skipped.len())
}

#[test]
fn two_are_kept_and_the_newest_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    assert!(store.load_latest(anything).unwrap().is_none());
    for step in 1..=5 {
        let kept = save(&store, step).unwrap();
        let expected: Vec<_> = (step.saturating_sub(1).max(1)..=step)
            .rev()
            .map(meta)
            .collect();
        assert_eq!(kept, expected);
        assert_eq!(latest(&store), (step, 0));
    }
    assert_eq!(steps(&store), [4, 5]);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "and nothing else"
    );
    let names = Checkpoint::load(&store.list().unwrap()[0].1).unwrap();
    let names: Vec<&str> = names.names().collect();
    assert_eq!(
        names,
        [
            "actor.mlp.0.weight",
            "counters",
            "env.state",
            "log_alpha",
            "nothing"
        ]
    );
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (floats, counters, _) = values(1);
    let tensors = [
        NamedTensor::f32("b", &[24], &floats),
        NamedTensor::u32("a", &[2], &counters),
        NamedTensor::opaque("c", vec![1, 2, 3]),
    ];
    let one = CheckpointStore::new(a.path())
        .save(&meta(1), &tensors)
        .unwrap();
    let reversed: Vec<_> = tensors.into_iter().rev().collect();
    let other = CheckpointStore::new(b.path())
        .save(&meta(1), &reversed)
        .unwrap();
    assert_eq!(fs::read(one.path).unwrap(), fs::read(other.path).unwrap());
}

#[test]
fn other_programs_read_it_as_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 3).unwrap();
    let bytes = fs::read(&store.list().unwrap()[0].1).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = file.tensor("actor.mlp.0.weight").unwrap();
    assert_eq!(weight.shape(), [2, 3, 4]);
    assert_eq!(weight.data(), bytemuck::cast_slice::<f32, u8>(&values(3).0));
    let aligned =
        |data: &[u8]| (data.as_ptr() as usize - bytes.as_ptr() as usize).is_multiple_of(4);
    assert!(aligned(weight.data()) && aligned(file.tensor("counters").unwrap().data()));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    save(&store, 2).unwrap();
    let path = store.list().unwrap()[1].1.clone();
    let good = fs::read(&path).unwrap();
    let must_fail = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::load(&path).expect_err(&what);
        assert!(matches!(error, RunError::Damaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains("step-000000000002"), "{error}");
        assert!(!error.is_user_mistake());
    };
    for length in 0..good.len() {
        must_fail(&good[..length], format!("truncated to {length}"));
    }
    must_fail(&[&good[..], &[0]].concat(), "one byte more".into());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        must_fail(&bad, format!("bit {bit}"));
    }
    // And training goes on from the one before.
    assert_eq!(latest(&store), (1, 1));
    let first = store.list().unwrap()[0].1.clone();
    fs::write(first, "").unwrap();
    let error = store.load_latest(anything).unwrap_err();
    match &error {
        RunError::NoGoodCheckpoint { errors, .. } => assert_eq!(errors.len(), 2),
        _ => panic!("{error}"),
    }
}

#[test]
fn after_a_fall_back_the_good_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 10).unwrap();
    save(&store, 20).unwrap();
    let damaged = store.list().unwrap()[1].1.clone();
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, &bytes[..100]).unwrap();
    assert_eq!(latest(&store), (10, 1));
    store.rewind_to(10).unwrap();
    assert_eq!(steps(&store), [10]);
    assert_eq!(latest(&store), (10, 0));
    // Were the damaged one still counted, 10 would go now.
    save(&store, 15).unwrap();
    assert_eq!(steps(&store), [10, 15]);
    save(&store, 25).unwrap();
    assert_eq!(steps(&store), [15, 25]);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "it is gone when passed"
    );
}

#[test]
fn what_belongs_to_it_elsewhere_decides_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    save(&store, 2).unwrap();
    let refuse_two = |checkpoint: &Checkpoint| match checkpoint.meta().step {
        2 => Err(RunError::MissingSegment {
            path: "segment".into(),
        }),
        _ => Ok(()),
    };
    let loaded = store.load_latest(refuse_two).unwrap().unwrap();
    assert_eq!(loaded.checkpoint.meta().step, 1);
    assert!(matches!(
        loaded.skipped[..],
        [RunError::MissingSegment { .. }]
    ));
    // Another architecture is no damage: an older checkpoint is not tried.
    let error = store
        .load_latest(|checkpoint| checkpoint.check(&[]))
        .unwrap_err();
    assert!(
        matches!(error, RunError::Architecture { total: 5, .. }),
        "{error}"
    );
}

/// What [`save`] stores.
fn specs() -> Vec<TensorSpec> {
    let spec = |name: &str, element, shape: Option<&[usize]>| TensorSpec {
        name: name.into(),
        element,
        shape: shape.map(<[usize]>::to_vec),
    };
    vec![
        spec("actor.mlp.0.weight", ElementType::F32, Some(&[2, 3, 4])),
        spec("counters", ElementType::U32, Some(&[2])),
        spec("nothing", ElementType::F32, Some(&[0, 4])),
        spec("log_alpha", ElementType::F32, Some(&[])),
        spec("env.state", ElementType::U8, None),
    ]
}

#[test]
fn another_architecture_is_refused_by_name_and_shape() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    let checkpoint = store.load_latest(anything).unwrap().unwrap().checkpoint;
    checkpoint.check(&specs()).unwrap();

    let message = |specs: &[TensorSpec]| {
        let error = checkpoint.check(specs).unwrap_err();
        assert!(error.is_user_mistake());
        error.to_string()
    };
    let mut wrong = specs();
    wrong[0].shape = Some(vec![2, 3, 5]);
    assert!(message(&wrong).ends_with("'actor.mlp.0.weight' is F32 [2, 3, 4], not F32 [2, 3, 5]"));
    let mut wrong = specs();
    wrong[1].element = ElementType::F32;
    assert!(message(&wrong).ends_with("'counters' is U32 [2], not F32 [2]"));
    let mut wrong = specs();
    wrong[2].name = "critic.weight".into();
    assert!(message(&wrong).ends_with(
        "'critic.weight' (F32 [0, 4]) is missing; 'nothing' (F32 [0, 4]) is not expected"
    ));
    let renamed: Vec<_> = specs()
        .into_iter()
        .map(|spec| TensorSpec {
            name: format!("other.{}", spec.name),
            ..spec
        })
        .collect();
    assert!(
        message(&renamed).ends_with("; and 5 more"),
        "{}",
        message(&renamed)
    );

    let error = checkpoint.u32("log_alpha").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has no U32 tensor 'log_alpha' (it is F32 [])"),
        "{error}"
    );
    assert!(matches!(
        checkpoint.bytes("absent"),
        Err(RunError::NoSuchTensor { .. })
    ));
}

#[test]
fn tensors_that_make_no_checkpoint_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    for tensors in [
        vec![NamedTensor::f32("a", &[3], &[1.0, 2.0])],
        vec![NamedTensor::f32("a", &[usize::MAX, 2], &[1.0])],
        vec![
            NamedTensor::f32("a", &[1], &[1.0]),
            NamedTensor::u32("a", &[1], &[1]),
        ],
        vec![NamedTensor::f32("__metadata__", &[1], &[1.0])],
    ] {
        let error = store.save(&meta(1), &tensors).unwrap_err();
        assert!(matches!(error, RunError::BadTensor { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    let path = store.list().unwrap()[0].1.clone();
    let mut bytes = fs::read(&path).unwrap();
    let field = br#"\"version\":1"#;
    let at = bytes.windows(field.len()).position(|w| w == field).unwrap() + field.len() - 1;
    bytes[at] = b'9';
    // The checksum's eight digits, which it covers as zeros.
    let digits = 8 + br#"{"__metadata__":{"crc32c":""#.len();
    bytes[digits..digits + 8].copy_from_slice(b"00000000");
    let crc = format!("{:08x}", crc32c::crc32c(&bytes));
    bytes[digits..digits + 8].copy_from_slice(crc.as_bytes());
    fs::write(&path, bytes).unwrap();
    let error = Checkpoint::load(&path).unwrap_err();
    assert!(
        matches!(
            error,
            RunError::Version {
                found: 9,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// Each state in which a kill can leave the folder.
#[test]
fn a_torn_folder_loads() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    for step in 1..=3 {
        save(&store, step).unwrap();
    }
    let bytes: Vec<_> = store
        .list()
        .unwrap()
        .iter()
        .map(|(_, path)| fs::read(path).unwrap())
        .collect();
    let temporary = folder.path().join(format!(
        ".step-000000000004.safetensors.{}.tmp",
        std::process::id()
    ));
    // Before the rename, with any part written.
    for length in [0, 1, 50, bytes[1].len()] {
        fs::write(&temporary, &bytes[1][..length]).unwrap();
        assert_eq!(latest(&store), (3, 0));
        assert_eq!(steps(&store), [2, 3]);
    }
    // What was left does not disturb the next one.
    save(&store, 4).unwrap();
    assert!(!temporary.exists());
    // After the rename, before the removal: three are there.
    fs::write(
        folder.path().join("step-000000000002.safetensors"),
        &bytes[0],
    )
    .unwrap();
    assert_eq!(steps(&store), [2, 3, 4]);
    assert_eq!(latest(&store), (4, 0));
    save(&store, 5).unwrap();
    assert_eq!(steps(&store), [4, 5]);
    // The same step again, after a resume.
    save(&store, 5).unwrap();
    assert_eq!(steps(&store), [4, 5]);
    assert_eq!(latest(&store), (5, 0));
}

/// Not a test by itself: what the copies of this program do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let store = CheckpointStore::new(&folder);
    let first = steps(&store).last().map_or(1, |last| last + 1);
    if Path::new(&folder)
        .join("step-000000000002.safetensors")
        .exists()
        && std::env::var("FOVEATE_TEST_FULL").is_ok()
    {
        let error = save_large(&store, 3).unwrap_err();
        assert!(matches!(error, RunError::DiskFull { .. }), "{error}");
        return;
    }
    for step in first.. {
        save(&store, step).unwrap();
    }
}

fn save_large(store: &CheckpointStore, step: u64) -> Result<(), RunError> {
    let tensor = NamedTensor::opaque("large", vec![7; 5 << 20]);
    store.save(&meta(step), &[tensor]).map(drop)
}

#[test]
fn killed_at_any_moment_it_loads() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    let mut reached = 0;
    for round in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Once it writes, a moment that differs from round to round.
        while steps(&store).last().is_none_or(|last| *last == reached) {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the other process failed"
            );
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(round * 791));
        child.kill().unwrap();
        child.wait().unwrap();
        let (step, skipped) = latest(&store);
        assert!(step > reached && skipped == 0);
        reached = step;
    }
}

/// The device `/dev/full` takes the temporary file's place: the write fails with
/// the error of a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    save(&store, 2).unwrap();
    let temporary = folder.path().join(format!(
        ".step-000000000003.safetensors.{}.tmp",
        std::process::id()
    ));
    for large in [false, true] {
        std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
        let error = if large {
            save_large(&store, 3).unwrap_err()
        } else {
            save(&store, 3).unwrap_err()
        };
        assert!(matches!(error, RunError::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("step-000000000003"), "{error}");
        assert!(!temporary.is_symlink(), "nothing of it remains");
        assert_eq!(steps(&store), [1, 2]);
        assert_eq!(latest(&store), (2, 0));
    }
}

/// The file-size limit stands in for a full disk: part of the file is written.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_in_the_middle_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path());
    save(&store, 1).unwrap();
    save(&store, 2).unwrap();
    let status = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact child",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, folder.path())
        .env("FOVEATE_TEST_FULL", "1")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no temporary file"
    );
    assert_eq!(latest(&store), (2, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_tensors_return_as_they_were(
        tensors in proptest::collection::btree_map(
            ".{0,30}",
            (0usize..3, proptest::collection::vec(0usize..4, 0..4), any::<u8>()),
            0..8,
        )
    ) {
        let elements = [ElementType::F32, ElementType::U32, ElementType::U8];
        let tensors: Vec<_> = tensors
            .into_iter()
            .filter(|(name, _)| name != "__metadata__")
            .map(|(name, (element, shape, seed))| {
                let element = elements[element];
                let count = shape.iter().product::<usize>() * element.size();
                let bytes: Vec<u8> = (0..count).map(|i| (i as u8).wrapping_mul(37) ^ seed).collect();
                (name, element, shape, bytes)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let named: Vec<_> = tensors
            .iter()
            .map(|(name, element, shape, bytes)| NamedTensor::new(name, *element, shape, &bytes[..]))
            .collect();
        let path = CheckpointStore::new(folder.path()).save(&meta(9), &named).unwrap().path;
        let checkpoint = Checkpoint::load(&path).unwrap();
        prop_assert_eq!(checkpoint.names().count(), tensors.len());
        for (name, element, shape, bytes) in &tensors {
            prop_assert_eq!(checkpoint.info(name), Some((*element, &shape[..])));
            prop_assert_eq!(checkpoint.bytes(name).unwrap(), &bytes[..]);
        }
    }

    #[test]
    fn rubbish_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), whole: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000000000001.safetensors");
        let mut file = br#"xxxxxxxx{"__metadata__":{"crc32c":"00000000","#.to_vec();
        file[..8].copy_from_slice(&(bytes.len() as u64 + 37).to_le_bytes());
        file.extend(&bytes);
        fs::write(&path, if whole { &file } else { &bytes }).unwrap();
        let is_damaged = matches!(Checkpoint::load(&path), Err(RunError::Damaged { .. }));
        prop_assert!(is_damaged);
    }
}
