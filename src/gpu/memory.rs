//! How much memory there is before it is asked for.

use super::Gpu;

impl Gpu {
    /// Bytes that large stores may take, where that is known beforehand; otherwise
    /// `None`: asking for too much fails then.
    ///
    /// It is known of software adapters on Linux. They live in main memory, of which
    /// the system promises more than it has: a store that is too large would not be
    /// refused, the process would be killed while filling it. An eighth of what is
    /// available is left to everything else.
    pub fn free_memory(&self) -> Option<u64> {
        if self.info().device_type != wgpu::DeviceType::Cpu {
            return None;
        }
        // Without /proc, as on other systems, nothing is known.
        let free = available(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
        Some(free - free / 8)
    }
}

/// Bytes available according to Linux's `/proc/meminfo`: see proc_meminfo(5).
fn available(meminfo: &str) -> Option<u64> {
    let line = (meminfo.lines()).find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_kibibytes() {
        let meminfo = "MemTotal:       24689764 kB\nMemAvailable:     123456 kB\nBuffers: 7 kB\n";
        assert_eq!(available(meminfo), Some(123_456 * 1024));
        for unknown in [
            "",
            "MemFree: 5 kB",
            "MemAvailable: many kB",
            "MemAvailable: 5",
        ] {
            assert_eq!(available(unknown), None, "{unknown}");
        }
    }
}
