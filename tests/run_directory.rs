//! Run directories, their lock, and the logs in them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use foveate::run::{MetricsWriter, RunDirectory, RunError, TensorboardWriter, metrics};
use proptest::prelude::*;

/// Set in a copy of this test program that is to hold a lock or fill a disk.
const CHILD: &str = "FOVEATE_TEST_CHILD_DIRECTORY";

#[test]
fn a_new_run_may_start_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/new");
    let run = RunDirectory::create(&root).unwrap();
    assert!(!run.has_config());
    for made in [
        run.checkpoints(),
        run.replay(),
        run.tensorboard(),
        run.media(),
    ] {
        assert!(made.is_dir(), "{}", made.display());
    }
    drop(run);
    // Killed before its configuration was written: as good as empty.
    let run = RunDirectory::create(&root).unwrap();
    drop(run);
    assert!(!RunDirectory::resume(&root).unwrap().has_config());
    let run = RunDirectory::create(folder.path().join("deep/new")).unwrap();
    run.write_config("seed = 1\n").unwrap();
    assert_eq!(fs::read_to_string(run.config()).unwrap(), "seed = 1\n");
}

/// `train --no-tune` writes its choices of kernels first; a kill after that bars nothing.
#[test]
fn choices_of_kernels_alone_are_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    let killed = RunDirectory::create(&root).unwrap();
    killed.write_tuning(b"{}").unwrap();
    drop(killed);
    let resumed = RunDirectory::resume(&root).unwrap();
    assert_eq!(resumed.read_tuning().unwrap().as_deref(), Some(&b"{}"[..]));
    drop(resumed);
    let anew = RunDirectory::create(&root).unwrap();
    assert_eq!(anew.read_tuning().unwrap(), None);
    // Without a lock beside it, it may be anybody's.
    let stranger = folder.path().join("stranger");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("tuning.json"), "{}").unwrap();
    assert!(RunDirectory::create(&stranger).is_err());
    assert!(stranger.join("tuning.json").is_file());
}

#[test]
fn a_directory_in_use_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years").unwrap();
    let error = RunDirectory::create(folder.path()).unwrap_err();
    assert!(error.is_user_mistake());
    assert!(
        matches!(
            &error,
            RunError::NotEmpty {
                holds_run: false,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing was added"
    );

    let root = folder.path().join("run");
    RunDirectory::create(&root)
        .unwrap()
        .write_config("")
        .unwrap();
    let error = RunDirectory::create(&root).unwrap_err();
    assert!(matches!(
        &error,
        RunError::NotEmpty {
            holds_run: true,
            ..
        }
    ));
    assert!(error.to_string().contains("--resume"), "{error}");
    assert!(RunDirectory::resume(&root).unwrap().has_config());
    RunDirectory::open(&root).unwrap();
}

#[test]
fn what_is_no_run_is_neither_resumed_nor_opened() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = RunDirectory::resume(&absent).unwrap_err();
    assert!(matches!(error, RunError::NothingToResume { .. }) && !absent.exists());
    let error = RunDirectory::resume(folder.path()).unwrap_err();
    assert!(matches!(error, RunError::NothingToResume { .. }));
    let error = RunDirectory::open(folder.path()).unwrap_err();
    assert!(matches!(error, RunError::NotARun { .. }) && error.is_user_mistake());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for error in [
        RunDirectory::create(&file).unwrap_err(),
        RunDirectory::resume(&file).unwrap_err(),
    ] {
        assert!(matches!(error, RunError::NotADirectory { .. }));
    }
}

/// Not a test by itself: what the copies of this program do.
#[test]
fn child() {
    let Ok(root) = std::env::var(CHILD) else {
        return;
    };
    if Path::new(&root).join("fill").exists() {
        return fill_the_disk(Path::new(&root));
    }
    let run = RunDirectory::resume(&root).unwrap();
    fs::write(run.media().join("locked"), "").unwrap();
    // Until it is killed.
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn two_processes_never_train_into_one_run_and_a_dead_one_does_not_bar_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    RunDirectory::create(&root)
        .unwrap()
        .write_config("")
        .unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env(CHILD, &root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !root.join("media/locked").exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the other process failed"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let error = RunDirectory::resume(&root).unwrap_err();
    match &error {
        RunError::Locked { pid, .. } => {
            // Windows does not let one read a locked file.
            assert!(pid.is_none_or(|pid| pid == child.id()), "{error}");
        }
        _ => panic!("{error}"),
    }
    assert!(error.is_user_mistake());
    RunDirectory::open(&root).expect("reading needs no lock");
    child.kill().unwrap();
    child.wait().unwrap();
    RunDirectory::resume(&root).expect("the dead process's lock is taken over");
}

#[test]
fn small_files_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(folder.path()).unwrap();
    assert_eq!(run.read_tuning().unwrap(), None);
    run.write_tuning(b"{}").unwrap();
    run.write_tuning(b"[1]").unwrap();
    assert_eq!(run.read_tuning().unwrap().as_deref(), Some(&b"[1]"[..]));
    run.write_summary(&serde_json::json!({"train": 1.5}))
        .unwrap();
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(run.summary()).unwrap()).unwrap();
    assert_eq!(summary["train"], 1.5);
    run.write_config("").unwrap();
    fs::write(folder.path().join(".config.toml.tmp"), "half").unwrap();
    fs::write(folder.path().join(".config.toml.77.tmp"), "half").unwrap();
    drop(run);
    RunDirectory::resume(folder.path()).unwrap();
    assert!(!folder.path().join(".config.toml.tmp").exists());
    assert!(!folder.path().join(".config.toml.77.tmp").exists());
}

