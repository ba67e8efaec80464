//! Which adapters there are, and which one to use.

use super::GpuError;

/// How to choose an adapter and what to use of it.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// Part of an adapter's name, any case; `None` takes `FOVEATE_ADAPTER`, else the best.
    pub adapter: Option<String>,
    /// `vulkan`, `metal`, `dx12` or `gl`; `None` takes `FOVEATE_BACKEND`, else any.
    pub backend: Option<String>,
    /// Ask for WebGPU's core limits and no features even if the device has more
    /// (the base path that must work everywhere; tests use it).
    pub base_path: bool,
    /// Ask also for what wgpu calls experimental, where the device has it: cooperative
    /// matrices. `FOVEATE_EXPERIMENTAL=1` asks too. With `base_path` it does nothing.
    pub experimental: bool,
}

/// What a person wants to know of an adapter.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdapterReport {
    pub name: String,
    pub backend: String,
    pub kind: String,
    pub driver: String,
    /// Bytes in one storage binding.
    pub max_storage_binding: u64,
    /// Bytes in one buffer.
    pub max_buffer: u64,
    pub max_storage_buffers_per_stage: u32,
    pub max_workgroups_per_dimension: u32,
    pub max_invocations_per_workgroup: u32,
    /// Bytes of memory shared by a workgroup.
    pub max_workgroup_memory: u32,
    /// Smallest and largest number of lanes in a subgroup.
    pub subgroup_size: [u32; 2],
    /// Features that foveate uses where present.
    pub features: Vec<String>,
    /// Why foveate cannot run on it, if it cannot.
    pub lacks: Option<String>,
    /// Whether foveate would pick it, given these options.
    pub picked: bool,
}

/// Optional features that foveate uses wherever a device has them.
pub(super) fn wanted_features() -> wgpu::Features {
    wgpu::Features::SUBGROUP
        | wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::SHADER_F16
        | wgpu::Features::PIPELINE_CACHE
}

/// Those that wgpu calls experimental, which foveate uses if it is told to.
fn experimental_features() -> wgpu::Features {
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
}

/// What to ask of an adapter.
pub(super) fn asked_features(adapter: &wgpu::Adapter, options: &GpuOptions) -> wgpu::Features {
    let experimental =
        options.experimental || std::env::var("FOVEATE_EXPERIMENTAL").is_ok_and(|v| v == "1");
    adapter.features()
        & match experimental {
            true => wanted_features() | experimental_features(),
            false => wanted_features(),
        }
}

/// Leave for the experimental ones among these features.
pub(super) fn leave(features: wgpu::Features) -> wgpu::ExperimentalFeatures {
    match features.intersects(experimental_features()) {
        // Safety: that it may be unsound is wgpu's caution; somebody asked for it.
        true => unsafe { wgpu::ExperimentalFeatures::enabled() },
        false => wgpu::ExperimentalFeatures::disabled(),
    }
}

/// The limits that every kernel can count on.
pub(super) fn base_limits() -> wgpu::Limits {
    wgpu::Limits::default()
}

/// What an adapter lacks of the base path, in words.
pub(super) fn lacks(
    limits: &wgpu::Limits,
    downlevel: &wgpu::DownlevelCapabilities,
) -> Option<String> {
    let base = base_limits();
    let mut missing = vec![];
    if !downlevel
        .flags
        .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    {
        missing.push("compute shaders".to_string());
    }
    let mut need = |what: &str, have: u64, want: u64| {
        if have < want {
            missing.push(format!("{what} {have} (needs {want})"));
        }
    };
    need(
        "storage buffers per stage",
        limits.max_storage_buffers_per_shader_stage.into(),
        base.max_storage_buffers_per_shader_stage.into(),
    );
    need(
        "bytes per storage binding",
        limits.max_storage_buffer_binding_size,
        base.max_storage_buffer_binding_size,
    );
    need(
        "workgroups per dimension",
        limits.max_compute_workgroups_per_dimension.into(),
        base.max_compute_workgroups_per_dimension.into(),
    );
    need(
        "invocations per workgroup",
        limits.max_compute_invocations_per_workgroup.into(),
        base.max_compute_invocations_per_workgroup.into(),
    );
    for (axis, have, want) in [
        (
            "x",
            limits.max_compute_workgroup_size_x,
            base.max_compute_workgroup_size_x,
        ),
        (
            "y",
            limits.max_compute_workgroup_size_y,
            base.max_compute_workgroup_size_y,
        ),
        (
            "z",
            limits.max_compute_workgroup_size_z,
            base.max_compute_workgroup_size_z,
        ),
    ] {
        let what = format!("invocations of a workgroup along {axis}");
        need(&what, have.into(), want.into());
    }
    need(
        "bytes of workgroup memory",
        limits.max_compute_workgroup_storage_size.into(),
        base.max_compute_workgroup_storage_size.into(),
    );
    (!missing.is_empty()).then(|| format!("it has {}", missing.join(", ")))
}

