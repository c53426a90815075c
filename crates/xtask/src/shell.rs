//! Runs other programs, and knows where things are in the clone.
//!
//! Guarantees that each program is printed before it starts, and that its failure ends the command.
//! Before: every other module. After: the programs.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A value, or an error that ends the whole command with its text.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Returns the root of the clone.
pub(crate) fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).unwrap_or(crate_dir).to_path_buf()
}

/// Returns the directory for everything built, which `CARGO_TARGET_DIR` moves as it does for cargo.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Prepares `program` to run in the root of the clone.
pub(crate) fn cmd<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Prepares cargo to run in the root of the clone.
pub(crate) fn cargo(args: &[&str]) -> Command {
    cmd(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Prints and runs a program.
///
/// # Errors
/// The program cannot be started, or ends with another status than 0.
pub(crate) fn run(command: &mut Command) -> Outcome {
    eprintln!("{}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command)).into()) }
}

/// Prints and runs a program, and returns what it wrote to its standard output.
///
/// # Errors
/// As [`run`], and output that is not UTF-8.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    eprintln!("{}", shown(command));
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{}: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Returns the files below `dir` whose extension is one of `extensions`, sorted; none when `dir` is missing.
///
/// # Errors
/// A directory below `dir` cannot be read.
pub(crate) fn files(dir: &Path, extensions: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(next) = pending.pop().filter(|next| next.is_dir()) {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path
                .extension()
                .and_then(OsStr::to_str)
                .is_some_and(|found| extensions.contains(&found))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a file when its contents would change, so that tools which look at times see no change.
///
/// # Errors
/// The file or its directory cannot be written.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Outcome {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, contents).map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("wrote {}", path.strip_prefix(root()).unwrap_or(path).display());
    Ok(())
}

fn shown(command: &Command) -> String {
    let mut text = String::from("$ ");
    if let Some(dir) = command.get_current_dir().and_then(|dir| dir.strip_prefix(root()).ok())
        && !dir.as_os_str().is_empty()
    {
        let _ = write!(text, "cd {} && ", dir.display());
    }
    for (key, value) in command.get_envs().filter(|(key, _)| *key != "PATH") {
        if let Some(value) = value {
            let _ = write!(text, "{}={} ", key.display(), value.display());
        }
    }
    let program = Path::new(command.get_program());
    let program = if program.file_stem() == Some(OsStr::new("cargo")) { Path::new("cargo") } else { program };
    let _ = write!(text, "{}", program.strip_prefix(root()).unwrap_or(program).display());
    for arg in command.get_args() {
        let arg = Path::new(arg);
        let _ = write!(text, " {}", arg.strip_prefix(root()).unwrap_or(arg).display());
    }
    text
}
