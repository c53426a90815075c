//! Puts the interpreter's executable and standard library into the tree.
//!
//! Guarantees: every module of the standard library that imports on the host is there, at the same place relative
//! to the prefix, except the ones listed in [`LEFT_OUT_DIRS`] and [`is_test_module`].
//! Never: follows a link to a directory outside the interpreter's prefix, takes files of other packages, or fails on
//! a broken link (distributions leave some behind).
//!
//! Before: `image`. After: `tree`; `libraries` for the modules found here, `bytecode` for the sources.

use std::fs;
use std::path::{Path, PathBuf};

use super::discover::Interpreter;
use super::error::ImageError;
use super::tree::{FileTree, Source};

/// Directories that no module of the standard library needs, wherever they are in it.
const LEFT_OUT_DIRS: [&str; 6] =
    ["__pycache__", "test", "tests", "idle_test", "site-packages", "dist-packages"];
/// Directories left out by their path in the standard library: an editor and its examples, which need a display,
/// and the wheels of pip, which a read-only guest has no use for.
const LEFT_OUT_PATHS: [&str; 3] = ["idlelib", "turtledemo", "ensurepip/_bundled"];
/// Start-up hooks. They belong to the host's administrator, not to the interpreter.
const HOOKS: [&str; 2] = ["sitecustomize.py", "usercustomize.py"];
/// What no import reads: byte code for host paths, Windows launchers, what is for the linker.
const LEFT_OUT_SUFFIXES: [&str; 5] = [".pyc", ".exe", ".a", ".o", ".orig"];
/// The build's configuration for `sysconfig`; its text names the host's directories.
const BUILD_CONFIGURATION: &str = "_sysconfigdata_";
/// Deeper nesting is a loop of links.
const MAX_DEPTH: usize = 32;

/// What was put into the tree and needs more work.
#[derive(Debug, Default)]
pub(crate) struct Stdlib {
    /// Compiled modules: their libraries are needed too.
    pub(crate) modules: Vec<PathBuf>,
    /// Directories that were read: a change of one of them means a new image.
    pub(crate) dirs: Vec<PathBuf>,
}

/// Adds the executable and the standard library.
///
/// # Errors
///
/// [`ImageError::Read`] for a directory that cannot be read, [`ImageError::InterpreterUnsupported`] where the
/// library is not a directory of sources.
pub(crate) fn add_stdlib(tree: &mut FileTree, interpreter: &Interpreter) -> Result<Stdlib, ImageError> {
    let name = interpreter.versioned_name();
    let executable = format!("/python/bin/{name}");
    tree.add_executable(&executable, Source::HostElf(interpreter.base_executable.clone()));
    tree.add_symlink("/python/bin/python3", &name);
    tree.add_symlink("/python/bin/python", &name);

    if !interpreter.stdlib.join("os.py").is_file() {
        return Err(ImageError::InterpreterUnsupported {
            python: interpreter.python.clone(),
            detail: format!("its standard library {} has no os.py", interpreter.stdlib.display()),
        });
    }
    let guest_stdlib =
        interpreter.guest_path(&interpreter.stdlib).unwrap_or_else(|| format!("/python/lib/{name}"));
    let mut walk = Walk { tree, found: Stdlib::default(), inside: vec![real(&interpreter.stdlib)] };
    if interpreter.base_prefix.components().count() > 2 {
        walk.inside.push(real(&interpreter.base_prefix)); // not "/usr", which holds everything
    }
    walk.add_dir(&interpreter.stdlib, &guest_stdlib, "", 0)?;
    for dynload in &interpreter.dynload {
        if !dynload.starts_with(&interpreter.stdlib) {
            walk.inside.push(real(dynload));
            walk.add_dir(dynload, &format!("{guest_stdlib}/lib-dynload"), "lib-dynload", 0)?;
        }
    }
    let found = walk.found;

    if let Some(guest) = interpreter.guest_path(&interpreter.config_header)
        && interpreter.config_header.is_file()
    {
        tree.add_file(&guest, Source::Host(interpreter.config_header.clone()));
    }
    hide_host_prefix(tree, interpreter)?;
    add_site_dir(tree, interpreter);
    Ok(found)
}

/// Returns whether a file of `lib-dynload` is one of CPython's own tests.
fn is_test_module(name: &str) -> bool {
    ["_test", "_ctypes_test", "_xxtestfuzz", "xxlimited"].iter().any(|prefix| name.starts_with(prefix))
}

struct Walk<'a> {
    tree: &'a mut FileTree,
    found: Stdlib,
    /// Real directories that links may lead into.
    inside: Vec<PathBuf>,
}

