//! Finds the shared libraries of the interpreter and its compiled modules as the dynamic loader finds them.
//!
//! Guarantees: what is returned are shared objects for this machine, one for each name, the first found winning as
//! within one process; a module whose libraries are not installed is left alone and named.
//! Never: returns a file that is not a shared object, wherever a search path or link leads.
//!
//! Search order: man ld.so(8). DT_RPATH of the object and of the executable, LD_LIBRARY_PATH, DT_RUNPATH of the
//! object, the loader's cache, the default directories.
//!
//! Before: `stdlib` and `packages`. After: `elf`, `library_cache`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::discover::Interpreter;
use super::elf::ElfFile;
use super::error::ImageError;
use super::library_cache::LibraryCache;
use super::tree::{FileTree, Source};

/// Where the guest finds libraries (its `LD_LIBRARY_PATH`).
const GUEST_LIBRARY_DIR: &str = "/lib";
/// Last resort of the search, in glibc's and the distributions' orders.
const DEFAULT_DIRS: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/// glibc opens it by name to unwind a thread that ends (`pthread_exit`) and for `backtrace`.
const UNWINDER: &str = "libgcc_s.so.1";
/// Looks names up in /etc/passwd; part of libc.so.6 since glibc 2.34.
const NAME_SERVICE_FILES: &str = "libnss_files.so.2";

/// A compiled module that cannot be loaded on this host either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unloadable {
    pub(crate) module: PathBuf,
    pub(crate) library: String,
}

/// Adds the loader and the libraries of `modules` to the tree, and returns the modules that lack one.
///
/// Libraries that the tree already holds (a wheel's own, next to its modules) stay where they are.
///
/// # Errors
///
/// [`ImageError::LibraryMissing`] where the executable itself lacks one, [`ImageError::Read`] and
/// [`ImageError::Elf`] for files that cannot be used.
pub(crate) fn add_libraries(
    tree: &mut FileTree,
    interpreter: &Interpreter,
    modules: &[PathBuf],
) -> Result<Vec<Unloadable>, ImageError> {
    let executable = ElfFile::read(&interpreter.base_executable)?;
    let mut search = Search {
        cache: LibraryCache::of_host(),
        library_dirs: interpreter.library_dirs.clone(),
        executable_rpath: expanded(&executable.rpath, &executable.path),
        in_tree: tree.host_files(),
        files: HashMap::new(),
        chosen: BTreeMap::new(),
        loader_name: file_name(&interpreter.loader).to_owned(),
    };

    if let Err(missing) = search.add_closure(executable)? {
        return Err(ImageError::LibraryMissing { path: missing.module, library: missing.library });
    }
    let mut extra = vec![UNWINDER];
    if glibc_minor(&interpreter.libc).is_some_and(|minor| minor < 34) {
        extra.push(NAME_SERVICE_FILES);
    }
    for name in extra {
        if let Some(library) = search.find(name, None)? {
            let is_found = search.add_closure(library.clone())?.is_ok();
            if is_found {
                search.chosen.entry(name.to_owned()).or_insert(library.path);
            }
        }
    }
    let mut unloadable = Vec::new();
    for module in modules {
        // A file named like a module that is no shared object fails natively too.
        let Ok(elf) = ElfFile::read(module) else { continue };
        if let Err(missing) = search.add_closure(elf)? {
            unloadable.push(Unloadable { module: module.clone(), library: missing.library });
        }
    }

    tree.add_executable(&interpreter.loader, Source::HostElf(PathBuf::from(&interpreter.loader)));
    for (name, path) in search.chosen {
        tree.add_executable(&format!("{GUEST_LIBRARY_DIR}/{name}"), Source::HostElf(path));
    }
    Ok(unloadable)
}

struct Search {
    cache: LibraryCache,
    library_dirs: Vec<PathBuf>,
    executable_rpath: Vec<PathBuf>,
    /// Real paths of files that are in the guest at their own place.
    in_tree: HashSet<PathBuf>,
    /// What was looked at, by real path; `None` for files that are no libraries.
    files: HashMap<PathBuf, Option<ElfFile>>,
    /// What goes to the guest, by the name that is asked for.
    chosen: BTreeMap<String, PathBuf>,
    loader_name: String,
}

