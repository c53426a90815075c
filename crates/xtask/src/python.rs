//! Virtual environments under the target directory, and the wheel.
//!
//! Guarantees that no command writes into the Python that started it: tools and tests live in environments of their
//! own, made by that Python (`HYPERCELL_TEST_PYTHON`, else `python3`) and kept until their requirements change.
//! Before: `stages`. After: `build_backend/backend.py`, which calls `guest` and maturin.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::shell::{Outcome, cmd, files, read, root, run, target};

/// A virtual environment that exists.
pub(crate) struct Venv {
    dir: PathBuf,
}

impl Venv {
    /// Returns the environment `name`, made anew when its Python or one of `requirements` is another than before.
    ///
    /// # Errors
    /// Python has no `venv`, or a requirement cannot be installed.
    pub(crate) fn open(name: &str, requirements: &[&str]) -> Outcome<Self> {
        let python = std::env::var_os("HYPERCELL_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let question = "import sys; print(sys.executable, sys.version)";
        let stamp = format!("{}{}", read(&mut cmd(&python, ["-c", question]))?, requirements.join("\n"));
        let venv = Self { dir: target().join(name) };
        let stamp_file = venv.dir.join("stamp");
        if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
            return Ok(venv);
        }
        run(cmd(&python, ["-m", "venv", "--clear"]).arg(&venv.dir))?;
        if !requirements.is_empty() {
            run(venv.python(["-m", "pip", "install", "--quiet"]).args(requirements))?;
        }
        fs::write(stamp_file, stamp)?;
        Ok(venv)
    }

    /// Prepares this environment's Python, apart from the caller's settings for Python and from the source tree.
    pub(crate) fn python<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = cmd(self.dir.join("bin/python"), args);
        command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
        command
    }

    /// Installs a wheel in place of the one that is there, with its requirements and those of one of its extras.
    pub(crate) fn install(&self, wheel: &Path, extra: Option<&str>) -> Outcome {
        let mut wanted = wheel.as_os_str().to_owned();
        if let Some(extra) = extra {
            wanted.push(format!("[{extra}]"));
        }
        run(self.python(["-m", "pip", "install", "--quiet"]).arg(wanted))?;
        let args = ["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps"];
        run(self.python(args).arg(wheel))
    }

    /// Returns a search path for programs that has this environment's first.
    fn search_path(&self) -> Outcome<OsString> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let own = self.dir.join("bin");
        Ok(std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&inherited)))?)
    }
}

/// Runs `cargo xtask wheel`.
pub(crate) fn wheel_command(_args: &[String]) -> Outcome {
    wheel().map(drop)
}

/// Builds the wheel into `dist/` by the project's own build backend, and returns its path.
pub(crate) fn wheel() -> Outcome<PathBuf> {
    let tools = Venv::open("venv-build", &["maturin>=1.9,<2"])?;
    let dist = root().join("dist");
    for old in files(&dist, &["whl"])? {
        fs::remove_file(old)?;
    }
    let args = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."];
    run(tools.python(args).env("PATH", tools.search_path()?))?;
    let wheels = files(&dist, &["whl"])?;
    let newest = wheels.into_iter().max_by_key(|path| {
        path.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    });
    newest.ok_or_else(|| "no wheel in dist/".into())
}
