//! Who may depend on whom, and which files may name the hypervisor's library or open `unsafe`.
//!
//! Guarantees that a reader who wants to know what touches the hypervisor, or where memory safety rests on a
//! comment, finds it in the files that ARCHITECTURE.md names.
//! Before: `stages`. After: `cargo metadata`, the sources.
#![expect(clippy::print_stdout, reason = "a check says what it looked at")]

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::shell::{Outcome, cargo, files, read, root};

/// For each crate, the beginnings of names that it must not depend on, tests included.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("hypercell-abi", &["hypercell-", "hyperlight-", "pyo3"]),
    ("hypercell-capi", &["hyperlight-", "pyo3"]),
    ("hypercell-host", &["hypercell-kernel", "hypercell-python", "pyo3"]),
    ("hypercell-python", &["hyperlight-"]),
    ("hypercell-kernel", &["hypercell-host", "hyperlight-host", "pyo3"]),
];
/// The only host file that knows the hypervisor's library.
const HYPERVISOR_FILE: &str = "crates/host/src/vm.rs";
/// A file longer than this is split. Tests are lists of cases and may be longer.
const MAX_FILE_LINES: usize = 650;

/// Runs `cargo xtask check-layers`.
pub(crate) fn command(_args: &[String]) -> Outcome {
    let mut faults = Vec::new();
    for manifest in ["Cargo.toml", "guest/Cargo.toml"] {
        let args = ["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest];
        let metadata: Value = serde_json::from_str(&read(&mut cargo(&args))?)?;
        for package in metadata["packages"].as_array().ok_or("cargo metadata without packages")? {
            faults.extend(check_dependencies(package));
        }
    }
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let mut count = 0_usize;
    for folder in ["build_backend", "crates", "examples", "fuzz/fuzz_targets", "guest", "python", "tests"] {
        for file in files(&root().join(folder), &["py", "pyi", "rs", "s"])? {
            faults.extend(check_file(&file, &architecture)?);
            count += 1;
        }
    }
    println!("layers: looked at {count} files");
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

fn check_dependencies(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let direct =
        package["dependencies"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    let forbidden: &[&str] =
        FORBIDDEN.iter().find(|(known, _)| *known == name).map_or(&[], |(_, forbidden)| forbidden);
    direct
        .filter(|dependency| forbidden.iter().any(|start| dependency.starts_with(start)))
        .map(|dependency| format!("{name} must not depend on {dependency}"))
        .collect()
}

fn check_file(path: &Path, architecture: &str) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.strip_prefix(root())?.to_str().ok_or("a file name is not UTF-8")?;
    let mut faults = Vec::new();
    let lines = text.lines().count();
    let is_test = name.starts_with("tests/") || name.contains("/tests/");
    if lines > MAX_FILE_LINES && !is_test {
        faults.push(format!("{name}: {lines} lines exceed {MAX_FILE_LINES}"));
    }
    let is_host_rust =
        name.starts_with("crates/") && name.ends_with(".rs") && !name.starts_with("crates/xtask/");
    if is_host_rust && name != HYPERVISOR_FILE && text.contains("hyperlight_") {
        faults.push(format!("{name}: only {HYPERVISOR_FILE} names hyperlight's crates"));
    }
    let opens_unsafe = text.contains("expect(unsafe_code") || text.contains("allow(unsafe_code");
    if opens_unsafe && !name.starts_with("crates/xtask/") && !architecture.contains(name) {
        faults.push(format!("{name}: opens `unsafe` but ARCHITECTURE.md does not name it"));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dependency_on_the_wrong_layer_is_named() {
        let package =
            json!({"name": "hypercell-abi", "dependencies": [{"name": "minicbor"}, {"name": "pyo3"}]});
        assert_eq!(check_dependencies(&package), ["hypercell-abi must not depend on pyo3"]);
    }

    #[test]
    fn dependency_on_the_next_layer_is_allowed() {
        let package = json!({"name": "hypercell-python", "dependencies": [{"name": "hypercell-host"}]});
        assert!(check_dependencies(&package).is_empty());
    }
}