#[test]
fn metrics_are_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut log = MetricsWriter::open(&path, 0).unwrap();
    log.write(
        "train",
        50,
        1.5,
        &[("critic_loss", 0.25), ("a \"b\"\n", -3.0)],
    )
    .unwrap();
    log.write("eval", 60, 2.0, &[("return", f64::NAN)]).unwrap();
    assert_eq!(log.sync().unwrap(), 2);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "{\"step\":50,\"kind\":\"train\",\"critic_loss\":0.25,\"a \\\"b\\\"\\n\":-3.0,\"seconds\":1.5}\n\
         {\"step\":60,\"kind\":\"eval\",\"return\":null,\"seconds\":2.0}\n"
    );
    fs::write(&path, text.clone() + "{\"step\":7").unwrap();
    let rows = metrics::read(&path).unwrap();
    assert_eq!(rows.len(), 2, "a line cut short is left out");
    assert_eq!(rows[0]["critic_loss"], 0.25);
    fs::write(&path, text + "rubbish\n").unwrap();
    let error = metrics::read(&path).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn a_resumed_log_has_the_lines_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let write = |log: &mut MetricsWriter, step: u64, seconds: f64| {
        log.write("train", step, seconds, &[("loss", step as f64 / 3.0)])
            .unwrap();
    };
    let mut log = MetricsWriter::open(&path, 0).unwrap();
    (0..10).for_each(|step| write(&mut log, step, 1.0));
    let whole = fs::read(&path).unwrap();
    for kept in 0..=10u64 {
        for cut in [0, 1, 20] {
            // Killed somewhere behind the checkpoint's lines.
            let mut log = MetricsWriter::open(&path, kept).unwrap();
            (kept..10).for_each(|step| write(&mut log, step, 22.25));
            log.sync().unwrap();
            let text = fs::read(&path).unwrap();
            if kept < 10 {
                fs::write(&path, &text[..text.len() - cut]).unwrap();
            }
            let mut log = MetricsWriter::open(&path, kept).unwrap();
            (kept..10).for_each(|step| write(&mut log, step, 1.0));
            assert_eq!(log.sync().unwrap(), 10);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
    let error = MetricsWriter::open(&path, 11).unwrap_err();
    assert!(matches!(
        error,
        RunError::LogTooShort {
            found: 10,
            expected: 11,
            ..
        }
    ));
    assert_eq!(fs::read(&path).unwrap(), whole, "an error cuts nothing");
}

/// The file-size limit stands in for a full disk: the system call fails in the
/// middle of a write, as it would there.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fill"), "").unwrap();
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact child"])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert!(text.len() > 1000, "the limit was met, not something else");
    let rows = metrics::read(&folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), rows.len());
    assert!(text.ends_with('\n'));
    MetricsWriter::open(folder.path().join("metrics.jsonl"), rows.len() as u64).unwrap();
    let events = fs::read(folder.path().join("events.out.tfevents.foveate")).unwrap();
    let count = decode(&events).len() as u64;
    TensorboardWriter::open(folder.path(), count).unwrap();
}

fn fill_the_disk(root: &Path) {
    let mut log = MetricsWriter::open(root.join("metrics.jsonl"), 0).unwrap();
    let error = (0..100_000)
        .find_map(|step| log.write("train", step, 0.0, &[("loss", 0.1)]).err())
        .expect("the disk must become full");
    assert!(matches!(error, RunError::DiskFull { .. }), "{error}");
    let mut log = TensorboardWriter::open(root, 0).unwrap();
    let error = (0..100_000)
        .find_map(|step| log.scalars(0.0, step, &[("loss", 0.1)]).err())
        .expect("the disk must become full");
    assert!(matches!(error, RunError::DiskFull { .. }), "{error}");
}

