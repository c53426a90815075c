//! The files of images, tried without a VM: unpacked into a directory, and run there by `chroot`.
//!
//! Needs root for the last step; without it that step says so and is skipped, or fails where
//! `HYPERCELL_TEST_REQUIRE_ROOT` is set. Tries every `python3.X` of the system and of pyenv.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hypercell_abi::archive::{Archive, EntryId, EntryKind, ROOT};
use hypercell_host::image::{ImageError, Interpreter, pack_archive};
use tempfile::TempDir;

/// Imports in the guest's files that fail, though they work natively, and why.
const EXPECTED_FAILURES: [(&str, &str); 1] =
    // Finds its library by running ldconfig and a compiler; a guest runs no programs.
    [("_pyrepl._minimal_curses", "ModuleNotFoundError: curses library not found")];

/// Returns the interpreters of this machine: a path for each real executable.
fn interpreters() -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
    if let Some(home) = std::env::var_os("HOME") {
        let versions = Path::new(&home).join(".pyenv/versions");
        dirs.extend(
            fs::read_dir(versions).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")),
        );
    }
    let mut found = BTreeMap::new();
    for entry in dirs.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten()) {
        let name = entry.file_name();
        let minor = name.to_str().and_then(|name| name.strip_prefix("python3."));
        if minor.is_some_and(|minor| minor.parse::<u32>().is_ok())
            && let Ok(real) = fs::canonicalize(entry.path())
        {
            found.insert(real, entry.path());
        }
    }
    found.into_values().collect()
}

fn supported_interpreters() -> Vec<Interpreter> {
    let supported: Vec<Interpreter> =
        interpreters().iter().filter_map(|path| Interpreter::discover(path).ok()).collect();
    assert!(!supported.is_empty(), "no CPython 3.10 to 3.15 on this machine");
    supported
}

/// Makes an installation's guest directory with a package that proves that it was started.
fn guest_dir() -> TempDir {
    let dir = TempDir::new().expect("temporary directory");
    let package = dir.path().join("hypercell_guest");
    fs::create_dir(&package).expect("writable");
    fs::write(package.join("__main__.py"), "print('the guest package runs')\n").expect("writable");
    dir
}

fn unpack(archive: &Archive<'_>, dir: EntryId, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for id in archive.children(dir).expect("a directory") {
        let entry = archive.entry(id).expect("well formed");
        let path = to.join(std::str::from_utf8(entry.name).expect("a UTF-8 name"));
        match entry.kind {
            EntryKind::Dir => unpack(archive, id, &path),
            EntryKind::Symlink => {
                let target = std::str::from_utf8(archive.link_target(id).expect("a link")).expect("UTF-8");
                symlink(target, &path).expect("writable");
            }
            EntryKind::File => {
                fs::write(&path, archive.data(id).expect("a file")).expect("writable");
                fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)).expect("own file");
            }
        }
    }
}

fn outcomes(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let split =
        |line: &str| line.split_once(' ').map(|(name, outcome)| (name.to_owned(), outcome.to_owned()));
    text.lines().filter_map(split).collect()
}

fn in_chroot(root: &Path, interpreter: &Interpreter, arguments: &[&str]) -> std::process::Output {
    Command::new("chroot")
        .arg(root)
        .arg(format!("/python/bin/{}", interpreter.versioned_name()))
        .arg("-s")
        .args(arguments)
        .env_clear()
        .envs([("PYTHONHOME", "/python"), ("PYTHONPATH", "/guest"), ("PYTHONDONTWRITEBYTECODE", "1")])
        .envs([("LD_LIBRARY_PATH", "/lib"), ("HOME", "/tmp"), ("LANG", "C.UTF-8")])
        // The host finds `chroot` here; nothing of it exists inside.
        .env("PATH", "/usr/sbin:/usr/bin:/python/bin")
        .output()
        .expect("chroot is installed")
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    assert!(is_root || std::env::var_os("HYPERCELL_TEST_REQUIRE_ROOT").is_none(), "this test needs root");
    is_root
}

#[test]
fn every_module_that_imports_natively_imports_from_the_image() {
    let guest_dir = guest_dir();
    for interpreter in supported_interpreters() {
        let python = &interpreter.python;
        let bytes = pack_archive(python, guest_dir.path(), &[]).expect("packable");
        let archive = Archive::parse(&bytes).expect("well formed");
        archive.check().expect("well formed");
        if !is_root() {
            continue;
        }
        let root = TempDir::new().expect("temporary directory");
        unpack(&archive, ROOT, root.path());
        fs::write(root.path().join("dev/null"), "").expect("writable");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import_all.py");
        fs::copy(&script, root.path().join("tmp/import_all.py")).expect("writable");

        let native = Command::new(python).args(["-I", "-S"]).arg(&script).output().expect("it runs");
        let native = outcomes(&native.stdout);
        let guest = in_chroot(root.path(), &interpreter, &["/tmp/import_all.py"]);
        let guest = outcomes(&guest.stdout);
        assert!(native.values().filter(|outcome| *outcome == "ok").count() > 500, "{}", python.display());
        for (module, _) in native.iter().filter(|(_, outcome)| *outcome == "ok") {
            let outcome = guest.get(module).map_or("not found", String::as_str);
            let expected = EXPECTED_FAILURES
                .iter()
                .find(|(name, _)| name == module)
                .map_or("ok", |(_, failure)| failure);
            assert_eq!(outcome, expected, "{module} of {}", python.display());
        }

        let started = in_chroot(root.path(), &interpreter, &["-m", "hypercell_guest"]);
        assert_eq!(String::from_utf8_lossy(&started.stdout), "the guest package runs\n");
        let paths =
            "import sys, json, site; print(json.loads.__code__.co_filename, sys.prefix, site.PREFIXES)";
        let paths = in_chroot(root.path(), &interpreter, &["-c", paths]);
        let expected = format!(
            "/python/lib/{}/json/__init__.py /python ['/python', '/python']\n",
            interpreter.versioned_name()
        );
        assert_eq!(String::from_utf8_lossy(&paths.stdout), expected);
    }
}

