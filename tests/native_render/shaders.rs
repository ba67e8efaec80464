//! Whether the structs of the ray caster's WGSL are laid out as Rust's.

use std::mem::offset_of;

use foveate::envs::native::scene::{MAX_PRIMITIVES, PrimitiveData, SceneData};
use foveate::gpu::shader::ShaderInfo;

#[test]
fn rust_and_wgsl_agree_on_the_layout_of_a_scene() {
    let shader = ShaderInfo::find("raycast/raycast.color").unwrap();
    let module = naga::front::wgsl::parse_str(shader.source).unwrap();
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
    let right = offsets!(PrimitiveData: position kind rotation size segment colour gloss
        seen shade);
    assert_eq!(layout("Primitive"), (right, size_of::<PrimitiveData>()));
    let right = offsets!(SceneData: eye focal right primitives_count up shadows forward
        background light floor_covered ground floor_first background_kind floor_second
        background_seed sky_upper time sky_lower picture shadowers primitives);
    assert_eq!(layout("Scene"), (right, size_of::<SceneData>()));
    assert_eq!(size_of::<SceneData>(), 160 + MAX_PRIMITIVES * (4 + 96));
}