fn rank(info: &wgpu::AdapterInfo) -> (u32, u32) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Cpu => 3,
        wgpu::DeviceType::Other => 4,
    };
    (kind, (info.backend == wgpu::Backend::Gl) as u32)
}

fn backend_name(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        wgpu::Backend::Noop => "noop",
    }
}

fn describe(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({})", info.name, backend_name(info.backend))
}

/// `Some` of a setting: the option, else a non-empty environment variable.
fn setting(option: &Option<String>, variable: &str) -> Option<String> {
    option
        .clone()
        .or_else(|| std::env::var(variable).ok())
        .filter(|s| !s.trim().is_empty())
}

/// All adapters of this machine, best first.
async fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Validation layers are chosen from outside (WGPU_VALIDATION=1), never by build type.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let instance = wgpu::Instance::new(descriptor);
    let mut all = instance.enumerate_adapters(wgpu::Backends::all()).await;
    all.sort_by_key(|a| rank(&a.get_info()));
    all
}

fn matches(info: &wgpu::AdapterInfo, name: &Option<String>, backend: &Option<String>) -> bool {
    name.as_ref()
        .is_none_or(|n| info.name.to_lowercase().contains(&n.to_lowercase()))
        && backend
            .as_ref()
            .is_none_or(|b| backend_name(info.backend) == b.to_lowercase())
}

/// The backends that can be asked for.
const BACKENDS: [wgpu::Backend; 4] = [
    wgpu::Backend::Vulkan,
    wgpu::Backend::Metal,
    wgpu::Backend::Dx12,
    wgpu::Backend::Gl,
];

/// The adapter that `options` (and the environment) select.
pub(super) async fn pick(options: &GpuOptions) -> Result<wgpu::Adapter, GpuError> {
    let name = setting(&options.adapter, "FOVEATE_ADAPTER");
    let backend = setting(&options.backend, "FOVEATE_BACKEND");
    if let Some(given) = &backend {
        let known = BACKENDS.map(backend_name);
        if !known.contains(&given.to_lowercase().as_str()) {
            return Err(GpuError::UnknownBackend {
                given: given.clone(),
                known: known.join(", "),
            });
        }
    }
    let all = enumerate().await;
    if all.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let known: Vec<_> = all.iter().map(|a| describe(&a.get_info())).collect();
    let mut candidates: Vec<_> = (all.into_iter())
        .filter(|a| matches(&a.get_info(), &name, &backend))
        .collect();
    if candidates.is_empty() {
        let given = [backend, name].into_iter().flatten().collect::<Vec<_>>();
        return Err(GpuError::AdapterNotFound {
            given: given.join(" "),
            known: known.join(", "),
        });
    }
    // An able adapter before a better-ranked one that cannot run.
    let able = candidates
        .iter()
        .position(|a| lacks(&a.limits(), &a.get_downlevel_capabilities()).is_none());
    Ok(candidates.swap_remove(able.unwrap_or(0)))
}

/// Every adapter, with what foveate would use of it and which one it would pick.
pub async fn adapters(options: &GpuOptions) -> Result<Vec<AdapterReport>, GpuError> {
    let picked = match pick(options).await {
        Ok(adapter) => Some(adapter.get_info()),
        Err(GpuError::NoAdapter) => None,
        Err(e) => return Err(e),
    };
    Ok(enumerate()
        .await
        .iter()
        .map(|adapter| {
            let (info, limits) = (adapter.get_info(), adapter.limits());
            let features = adapter.features() & (wanted_features() | experimental_features());
            AdapterReport {
                picked: picked.as_ref() == Some(&info),
                name: info.name,
                backend: backend_name(info.backend).to_string(),
                kind: format!("{:?}", info.device_type),
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_string(),
                max_storage_binding: limits.max_storage_buffer_binding_size,
                max_buffer: limits.max_buffer_size,
                max_storage_buffers_per_stage: limits.max_storage_buffers_per_shader_stage,
                max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
                max_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
                max_workgroup_memory: limits.max_compute_workgroup_storage_size,
                subgroup_size: [info.subgroup_min_size, info.subgroup_max_size],
                features: features.iter_names().map(|(n, _)| n.to_string()).collect(),
                lacks: lacks(&limits, &adapter.get_downlevel_capabilities()),
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an adapter lacks is named with what it has and what is needed; the base
    /// path itself lacks nothing.
    #[test]
    fn an_adapter_without_what_is_needed_is_refused_in_words() {
        let able = wgpu::DownlevelCapabilities::default();
        assert_eq!(lacks(&base_limits(), &able), None);
        let mut limits = base_limits();
        limits.max_storage_buffers_per_shader_stage = 4;
        let said = lacks(&limits, &able).unwrap();
        assert!(
            said.contains("storage buffers per stage 4 (needs 8)"),
            "{said}"
        );
        let mut unable = able;
        unable.flags.remove(wgpu::DownlevelFlags::COMPUTE_SHADERS);
        let said = lacks(&base_limits(), &unable).unwrap();
        assert!(said.contains("compute shaders"), "{said}");
    }
}
