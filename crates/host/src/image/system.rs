//! Adds what a program expects of a Linux system besides its interpreter: the guest's Python, /etc, time zones.
//!
//! Guarantees: the files under /etc are made here, or are public tables every system has; the time zone is UTC.
//! Never: copies host configuration that tells about the host (its name, users, resolvers, time zone).
//!
//! Before: `image`. After: `tree`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::discover::Interpreter;
use super::error::ImageError;
use super::tree::{FileTree, Source};

/// The guest kernel's file name in the guest directory of the installation.
pub(crate) const KERNEL_FILE: &str = "hypercell-kernel";
/// The guest's Python package in the same directory, and in the guest's `/guest`.
pub(crate) const GUEST_PACKAGE: &str = "hypercell_guest";

const ETC: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
    ("/etc/hostname", "localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
];
/// Tables that the standard library reads (`mimetypes`, `socket.getservbyname`), the same on every system.
const PUBLIC_TABLES: [&str; 3] = ["/etc/mime.types", "/etc/services", "/etc/protocols"];
/// Where the kernel mounts its own file systems.
const MOUNT_POINTS: [&str; 3] = ["/dev", "/proc", "/tmp"];
/// Time zones with leap seconds, and second copies of the rest.
const LEFT_OUT_ZONE_DIRS: [&str; 2] = ["right", "posix"];
/// Files of the host's own choice, and a source form that nothing reads.
const LEFT_OUT_ZONE_FILES: [&str; 4] = ["localtime", "posixrules", "leapseconds", "leap-seconds.list"];
const ZONE_MAGIC: &[u8] = b"TZif";
/// Tables of names, which `zoneinfo` and `pytz` read beside the zones.
const ZONE_TABLES: [&str; 5] = ["iso3166.tab", "tzdata.zi", "zone.tab", "zone1970.tab", "+VERSION"];
/// `Etc/UTC` is found two levels down, `America/Argentina/Ushuaia` three.
const MAX_ZONE_DEPTH: usize = 4;

/// Returns the guest kernel of the installation.
///
/// # Errors
///
/// [`ImageError::GuestFiles`] where it is not there.
pub(crate) fn kernel_file(guest_dir: &Path) -> Result<PathBuf, ImageError> {
    let kernel = guest_dir.join(KERNEL_FILE);
    if kernel.is_file() {
        return Ok(kernel);
    }
    Err(ImageError::GuestFiles {
        path: guest_dir.to_path_buf(),
        detail: format!("there is no {KERNEL_FILE}"),
    })
}

/// Adds the guest's Python package from the installation's guest directory.
///
/// # Errors
///
/// [`ImageError::GuestFiles`] where the package is not there, [`ImageError::Read`] where it cannot be read.
pub(crate) fn add_guest_package(tree: &mut FileTree, guest_dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let package = guest_dir.join(GUEST_PACKAGE);
    if !package.join("__main__.py").is_file() {
        return Err(ImageError::GuestFiles {
            path: guest_dir.to_path_buf(),
            detail: format!("there is no {GUEST_PACKAGE}/__main__.py"),
        });
    }
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(&package)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(ImageError::read(&package))?;
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".py") && path.is_file() {
            tree.add_file(&format!("/guest/{GUEST_PACKAGE}/{name}"), Source::Host(path.clone()));
            files.push(path);
        }
    }
    Ok(files)
}

/// Adds /etc, mount points, the time zones and, for an old C library, the C.UTF-8 locale.
pub(crate) fn add_system(tree: &mut FileTree, interpreter: &Interpreter) {
    for dir in MOUNT_POINTS {
        tree.add_dir(dir);
    }
    for (path, text) in ETC {
        tree.add_text(path, text);
    }
    tree.add_file("/etc/localtime", Source::Bytes(utc_zone()));
    for table in PUBLIC_TABLES {
        if Path::new(table).is_file() {
            tree.add_file(table, Source::Host(PathBuf::from(table)));
        }
    }
    if let Some(host) = interpreter.zone_dirs.iter().find(|dir| dir.join("UTC").is_file()) {
        let guest = interpreter
            .guest_path(host)
            .filter(|_| !host.starts_with("/usr"))
            .unwrap_or_else(|| host.to_string_lossy().into_owned());
        let mut zones = Zones { tree, paths: HashMap::new() };
        zones.add_dir(host, &guest, 0);
    }
    add_locale(tree);
}

/// Returns a version-2 time zone file (RFC 9636) for UTC.
fn utc_zone() -> Vec<u8> {
    let mut file = Vec::new();
    for _ in 0..2 {
        file.extend(ZONE_MAGIC);
        file.push(b'2');
        file.extend([0; 15]);
        // Counts of UT indicators, standard indicators, leap seconds, transitions, types, name bytes.
        for count in [0u32, 0, 0, 0, 1, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend([0; 6]); // offset 0, no summer time, name at 0
        file.extend(b"UTC\0");
    }
    file.extend(b"\nUTC0\n");
    file
}

struct Zones<'a> {
    tree: &'a mut FileTree,
    /// First guest path of each content.
    paths: HashMap<Vec<u8>, String>,
}

impl Zones<'_> {
    /// Adds a directory of time zones; the second and further names of a zone become links. A directory that cannot
    /// be read is left out, as `zoneinfo` would.
    fn add_dir(&mut self, host: &Path, guest: &str, depth: usize) {
        let Ok(entries) = fs::read_dir(host) else { return };
        let mut entries: Vec<fs::DirEntry> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name();
            let (Some(name), Ok(metadata)) = (file_name.to_str(), fs::metadata(&path)) else { continue };
            let guest = format!("{guest}/{name}");
            if metadata.is_dir() {
                if depth < MAX_ZONE_DEPTH && !LEFT_OUT_ZONE_DIRS.contains(&name) {
                    self.add_dir(&path, &guest, depth + 1);
                }
            } else if metadata.is_file() && !LEFT_OUT_ZONE_FILES.contains(&name) {
                let Ok(contents) = fs::read(&path) else { continue };
                if !contents.starts_with(ZONE_MAGIC) && !ZONE_TABLES.contains(&name) {
                    continue;
                }
                match self.paths.get(&contents) {
                    Some(first) => self.tree.add_symlink(&guest, first),
                    None => {
                        self.tree.add_file(&guest, Source::Bytes(contents.clone()));
                        self.paths.insert(contents, guest);
                    }
                }
            }
        }
    }
}

/// Adds the C.UTF-8 locale where the system has it as files; glibc 2.35 and later have it built in.
fn add_locale(tree: &mut FileTree) {
    for name in ["C.utf8", "C.UTF-8"] {
        let dir = format!("/usr/lib/locale/{name}");
        add_plain_dir(tree, Path::new(&dir), &dir, 0);
    }
}

fn add_plain_dir(tree: &mut FileTree, host: &Path, guest: &str, depth: usize) {
    let Ok(entries) = fs::read_dir(host) else { return };
    for entry in entries.filter_map(Result::ok) {
        let (path, file_name) = (entry.path(), entry.file_name());
        let Some(name) = file_name.to_str() else { continue };
        let guest = format!("{guest}/{name}");
        if path.is_dir() && depth < 2 {
            add_plain_dir(tree, &path, &guest, depth + 1);
        } else if path.is_file() {
            tree.add_file(&guest, Source::Host(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_file_for_utc_has_the_size_of_rfc_9636() {
        let file = utc_zone();
        assert_eq!(file.len(), 2 * (44 + 6 + 4) + 6);
        assert!(file.ends_with(b"\nUTC0\n"));
    }
}
