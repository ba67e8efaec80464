//! What a compiler for a real GPU makes of the kernels, without that GPU: Mesa's RADV
//! compiles for hardware that is not there (`RADV_FORCE_FAMILY`), here an RX 7900, and says
//! how many registers a kernel takes and whether they spill into memory. A kernel that
//! spills is several times slower than its text suggests, and software Vulkan, which has
//! memory alone, cannot show it.
//!
//! `cargo test --release --test registers -- --nocapture` prints the table.

#![cfg(target_os = "linux")]

#[path = "common/skip.rs"]
mod skip;

use std::ffi::CStr;
use std::fmt;
use std::sync::OnceLock;

use ash::vk;
use foveate::gpu::shader::{BindingKind, SHADERS, ShaderInfo};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

/// Navi 31, the chip of the RX 7900.
const FAMILY: &str = "navi31";

/// The Vulkan loader, which stays as long as the process: so do drivers and what they made.
static LOADER: OnceLock<ash::Entry> = OnceLock::new();

/// What GPUs do not run, or not where it would matter.
const PASSED_OVER: [(&str, &str); 3] = [
    ("attention/", ".plain_"),    // for fewer rows than fill half a tile
    ("attention/", ".emulated_"), // plays cooperative matrices, for tests
    ("quantile/select", ".rows"), // for software devices
];

/// A kernel as the compiler left it.
struct Compiled {
    key: &'static str,
    registers: u64,
    /// Bytes of memory for what is not in registers, for a subgroup.
    scratch: u64,
    workgroup_memory: u64,
    /// Subgroups that a SIMD unit has at once.
    subgroups: u64,
    instructions: u64,
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:48} {:9} {:7} {:16} {:9} {:12}",
            self.key,
            self.registers,
            self.scratch,
            self.workgroup_memory,
            self.subgroups,
            self.instructions
        )
    }
}

/// Whether that chip can run it. It has cooperative matrices of f16 alone.
fn suits(shader: &ShaderInfo) -> bool {
    // Those of subgroups of 8 are software Vulkan's, for which they are written.
    !shader.subgroups && (shader.f16 || !shader.cooperative)
}

/// SPIR-V as wgpu makes it for a device whose buffers and images check their bounds.
fn spirv(shader: &ShaderInfo) -> Vec<u32> {
    let module = naga::front::wgsl::parse_str(shader.source).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    let info = validator.validate(&module).unwrap();
    let options = spv::Options {
        lang_version: (1, 6),
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::Native,
        force_loop_bounding: false,
        use_storage_input_output_16: false,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".into(),
    };
    spv::write_vec(&module, &info, &options, Some(&pipeline)).unwrap()
}

/// A device that only compiles.
struct Compiler {
    device: ash::Device,
    properties: ash::khr::pipeline_executable_properties::Device,
}

