use crate::common::*;
use foveate::gpu::{Arena, ArenaLayout};
use foveate::tape::{DType, Tape, Tensor};

#[test]
fn each_run_counts_and_later_operations_see_it() {
    let mut layout = ArenaLayout::default();
    layout.push("counter", &[1]);
    let arena = Arena::new(&gpu(), "counters", layout).unwrap();
    let range = arena.tensor("counter").unwrap();
    gpu()
        .write(&range, bytemuck::cast_slice(&[u32::MAX - 2]))
        .unwrap();
    let tape = Tape::new();
    let counter = tape.state_range(&arena, 0..1, DType::U32);
    counter.tick().unwrap();
    counter.tick().unwrap();
    let program = tape.compile(&gpu()).unwrap();
    program.run().unwrap();
    assert_eq!(gpu().read_blocking(&range).unwrap(), u32::MAX.to_le_bytes());
    program.run().unwrap();
    assert_eq!(gpu().read_blocking(&range).unwrap(), 1u32.to_le_bytes());
}

#[test]
fn what_is_no_counter_is_refused() {
    let mut layout = ArenaLayout::default();
    layout.push("counters", &[2]);
    let arena = Arena::new(&gpu(), "counters", layout).unwrap();
    let tape = Tape::new();
    let two = tape
        .state_range(&arena, 0..2, DType::U32)
        .tick()
        .unwrap_err()
        .to_string();
    assert!(two.contains("tick") && two.contains("u32[2]"), "{two}");
    let float = tape.state_range(&arena, 0..1, DType::F32).tick();
    assert!(float.unwrap_err().to_string().contains("f32[1]"));
    let input = tape
        .input("n", Tensor::u32(&[1]))
        .tick()
        .unwrap_err()
        .to_string();
    assert!(input.contains("not state"), "{input}");
}