impl Search {
    /// Adds all libraries that `root` needs, directly or not; nothing if one of them is missing.
    fn add_closure(&mut self, root: ElfFile) -> Result<Result<(), Unloadable>, ImageError> {
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut seen: HashSet<String> = HashSet::new();
        let mut queue = vec![root];
        while let Some(object) = queue.pop() {
            for name in &object.needed {
                if *name == self.loader_name || self.chosen.contains_key(name) || !seen.insert(name.clone()) {
                    continue;
                }
                let Some(library) = self.find(name, Some(&object))? else {
                    return Ok(Err(Unloadable { module: object.path, library: name.clone() }));
                };
                if !self.in_tree.contains(&library.path) {
                    found.insert(name.clone(), library.path.clone());
                }
                queue.push(library);
            }
        }
        self.chosen.extend(found);
        Ok(Ok(()))
    }

    /// Finds one library for an object that needs it, or for the C library itself.
    fn find(&mut self, name: &str, object: Option<&ElfFile>) -> Result<Option<ElfFile>, ImageError> {
        if name.contains('/') {
            return self.open(Path::new(name));
        }
        let mut dirs = Vec::new();
        if let Some(object) = object {
            dirs.extend(expanded(&object.rpath, &object.path));
            if object.runpath.is_empty() {
                dirs.extend(self.executable_rpath.iter().cloned());
            }
        }
        dirs.extend(self.library_dirs.iter().cloned());
        if let Some(object) = object {
            dirs.extend(expanded(&object.runpath, &object.path));
        }
        let mut candidates: Vec<PathBuf> = dirs.iter().map(|dir| dir.join(name)).collect();
        candidates.extend(self.cache.paths(name).map(PathBuf::from));
        candidates.extend(DEFAULT_DIRS.iter().map(|dir| Path::new(dir).join(name)));
        for candidate in candidates {
            if let Some(library) = self.open(&candidate)? {
                return Ok(Some(library));
            }
        }
        Ok(None)
    }

    /// Opens a candidate. Like the loader, passes over files that are not there or not for this machine.
    fn open(&mut self, candidate: &Path) -> Result<Option<ElfFile>, ImageError> {
        let Ok(path) = fs::canonicalize(candidate) else { return Ok(None) };
        if let Some(known) = self.files.get(&path) {
            return Ok(known.clone());
        }
        let elf = match ElfFile::read(&path) {
            Ok(elf) => Some(elf),
            Err(ImageError::Elf { .. }) => None,
            Err(ImageError::Read { .. }) if !path.is_file() => None,
            Err(other) => return Err(other),
        };
        self.files.insert(path, elf.clone());
        Ok(elf)
    }
}

/// Replaces the loader's tokens in search paths of an object.
fn expanded(dirs: &[String], object: &Path) -> Vec<PathBuf> {
    let origin = fs::canonicalize(object)
        .ok()
        .and_then(|path| path.parent().map(Path::to_path_buf))
        .unwrap_or_default();
    let mut paths = Vec::new();
    for dir in dirs {
        let dir = dir
            .replace("${ORIGIN}", "$ORIGIN")
            .replace("${LIB}", "$LIB")
            .replace("$ORIGIN", &origin.to_string_lossy());
        if dir.contains("$LIB") {
            // Which one the loader was built with cannot be asked, and at most one of them exists as a rule.
            paths.extend(
                ["lib/x86_64-linux-gnu", "lib64", "lib"].map(|lib| PathBuf::from(dir.replace("$LIB", lib))),
            );
        } else if dir.starts_with('/') {
            paths.push(PathBuf::from(dir));
        }
    }
    paths
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns 36 for `glibc 2.36`.
fn glibc_minor(libc: &str) -> Option<u32> {
    let version = libc.strip_prefix("glibc ")?;
    version.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_and_lib_tokens_are_replaced() {
        let here = fs::canonicalize("/usr/bin").expect("exists");
        let dirs = ["$ORIGIN/../lib".to_owned(), "${ORIGIN}/x".to_owned(), "relative".to_owned()];
        let object = here.join("env");
        assert_eq!(expanded(&dirs, &object), [here.join("../lib"), here.join("x")]);
        assert_eq!(expanded(&["/opt/$LIB".to_owned()], &object).len(), 3);
    }

    #[test]
    fn glibc_versions_are_read() {
        assert_eq!(glibc_minor("glibc 2.36"), Some(36));
        assert_eq!(glibc_minor("musl"), None);
    }
}