impl Compiler {
    /// One for [`FAMILY`], or why there is none.
    fn new() -> Result<Compiler, String> {
        // Safety: no other thread reads or writes the environment: this file has one test.
        unsafe { std::env::set_var("RADV_FORCE_FAMILY", FAMILY) };
        // Safety: the loader is an ordinary library, and what Vulkan asks of each call holds:
        // structures live until it returns, and only what was found is asked for.
        unsafe {
            let entry = ash::Entry::load().map_err(|e| format!("no Vulkan loader: {e}"))?;
            let entry = LOADER.get_or_init(|| entry);
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let create = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = (entry.create_instance(&create, None))
                .map_err(|e| format!("no Vulkan instance: {e}"))?;
            let radv = |&device: &vk::PhysicalDevice| {
                let properties = instance.get_physical_device_properties(device);
                let name = CStr::from_ptr(properties.device_name.as_ptr());
                let name = name.to_string_lossy().to_lowercase();
                name.contains("radv") && name.contains(FAMILY)
            };
            let found = instance.enumerate_physical_devices().unwrap_or_default();
            let Some(physical) = found.into_iter().find(radv) else {
                return Err("Mesa's RADV is not installed".into());
            };
            let there = (instance.enumerate_device_extension_properties(physical))
                .map_err(|e| e.to_string())?;
            let names = [
                ash::khr::pipeline_executable_properties::NAME,
                ash::khr::cooperative_matrix::NAME,
                ash::ext::robustness2::NAME,
            ];
            for name in names {
                if !(there.iter()).any(|e| e.extension_name_as_c_str() == Ok(name)) {
                    return Err(format!("this version of RADV lacks {name:?}"));
                }
            }
            let names = names.map(CStr::as_ptr);
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
                    .pipeline_executable_info(true);
            let mut matrices =
                vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
            let mut robustness =
                vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let mut of_11 = vk::PhysicalDeviceVulkan11Features::default()
                .storage_buffer16_bit_access(true)
                .uniform_and_storage_buffer16_bit_access(true);
            let mut of_12 = vk::PhysicalDeviceVulkan12Features::default()
                .vulkan_memory_model(true)
                .shader_float16(true);
            let mut of_13 = vk::PhysicalDeviceVulkan13Features::default()
                .shader_zero_initialize_workgroup_memory(true)
                .robust_image_access(true);
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let create = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&names)
                .enabled_features(&features)
                .push_next(&mut executables)
                .push_next(&mut matrices)
                .push_next(&mut robustness)
                .push_next(&mut of_11)
                .push_next(&mut of_12)
                .push_next(&mut of_13);
            let device = (instance.create_device(physical, &create, None))
                .map_err(|e| format!("RADV refused to open a device: {e}"))?;
            let properties =
                ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Compiler { device, properties })
        }
    }

    fn compile(&self, shader: &'static ShaderInfo) -> Result<Compiled, vk::Result> {
        let binding = |b: &foveate::gpu::shader::Binding| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(b.index)
                .descriptor_type(match b.kind {
                    BindingKind::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    BindingKind::Texture => vk::DescriptorType::SAMPLED_IMAGE,
                    BindingKind::Read | BindingKind::ReadWrite => {
                        vk::DescriptorType::STORAGE_BUFFER
                    }
                })
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = shader.bindings.iter().map(binding).collect();
        let words = spirv(shader);
        // Safety: as above. What is made here is left to the end of the process.
        let statistics = unsafe {
            let create = vk::ShaderModuleCreateInfo::default().code(&words);
            let module = self.device.create_shader_module(&create, None)?;
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&create, None)?];
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&create, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let create = vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(layout)
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR);
            let pipelines = self
                .device
                .create_compute_pipelines(vk::PipelineCache::null(), &[create], None)
                .map_err(|(_, e)| e)?;
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipelines[0]);
            (self.properties).get_pipeline_executable_statistics(&executable)?
        };
        let number = |name: &str| {
            let named = |s: &&vk::PipelineExecutableStatisticKHR| {
                s.name_as_c_str()
                    .is_ok_and(|n| n.to_bytes() == name.as_bytes())
            };
            let found = statistics.iter().find(named);
            let found = found.unwrap_or_else(|| panic!("RADV does not count '{name}'"));
            assert_eq!(
                found.format,
                vk::PipelineExecutableStatisticFormatKHR::UINT64
            );
            // Safety: the format says so.
            unsafe { found.value.u64 }
        };
        Ok(Compiled {
            key: shader.key,
            registers: number("VGPRs"),
            scratch: number("Scratch size"),
            workgroup_memory: number("LDS size"),
            subgroups: number("Subgroups per SIMD"),
            instructions: number("Instructions"),
        })
    }
}

/// Every kernel that the chip can run compiles, and none that matters there keeps numbers in
/// memory, for want of registers or for an array's computed index.
#[test]
fn kernels_for_gpus_stay_in_registers() {
    let compiler = match Compiler::new() {
        Ok(compiler) => compiler,
        Err(why) => return skip::skipped(&why),
    };
    println!(
        "{:48} {:>9} {:>7} {:>16} {:>9} {:>12}",
        "kernel", "registers", "scratch", "workgroup memory", "subgroups", "instructions"
    );
    let mut spilled = vec![];
    for shader in SHADERS {
        if !suits(shader) {
            continue;
        }
        let compiled = match compiler.compile(shader) {
            Ok(compiled) => compiled,
            Err(e) => panic!("{} does not compile: {e}", shader.key),
        };
        println!("{compiled}");
        let passed_over = |(start, part): &(&str, &str)| {
            shader.key.starts_with(start) && shader.key.contains(part)
        };
        if compiled.scratch > 0 && !PASSED_OVER.iter().any(passed_over) {
            spilled.push(compiled.to_string());
        }
    }
    assert!(spilled.is_empty(), "in memory:\n{}", spilled.join("\n"));
}
