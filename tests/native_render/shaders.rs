//! The ray caster's WGSL, and whether its structs are laid out as Rust's.

use std::collections::HashSet;
use std::mem::offset_of;
use std::path::Path;

use foveate::envs::native::scene::{MAX_PRIMITIVES, PrimitiveData, SceneData};

/// The permutation of the ray caster with or without SEGMENTATION, expanded.
pub fn source(segmentation: bool) -> String {
    let mut out = String::new();
    expand(
        "raycast/raycast.wgsl",
        segmentation,
        &mut HashSet::new(),
        &mut out,
    );
    out
}

/// `#include` (once) and `#ifdef`/`#ifndef` of SEGMENTATION, which is all that
/// these files use.
fn expand(name: &str, segmentation: bool, seen: &mut HashSet<String>, out: &mut String) {
    if !seen.insert(name.to_string()) {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("shaders")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut on = true;
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#include", file] => expand(file.trim_matches('"'), segmentation, seen, out),
            ["#ifdef", _] => on = segmentation,
            ["#ifndef", _] => on = !segmentation,
            ["#else"] => on = !on,
            ["#endif"] => on = true,
            _ if on => *out += &format!("{line}\n"),
            _ => {}
        }
    }
}

#[test]
fn rust_and_wgsl_agree_on_the_layout_of_a_scene() {
    let module = naga::front::wgsl::parse_str(&source(false)).unwrap();
    let layout = |name: &str| {
        let (_, ty) = (module.types.iter())
            .find(|(_, ty)| ty.name.as_deref() == Some(name))
            .unwrap();
        match &ty.inner {
            naga::TypeInner::Struct { members, span } => {
                let offsets: Vec<_> = (members.iter())
                    .map(|m| (m.name.clone().unwrap(), m.offset as usize))
                    .collect();
                (offsets, *span as usize)
            }
            other => panic!("{name} is {other:?}"),
        }
    };
    macro_rules! offsets {
        ($ty:ty: $($field:ident)*) => {
            vec![$((stringify!($field).to_string(), offset_of!($ty, $field))),*]
        };
    }
    let right = offsets!(PrimitiveData: position kind rotation size segment colour gloss);
    assert_eq!(layout("Primitive"), (right, size_of::<PrimitiveData>()));
    let right = offsets!(SceneData: eye focal right primitives_count up shadows forward
        background light floor_covered ground floor_first background_kind floor_second
        background_seed sky_upper time sky_lower picture primitives);
    assert_eq!(layout("Scene"), (right, size_of::<SceneData>()));
    assert_eq!(size_of::<SceneData>(), 160 + MAX_PRIMITIVES * 64);
}
