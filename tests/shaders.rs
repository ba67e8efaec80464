//! Every shader permutation, for every backend, and the house rules of shaders
//! that a machine can check.
//!
//! The capabilities given to naga are what the base path may count on (none
//! beyond WebGPU's core) plus subgroups for the permutations that ask for them:
//! a base permutation that uses a subgroup operation fails here, although the
//! build, which allows everything, takes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use foveate::gpu::shader::{BindingKind, SHADERS, ShaderInfo};
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, Validator};

/// WebGPU core limits (`wgpu::Limits::default()`), which the base path keeps to.
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16 << 10;

/// Parses and validates a permutation with no more than it may use.
fn parse(shader: &ShaderInfo) -> Result<(naga::Module, ModuleInfo), String> {
    let module =
        naga::front::wgsl::parse_str(shader.source).map_err(|e| e.emit_to_string(shader.source))?;
    let mut capabilities = Capabilities::empty();
    // A kernel of cooperative matrices asks which subgroup it is.
    let subgroups = shader.subgroups || shader.cooperative;
    capabilities.set(Capabilities::SUBGROUP, subgroups);
    capabilities.set(Capabilities::SHADER_FLOAT16, shader.f16);
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, shader.cooperative);
    let mut validator = Validator::new(naga::valid::ValidationFlags::all(), capabilities);
    if subgroups {
        validator
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all());
    }
    let info = validator
        .validate(&module)
        .map_err(|e| e.emit_to_string(shader.source))?;
    Ok((module, info))
}

/// SPIR-V as old as Vulkan 1.0 takes; subgroups came with 1.3, and what cooperative
/// matrices need with 1.6.
fn to_spirv(shader: &ShaderInfo, module: &naga::Module, info: &ModuleInfo) -> Result<(), String> {
    let options = spv::Options {
        lang_version: match (shader.cooperative, shader.subgroups) {
            (true, _) => (1, 6),
            (false, true) => (1, 3),
            (false, false) => (1, 0),
        },
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".into(),
    };
    let words =
        spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    match words.first() {
        Some(0x0723_0203) => Ok(()),
        _ => Err("the result does not start with SPIR-V's magic number".into()),
    }
}

/// Metal 2.0 is the first with what naga needs; SIMD-group functions are 2.1, their
/// matrices 2.3.
fn to_msl(shader: &ShaderInfo, module: &naga::Module, info: &ModuleInfo) -> Result<(), String> {
    let options = msl::Options {
        lang_version: match (shader.cooperative, shader.subgroups) {
            (true, _) => (2, 3),
            (false, true) => (2, 1),
            (false, false) => (2, 0),
        },
        ..Default::default()
    };
    let pipeline = msl::PipelineOptions {
        entry_point: Some((naga::ShaderStage::Compute, "main".into())),
        ..Default::default()
    };
    let (source, translated) =
        msl::write_string(module, info, &options, &pipeline).map_err(|e| e.to_string())?;
    for name in translated.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    match source.contains("kernel void") {
        true => Ok(()),
        false => Err("the result has no kernel".into()),
    }
}