/// One decoded event: wall time, step, file version, (tag, value)s.
#[derive(Debug, Default, PartialEq)]
struct Event {
    wall_time: f64,
    step: u64,
    version: String,
    values: Vec<(String, f32)>,
}

/// CRC-32C bit by bit, and TFRecord's mask.
fn masked_crc(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

fn decode(mut file: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !file.is_empty() {
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!(word(&file[8..12]), masked_crc(&file[..8]));
        let data = &file[12..12 + length];
        assert_eq!(word(&file[12 + length..16 + length]), masked_crc(data));
        events.push(event(data));
        file = &file[16 + length..];
    }
    events
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// Fields of a message: number, and payload (numbers as little-endian bytes).
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                let value = varint(&mut message);
                found.push((key >> 3, value.to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, message[..length].to_vec()));
        message = &message[length..];
    }
    found
}

fn event(data: &[u8]) -> Event {
    let mut event = Event::default();
    for (number, payload) in fields(data) {
        match number {
            1 => event.wall_time = f64::from_le_bytes(payload.try_into().unwrap()),
            2 => event.step = u64::from_le_bytes(payload.try_into().unwrap()),
            3 => event.version = String::from_utf8(payload).unwrap(),
            5 => event
                .values
                .extend(fields(&payload).iter().map(|(one, value)| {
                    assert_eq!(*one, 1);
                    let parts = fields(value);
                    assert_eq!((parts[0].0, parts[1].0, parts.len()), (1, 2, 2));
                    (
                        String::from_utf8(parts[0].1.clone()).unwrap(),
                        f32::from_bits(word(&parts[1].1)),
                    )
                })),
            other => panic!("field {other}"),
        }
    }
    event
}

fn event_file(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("events.out.tfevents.foveate")).unwrap()
}

#[test]
fn the_checksum_here_is_the_standard_one() {
    // RFC 3720, B.4: 32 bytes of zeros.
    let unmasked = masked_crc(&[0; 32])
        .wrapping_sub(0xa282_ead8)
        .rotate_left(15);
    assert_eq!(unmasked, 0x8a91_36aa);
}

#[test]
fn a_resumed_event_file_has_the_bytes_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |log: &mut TensorboardWriter, step: u64, wall: f64| {
        log.scalars(wall, step, &[("train/loss", step as f32), ("train/α", 0.5)])
            .unwrap();
    };
    let mut log = TensorboardWriter::open(folder.path(), 0).unwrap();
    (1..6).for_each(|step| write(&mut log, step, 2.0));
    assert_eq!(log.sync().unwrap(), 6, "with the version's record");
    let whole = event_file(folder.path());
    for kept in 1..6 {
        let mut log = TensorboardWriter::open(folder.path(), kept).unwrap();
        (kept..6).for_each(|step| write(&mut log, step, 9.0));
        let path = folder.path().join("events.out.tfevents.foveate");
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut log = TensorboardWriter::open(folder.path(), kept).unwrap();
        (kept..6).for_each(|step| write(&mut log, step, 2.0));
        assert_eq!(event_file(folder.path()), whole, "{kept}");
    }
    let error = TensorboardWriter::open(folder.path(), 7).unwrap_err();
    assert!(
        matches!(
            error,
            RunError::LogTooShort {
                found: 6,
                expected: 7,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(event_file(folder.path()), whole, "an error cuts nothing");
    // Any flipped bit among the records that count is noticed.
    let path = folder.path().join("events.out.tfevents.foveate");
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bad).unwrap();
        let error = TensorboardWriter::open(folder.path(), 6).unwrap_err();
        assert!(
            matches!(error, RunError::Damaged { .. }),
            "bit {bit}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn events_decode_to_what_was_written(
        events in proptest::collection::vec(
            (any::<f64>(), any::<u64>(), proptest::collection::vec((".{0,200}", any::<f32>()), 0..5)),
            0..8,
        )
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TensorboardWriter::open(folder.path(), 0).unwrap();
        let mut expected = vec![Event { version: "brain.Event:2".into(), ..Event::default() }];
        for (wall_time, step, values) in events {
            let borrowed: Vec<(&str, f32)> = values.iter().map(|(t, v)| (t.as_str(), *v)).collect();
            log.scalars(wall_time, step, &borrowed).unwrap();
            expected.push(Event { wall_time, step, version: String::new(), values });
        }
        prop_assert_eq!(decode(&event_file(folder.path())), expected);
    }
}