impl Walk<'_> {
    /// Adds one directory. `relative` is its path in the standard library.
    fn add_dir(&mut self, host: &Path, guest: &str, relative: &str, depth: usize) -> Result<(), ImageError> {
        self.found.dirs.push(host.to_path_buf());
        self.tree.add_dir(guest);
        let mut entries: Vec<fs::DirEntry> =
            fs::read_dir(host).and_then(Iterator::collect).map_err(ImageError::read(host))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str() else { continue };
            // Follows links. One that leads nowhere is as good as absent, for the interpreter too.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let guest = format!("{guest}/{name}");
            let relative = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
            if metadata.is_dir() {
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                let is_outside = is_link && !self.inside.iter().any(|dir| real(&path).starts_with(dir));
                if !is_dir_left_out(name, &relative) && !is_outside && depth < MAX_DEPTH {
                    self.add_dir(&path, &guest, &relative, depth + 1)?;
                }
            } else if metadata.is_file() && !is_file_left_out(name, &relative) {
                if is_shared_object(name) {
                    self.found.modules.push(path.clone());
                    self.tree.add_executable(&guest, Source::HostElf(path));
                } else {
                    self.tree.add_file(&guest, Source::Host(path));
                }
            }
        }
        Ok(())
    }
}

fn is_dir_left_out(name: &str, relative: &str) -> bool {
    LEFT_OUT_DIRS.contains(&name)
        || LEFT_OUT_PATHS.contains(&relative)
        || (relative == name && name.starts_with("config-"))
}

fn is_file_left_out(name: &str, relative: &str) -> bool {
    LEFT_OUT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || HOOKS.contains(&relative)
        || (is_shared_object(name) && is_test_module(name))
}

/// Returns whether a file name is a compiled module's or a library's (`x.so`, `libx.so.1`).
pub(crate) fn is_shared_object(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Puts `/python` in place of the host's prefix into the build configuration, so that `sysconfig` tells where
/// things are in the guest, and the image does not tell where they were on the host.
fn hide_host_prefix(tree: &mut FileTree, interpreter: &Interpreter) -> Result<(), ImageError> {
    let Some(prefix) = interpreter.base_prefix.to_str().filter(|prefix| !["/", "/usr"].contains(prefix))
    else {
        return Ok(());
    };
    let configurations: Vec<(String, Source)> = tree
        .iter()
        .filter_map(|(path, node)| match node {
            super::tree::Node::File { source, .. }
                if path.rsplit('/').next().is_some_and(|name| name.starts_with(BUILD_CONFIGURATION)) =>
            {
                Some((path.to_owned(), source.clone()))
            }
            _ => None,
        })
        .collect();
    for (path, source) in configurations {
        if let Ok(text) = String::from_utf8(source.contents()?) {
            tree.add_text(&path, &text.replace(prefix, "/python"));
        }
    }
    Ok(())
}

/// Makes `/python/lib/python3.X/site-packages`, and a link where this interpreter looks elsewhere (Debian's looks
/// for `dist-packages`).
fn add_site_dir(tree: &mut FileTree, interpreter: &Interpreter) {
    let site_dir = guest_site_dir(interpreter);
    tree.add_dir(&site_dir);
    let is_searched = interpreter.guest_site_dirs.contains(&site_dir);
    if let Some(searched) = interpreter.guest_site_dirs.last().filter(|_| !is_searched)
        && searched.starts_with("/python/")
        && !tree.contains(searched)
    {
        tree.add_symlink(searched, &site_dir);
    }
}

/// Returns where chosen packages are in the guest.
pub(crate) fn guest_site_dir(interpreter: &Interpreter) -> String {
    format!("/python/lib/{}/site-packages", interpreter.versioned_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_editors_and_hooks_are_left_out() {
        assert!(is_dir_left_out("test", "sqlite3/test"));
        assert!(is_dir_left_out("idlelib", "idlelib"));
        assert!(is_dir_left_out("config-3.11-x86_64-linux-gnu", "config-3.11-x86_64-linux-gnu"));
        assert!(!is_dir_left_out("ensurepip", "ensurepip"));
        assert!(is_file_left_out("sitecustomize.py", "sitecustomize.py"));
        assert!(is_file_left_out("_testcapi.cpython-311-x86_64-linux-gnu.so", "lib-dynload/_testcapi"));
        assert!(!is_file_left_out("_json.cpython-311-x86_64-linux-gnu.so", "lib-dynload/_json"));
    }

    #[test]
    fn shared_objects_are_known_by_name() {
        assert!(is_shared_object("_json.cpython-311-x86_64-linux-gnu.so"));
        assert!(is_shared_object("libopenblas64_p-r0.so.0"));
        assert!(!is_shared_object("json.py"));
    }
}