/// Shader model 5.1 is what Direct3D's older compiler takes; wave operations are 6.0,
/// half floats 6.2. There are no cooperative matrices in HLSL.
fn to_hlsl(shader: &ShaderInfo, module: &naga::Module, info: &ModuleInfo) -> Result<(), String> {
    if shader.cooperative {
        return Ok(());
    }
    let options = hlsl::Options {
        shader_model: match (shader.f16, shader.subgroups) {
            (true, _) => hlsl::ShaderModel::V6_2,
            (false, true) => hlsl::ShaderModel::V6_0,
            (false, false) => hlsl::ShaderModel::V5_1,
        },
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions {
        entry_point: Some((naga::ShaderStage::Compute, "main".into())),
    };
    let mut source = String::new();
    let translated = hlsl::Writer::new(&mut source, &options, &pipeline)
        .write(module, info, None)
        .map_err(|e| e.to_string())?;
    for name in translated.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    match source.contains("[numthreads(") {
        true => Ok(()),
        false => Err("the result has no compute entry point".into()),
    }
}

/// OpenGL ES 3.1, for the GL backend, which has none of the features that a permutation
/// can ask for.
fn to_glsl(shader: &ShaderInfo, module: &naga::Module, info: &ModuleInfo) -> Result<(), String> {
    if shader.subgroups || shader.f16 || shader.cooperative {
        return Ok(());
    }
    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        ..Default::default()
    };
    let pipeline = glsl::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".into(),
        multiview: None,
    };
    let mut source = String::new();
    glsl::Writer::new(
        &mut source,
        module,
        info,
        &options,
        &pipeline,
        naga::proc::BoundsCheckPolicies::default(),
    )
    .and_then(|mut writer| writer.write())
    .map_err(|e| e.to_string())?;
    match source.contains("local_size_x") {
        true => Ok(()),
        false => Err("the result has no workgroup size".into()),
    }
}

/// Panics with everything that was found, one finding a line.
fn report(found: Vec<String>) {
    assert!(
        found.is_empty(),
        "{} found:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_permutation_translates_for_every_backend() {
    type Translate = fn(&ShaderInfo, &naga::Module, &ModuleInfo) -> Result<(), String>;
    let backends: [(&str, Translate); 4] = [
        ("SPIR-V", to_spirv),
        ("MSL", to_msl),
        ("HLSL", to_hlsl),
        ("GLSL", to_glsl),
    ];
    let mut found = vec![];
    for shader in SHADERS {
        match parse(shader) {
            Err(e) => found.push(format!("{}: WGSL: {e}", shader.key)),
            Ok((module, info)) => {
                for (backend, translate) in backends {
                    if let Err(e) = translate(shader, &module, &info) {
                        found.push(format!("{}: {backend}: {e}", shader.key));
                    }
                }
            }
        }
    }
    report(found);
}

/// Bytes of workgroup memory that the entry point uses, each variable rounded
/// up to 16 bytes as WebGPU counts them.
fn workgroup_bytes(module: &naga::Module, info: &ModuleInfo) -> Result<u32, String> {
    let mut layouter = naga::proc::Layouter::default();
    layouter
        .update(module.to_ctx())
        .map_err(|e| e.to_string())?;
    let used = info.get_entry_point(0);
    Ok((module.global_variables.iter())
        .filter(|(handle, var)| {
            var.space == naga::AddressSpace::WorkGroup && !used[*handle].is_empty()
        })
        .map(|(_, var)| layouter[var.ty].size.next_multiple_of(16))
        .sum())
}

#[test]
fn every_permutation_keeps_to_the_limits_of_the_base_path() {
    let mut found = vec![];
    for shader in SHADERS {
        let key = shader.key;
        let Ok((module, info)) = parse(shader) else {
            found.push(format!("{key}: does not validate"));
            continue;
        };
        let buffers = (shader.bindings.iter())
            .filter(|b| matches!(b.kind, BindingKind::Read | BindingKind::ReadWrite))
            .count();
        if buffers > MAX_STORAGE_BUFFERS {
            found.push(format!(
                "{key}: {buffers} storage buffers (at most {MAX_STORAGE_BUFFERS})"
            ));
        }
        if module.entry_points.len() != 1 {
            found.push(format!("{key}: {} entry points", module.entry_points.len()));
        }
        let invocations = shader.invocations();
        if !(1..=MAX_INVOCATIONS).contains(&invocations) {
            found.push(format!(
                "{key}: {invocations} invocations per workgroup (at most {MAX_INVOCATIONS})"
            ));
        }
        match workgroup_bytes(&module, &info) {
            Ok(bytes) if bytes <= MAX_WORKGROUP_BYTES => {}
            Ok(bytes) => found.push(format!(
                "{key}: {bytes} bytes of workgroup memory (at most {MAX_WORKGROUP_BYTES})"
            )),
            Err(e) => found.push(format!("{key}: {e}")),
        }
        for (_, var) in module.global_variables.iter() {
            if let Some(binding) = &var.binding
                && binding.group != 0
            {
                let name = var.name.as_deref().unwrap_or("?");
                found.push(format!("{key}: `{name}` is in group {}", binding.group));
            }
        }
    }
    report(found);
}

fn shaders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")
}

