//! What a sandbox is told of the host's directories: plain data, and the rules for paths in the guest.
//!
//! Guarantees: options that passed `check` do not hide each other or anything that the guest needs; a setting that cannot
//! take effect is an error. Never: opens anything; that is for the mount gate.
//!
//! Before: the caller. After: `gate::mount`.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use hypercell_abi::limits::{MAX_FILE_NAME_BYTES, MAX_FILE_PATH_BYTES, MAX_MOUNTS};

use crate::error::UsageError;

/// Directories of the guest itself, below which nothing can be mounted.
const RESERVED: [&str; 10] =
    ["dev", "etc", "guest", "lib", "lib64", "output", "proc", "python", "sys", "usr"];

/// A directory of the host in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountInfo {
    /// The directory. It is opened once, when the sandbox is made.
    pub host: PathBuf,
    /// Where the guest finds it: absolute, and not below another mount.
    pub guest: PathBuf,
    /// Whether the guest may change it.
    pub is_writable: bool,
    /// Bytes by which a run may make its files longer, all together.
    pub max_bytes: Option<u64>,
}

/// Checks the paths of all mounts in the guest.
///
/// # Errors
///
/// [`UsageError::TooManyMounts`], [`UsageError::MountPath`], [`UsageError::MountsOverlap`].
pub(crate) fn check_mounts(mounts: &[MountInfo]) -> Result<(), UsageError> {
    if mounts.len() > MAX_MOUNTS {
        return Err(UsageError::TooManyMounts { count: mounts.len(), max: MAX_MOUNTS });
    }
    for (index, mount) in mounts.iter().enumerate() {
        check_mount_path(&mount.guest)?;
        for earlier in mounts.iter().take(index) {
            if mount.guest.starts_with(&earlier.guest) || earlier.guest.starts_with(&mount.guest) {
                return Err(UsageError::MountsOverlap {
                    path: mount.guest.clone(),
                    other: earlier.guest.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Checks that a directory can be mounted at a path of the guest, whatever else is mounted.
///
/// # Errors
///
/// [`UsageError::MountPath`].
pub fn check_mount_path(path: &Path) -> Result<(), UsageError> {
    check_guest_path(path).map_err(|reason| UsageError::MountPath { path: path.to_owned(), reason })
}

fn check_guest_path(path: &Path) -> Result<(), &'static str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.contains(&0) {
        return Err("it holds a NUL character");
    }
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err("it is not absolute");
    }
    // `components` hides these where they stand in the middle.
    if bytes.split(|&byte| byte == b'/').skip(1).any(|name| name.is_empty() || name == b"." || name == b"..")
        && bytes.len() > 1
    {
        return Err("it has empty names, . or ..");
    }
    if bytes.len() > MAX_FILE_PATH_BYTES {
        return Err("it is longer than 4095 bytes");
    }
    let names: Vec<&OsStr> = components.map(Component::as_os_str).collect();
    if names.iter().any(|name| name.len() > MAX_FILE_NAME_BYTES) {
        return Err("a name in it is longer than 255 bytes");
    }
    match names.as_slice() {
        [] => Err("it is the root"),
        [one] if *one == "tmp" => Err("the guest has a /tmp of its own; mount below it"),
        [first, ..] if RESERVED.iter().any(|reserved| first == reserved) => {
            Err("the guest has a directory of its own there")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(paths: &[&str]) -> Vec<MountInfo> {
        let mount = |path: &&str| MountInfo {
            host: "/".into(),
            guest: path.into(),
            is_writable: false,
            max_bytes: None,
        };
        paths.iter().map(mount).collect()
    }

    #[test]
    fn paths_beside_the_guests_own_directories_are_taken() {
        assert_eq!(check_mounts(&mounts(&["/input", "/data/a", "/data/b", "/tmp/x", "/devices"])), Ok(()));
    }

    #[test]
    fn path_that_cannot_be_is_refused_with_the_reason() {
        for (path, reason) in [
            ("input", "it is not absolute"),
            ("", "it is not absolute"),
            ("/", "it is the root"),
            ("/in\0put", "it holds a NUL character"),
            ("/a/../b", "it has empty names, . or .."),
            ("/a/./b", "it has empty names, . or .."),
            ("/a//b", "it has empty names, . or .."),
            ("/a/", "it has empty names, . or .."),
            ("/tmp", "the guest has a /tmp of its own; mount below it"),
            ("/proc", "the guest has a directory of its own there"),
            ("/dev/shm", "the guest has a directory of its own there"),
            ("/python/lib", "the guest has a directory of its own there"),
            ("/output", "the guest has a directory of its own there"),
        ] {
            let error = check_mounts(&mounts(&[path])).expect_err(path);
            assert_eq!(
                error.to_string(),
                format!("nothing can be mounted at {path:?} in the guest: {reason}")
            );
        }
    }

    #[test]
    fn long_paths_and_names_are_refused() {
        let name = format!("/{}", "x".repeat(255));
        assert_eq!(check_mounts(&mounts(&[&name])), Ok(()));
        assert!(check_mounts(&mounts(&[&format!("{name}x")])).is_err());
        assert_eq!(check_mounts(&mounts(&[&format!("{}{}", name.repeat(15), &name[..255])])), Ok(()));
        assert!(check_mounts(&mounts(&[&name.repeat(16)])).is_err());
    }

    #[test]
    fn mounts_that_hide_each_other_are_refused() {
        for pair in [["/a", "/a"], ["/a", "/a/b"], ["/a/b", "/a"]] {
            let error = check_mounts(&mounts(&pair)).expect_err("overlap");
            assert_eq!(error.to_string(), format!("the mounts at {:?} and {:?} overlap", pair[1], pair[0]));
        }
        assert_eq!(check_mounts(&mounts(&["/a", "/ab"])), Ok(()));
    }

    #[test]
    fn mounts_pass_at_their_number_and_not_above() {
        let paths: Vec<String> = (0..=MAX_MOUNTS).map(|n| format!("/m{n}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(check_mounts(&mounts(&paths[1..])), Ok(()));
        assert_eq!(check_mounts(&mounts(&paths)).expect_err("65").to_string(), "65 mounts exceed 64");
    }
}
