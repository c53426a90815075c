//! Whether this machine can run micro-VMs, checked part by part, each with what to do.
//!
//! Guarantees: the checks stand in the order in which to repair them; each is cheap enough to run at any time.
//! Never: changes anything but a file of its own in the cache directory, which it removes.
//!
//! Before: `hypercell doctor`, and a sandbox that cannot start. After: /dev, the processor, the cache directory.
#![expect(clippy::disallowed_methods, reason = "looks at the hypervisor's device and the cache directory")]

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::OnceLock;

use kvm_ioctls::Kvm;
use raw_cpuid::CpuId;

use crate::error::MachineError;

/// The only hypervisor that the engine is built for.
const KVM: &str = "/dev/kvm";
/// The only version of KVM's interface since Linux 2.6.22 (kvm/api.rst, KVM_GET_API_VERSION).
const KVM_API_VERSION: i32 = 12;

/// One part of what is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is checked, in one word.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub is_ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do; empty if nothing.
    pub fix: String,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, is_ok: true, detail: detail.into(), fix: String::new() }
    }

    fn failed(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, is_ok: false, detail: detail.into(), fix: fix.into() }
    }
}

/// Checks everything; the cache directory only if one is given.
#[must_use]
pub fn preflight(cache_dir: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![check_platform()];
    checks.extend(check_device());
    checks.push(check_processor());
    checks.extend(cache_dir.map(check_cache));
    checks
}

/// Returns the first check that fails.
#[must_use]
pub fn first_failure(cache_dir: Option<&Path>) -> Option<Check> {
    preflight(cache_dir).into_iter().find(|check| !check.is_ok)
}

/// Makes sure that this machine can run micro-VMs. Once it could, later calls in this process believe it.
///
/// # Errors
///
/// [`MachineError::Unavailable`] with the first check that fails.
pub fn ensure_available() -> Result<(), MachineError> {
    static AVAILABLE: OnceLock<()> = OnceLock::new();
    if AVAILABLE.get().is_some() {
        return Ok(());
    }
    match first_failure(None) {
        Some(check) => Err(MachineError::Unavailable { check }),
        None => {
            AVAILABLE.get_or_init(|| ());
            Ok(())
        }
    }
}

fn check_platform() -> Check {
    let platform = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Check::ok("platform", platform)
    } else {
        Check::failed("platform", format!("{platform} is not supported"), "use Linux on x86-64")
    }
}

fn check_device() -> [Check; 2] {
    match OpenOptions::new().read(true).write(true).open(KVM) {
        Ok(_) => [check_answer(), Check::ok("permission", format!("{KVM} can be opened"))],
        Err(error) if error.kind() == ErrorKind::NotFound => [
            Check::failed(
                "hypervisor",
                format!("{KVM} does not exist"),
                "enable virtualisation in the firmware and load the kvm module (sudo modprobe kvm_intel or kvm_amd); \
                 in a virtual machine, enable nested virtualisation; in a container, pass --device=/dev/kvm",
            ),
            Check::failed("permission", "there is no device to open", "see hypervisor"),
        ],
        Err(error) => [Check::ok("hypervisor", format!("{KVM} exists")), device_refused(&error)],
    }
}

/// Asks a device that can be opened whether it is what its name says.
fn check_answer() -> Check {
    let version = Kvm::new().map_or(-1, |kvm| kvm.get_api_version());
    if version == KVM_API_VERSION {
        return Check::ok("hypervisor", format!("{KVM} exists"));
    }
    Check::failed(
        "hypervisor",
        format!("{KVM} is no kvm of version {KVM_API_VERSION}: it answers {version}"),
        "find out what is mounted there",
    )
}

fn device_refused(error: &io::Error) -> Check {
    let fix = match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "give this user read and write access to {KVM} (sudo usermod -aG kvm $USER, then log in again)"
        ),
        _ => format!("find out why {KVM} cannot be opened; sudo dmesg may tell"),
    };
    Check::failed("permission", format!("{KVM} cannot be opened: {error}"), fix)
}

fn check_processor() -> Check {
    let cpuid = CpuId::new();
    let extended = cpuid.get_extended_feature_info();
    let basic = cpuid.get_feature_info();
    let features = [
        ("fsgsbase", extended.as_ref().is_some_and(raw_cpuid::ExtendedFeatures::has_fsgsbase)),
        ("xsave", basic.as_ref().is_some_and(raw_cpuid::FeatureInfo::has_xsave)),
        ("tsc", basic.as_ref().is_some_and(raw_cpuid::FeatureInfo::has_tsc)),
    ];
    let missing: Vec<&str> = features.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Check::ok("processor", features.map(|(name, _)| name).join(", "));
    }
    Check::failed(
        "processor",
        format!("the processor has no {}", missing.join(", ")),
        "use a processor from 2013 or later, or a virtual machine type that passes these features on",
    )
}

fn check_cache(directory: &Path) -> Check {
    let shown = directory.display();
    let written = std::fs::create_dir_all(directory).and_then(|()| tempfile::tempfile_in(directory));
    match written {
        Ok(_) => Check::ok("cache", format!("{shown} is writable")),
        Err(error) => Check::failed(
            "cache",
            format!("{shown} is not writable: {error}"),
            "set HYPERCELL_CACHE_DIR to a directory of your own",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_stand_in_the_order_of_repair_and_say_what_to_do() {
        let checks = preflight(Some(Path::new("/proc/no/such/directory")));
        let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names, ["platform", "hypervisor", "permission", "processor", "cache"]);
        for check in &checks {
            assert_eq!(check.is_ok, check.fix.is_empty(), "{check:?}");
        }
        assert!(!checks[4].is_ok);
    }
}