/// Every WGSL file: its path relative to `shaders/`, with `/`, and its text.
fn files() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                let name = path.strip_prefix(shaders()).unwrap().to_string_lossy();
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((name.replace('\\', "/"), text));
            }
        }
    }
    let mut found = vec![];
    walk(&shaders(), &mut found);
    found.sort();
    assert!(
        !found.is_empty(),
        "no shaders under {}",
        shaders().display()
    );
    found
}

#[test]
fn every_file_is_reached_and_every_key_is_unique() {
    let mut keys = BTreeSet::new();
    let mut found = vec![];
    for shader in SHADERS {
        if !keys.insert(shader.key) {
            found.push(format!("{}: the key occurs twice", shader.key));
        }
    }
    let files = files();
    let stems: BTreeSet<_> = keys
        .iter()
        .map(|key| key.split('.').next().unwrap_or(key))
        .collect();
    for (name, _) in &files {
        if name.starts_with("common/") {
            let include = format!("#include \"{name}\"");
            if !files.iter().any(|(_, text)| text.contains(&include)) {
                found.push(format!("{name}: nothing includes it"));
            }
        } else if !stems.contains(name.trim_end_matches(".wgsl")) {
            found.push(format!("{name}: no permutation reaches it"));
        }
    }
    report(found);
}

/// The comment that belongs to line `at`: behind its code, or the comment lines
/// right above it.
fn comment(lines: &[&str], at: usize) -> String {
    if let Some((_, comment)) = lines[at].split_once("//") {
        return comment.to_string();
    }
    (lines[..at].iter().rev())
        .map(|line| line.trim())
        .take_while(|line| line.starts_with("//"))
        .fold(String::new(), |below, line| format!("{line} {below}"))
}

/// Whether a comment tells a shape: `[m, n]`, or which other buffer's it is.
fn tells_a_shape(comment: &str) -> bool {
    let brackets = comment
        .split_once('[')
        .is_some_and(|(_, rest)| rest.contains(']'));
    brackets || comment.contains("shape") || comment.contains("like ")
}

#[test]
fn every_file_has_a_header_and_every_storage_buffer_a_shape() {
    let mut found = vec![];
    for (name, text) in files() {
        if !text.starts_with("//") {
            found.push(format!(
                "{name}:1: no `//` header that says what it computes"
            ));
        }
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("@binding(")
                && code.contains("var<storage")
                && !tells_a_shape(&comment(&lines, i))
            {
                found.push(format!("{name}:{}: no comment with its shape", i + 1));
            }
        }
    }
    report(found);
}

/// The checks above rest on these two: they must see what is not there, too.
#[test]
fn shapes_are_told_apart_from_other_comments() {
    let lines = [
        "@group(0) @binding(0) var<storage, read> a: array<f32>;  // [m, k]",
        "// the weights",
        "@group(0) @binding(1) var<storage, read> b: array<f32>;",
        "",
        "// [m, n]",
        "// row by row",
        "@group(0) @binding(2) var<storage, read> c: array<f32>;",
        "@group(0) @binding(3) var<storage, read> d: array<f32>;",
    ];
    let told: Vec<_> = [0, 2, 6, 7]
        .iter()
        .map(|&i| tells_a_shape(&comment(&lines, i)))
        .collect();
    assert_eq!(told, [true, false, true, false]);
}