#[test]
fn byte_code_and_configuration_do_not_tell_where_the_interpreter_was() {
    let guest_dir = guest_dir();
    for interpreter in supported_interpreters() {
        let prefix = interpreter.base_prefix.to_str().expect("a UTF-8 path");
        if prefix == "/usr" {
            continue; // says nothing about a host
        }
        let bytes = pack_archive(&interpreter.python, guest_dir.path(), &[]).expect("packable");
        let archive = Archive::parse(&bytes).expect("well formed");
        let told = |name: &[u8], contents: &[u8]| {
            (name.ends_with(b".pyc") || name.starts_with(b"_sysconfigdata"))
                && contents.windows(prefix.len()).any(|window| window == prefix.as_bytes())
        };
        for id in (0..archive.entry_count()).map(EntryId) {
            let entry = archive.entry(id).expect("well formed");
            if entry.kind == EntryKind::File {
                let contents = archive.data(id).expect("a file");
                assert!(!told(entry.name, contents), "{} names {prefix}", entry.name.escape_ascii());
            }
        }
    }
}

#[test]
fn every_source_of_the_image_has_byte_code() {
    let guest_dir = guest_dir();
    let interpreter = supported_interpreters().remove(0);
    let bytes = pack_archive(&interpreter.python, guest_dir.path(), &[]).expect("packable");
    let archive = Archive::parse(&bytes).expect("well formed");
    let tag = format!("cpython-{}{}", interpreter.version[0], interpreter.version[1]);
    let mut dirs = vec![(ROOT, String::new())];
    while let Some((dir, path)) = dirs.pop() {
        for id in archive.children(dir).expect("a directory") {
            let entry = archive.entry(id).expect("well formed");
            let name = std::str::from_utf8(entry.name).expect("UTF-8");
            if entry.kind == EntryKind::Dir {
                dirs.push((id, format!("{path}/{name}")));
            } else if let Some(stem) = name.strip_suffix(".py") {
                let byte_code = format!("{path}/__pycache__/{stem}.{tag}.pyc");
                let found = archive.lookup_path(byte_code.as_bytes()).expect("well formed");
                assert!(found.is_some(), "{path}/{name} has no byte code");
            }
        }
    }
}

#[test]
fn old_interpreters_are_refused_by_version() {
    for python in interpreters() {
        match Interpreter::discover(&python) {
            Ok(interpreter) => assert!((10..=15).contains(&interpreter.version[1])),
            Err(ImageError::InterpreterUnsupported { detail, .. }) => {
                assert!(detail.ends_with("; use CPython 3.10 to 3.15"), "{detail}");
            }
            Err(other) => panic!("{}: {other}", python.display()),
        }
    }
}

/// Makes an executable that answers as an interpreter would.
fn pretender(answer: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("temporary directory");
    let python = dir.path().join("python");
    fs::write(&python, format!("#!/bin/sh\necho 'hypercell-answer {answer}'\n")).expect("writable");
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("own file");
    (dir, python)
}

fn refusal(answer: &str) -> String {
    let (_dir, python) = pretender(answer);
    match Interpreter::discover(&python) {
        Err(ImageError::InterpreterUnsupported { detail, .. }) => detail,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn other_implementations_systems_and_word_sizes_are_refused_by_name() {
    let answer = |implementation: &str, platform: &str, is_64bit: bool| {
        format!(
            r#"{{"version": [3, 11, 0], "release_level": "final", "implementation": "{implementation}",
            "platform": "{platform}", "is_64bit": {is_64bit}}}"#
        )
        .replace('\n', " ")
    };
    assert_eq!(refusal(&answer("pypy", "linux", true)), "it is pypy; use CPython");
    assert_eq!(refusal(&answer("cpython", "darwin", true)), "it runs on darwin; use Linux");
    assert_eq!(refusal(&answer("cpython", "linux", false)), "it is a 32-bit build; use a 64-bit one");
}

#[test]
fn a_path_that_is_no_interpreter_is_named() {
    let missing = Interpreter::discover(Path::new("/nowhere/python")).expect_err("missing").to_string();
    assert_eq!(missing, "cannot run the interpreter /nowhere/python: No such file or directory (os error 2)");
    let other = Interpreter::discover(Path::new("/bin/true")).expect_err("no interpreter").to_string();
    assert_eq!(other, "the interpreter /bin/true did not describe itself: no answer in 0 bytes of output");
}

#[test]
fn a_missing_guest_package_or_distribution_is_named() {
    let python = supported_interpreters().remove(0).python;
    let empty = TempDir::new().expect("temporary directory");
    let error = pack_archive(&python, empty.path(), &[]).expect_err("nothing there").to_string();
    let expected = format!(
        "the guest files in {} are incomplete: there is no hypercell_guest/__main__.py; reinstall hypercell",
        empty.path().display()
    );
    assert_eq!(error, expected);

    let absent = "no-such-distribution".to_owned();
    let error = pack_archive(&python, guest_dir().path(), &[absent]).expect_err("not installed").to_string();
    let expected = format!(
        "cannot pack the package \"no-such-distribution\": it is not installed in the environment of {}",
        python.display()
    );
    assert_eq!(error, expected);
}
