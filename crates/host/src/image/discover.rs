//! Asks an interpreter what it is, and refuses one that cannot be a guest.
//!
//! Guarantees: an [`Interpreter`] is a CPython of a supported version for x86-64 Linux with glibc, and its base
//! executable is a dynamic ELF file whose loader is known.
//! Never: trusts a path's name; the interpreter is run, twice for a virtual environment.
//!
//! Before: `image` with the path the caller gave. After: `libraries`, `stdlib`, `packages`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::elf::ElfFile;
use super::error::ImageError;
use super::script::{Script, SiteImport};

const DISCOVER: &str = include_str!("discover.py");
/// A cold start from a network file system takes seconds.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(60);
/// The oldest and the newest minor version of CPython 3 that an image can hold.
const SUPPORTED_MINORS: std::ops::RangeInclusive<u32> = 10..=15;

/// What `discover.py` answers. The optional part is left out by interpreters that are refused.
#[derive(Debug, Deserialize)]
struct Answer {
    version: [u32; 3],
    release_level: String,
    implementation: String,
    platform: String,
    is_64bit: bool,
    #[serde(flatten)]
    facts: Option<Facts>,
}

/// The answer of a CPython 3.10 or newer.
#[derive(Clone, Debug, Deserialize)]
struct Facts {
    base_executable: PathBuf,
    prefix: PathBuf,
    base_prefix: PathBuf,
    base_exec_prefix: PathBuf,
    stdlib: PathBuf,
    dynload: Vec<PathBuf>,
    config_header: PathBuf,
    ext_suffix: Option<String>,
    bytecode_magic: String,
    is_free_threaded: bool,
    libc: Option<String>,
    zone_dirs: Vec<PathBuf>,
    site_dirs: Vec<PathBuf>,
    guest_site_dirs: Vec<String>,
    library_dirs: Vec<PathBuf>,
}

/// An interpreter that can be a guest, and where its parts are on this host.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The path that the caller gave: it knows the environment's packages.
    pub python: PathBuf,
    /// The executable behind virtual environments, links and shims.
    pub base_executable: PathBuf,
    /// Major, minor, micro.
    pub version: [u32; 3],
    /// `sys.prefix`: the virtual environment, or the base prefix.
    pub prefix: PathBuf,
    /// `sys.base_prefix`: what becomes `/python`.
    pub base_prefix: PathBuf,
    /// Where compiled modules' prefix differs from `base_prefix`; also becomes `/python`.
    pub base_exec_prefix: PathBuf,
    /// The directory of the standard library's sources.
    pub stdlib: PathBuf,
    /// The directories of its compiled modules.
    pub dynload: Vec<PathBuf>,
    /// `pyconfig.h`, which `sysconfig` reads; it may be missing.
    pub config_header: PathBuf,
    /// What names of compiled modules end in, `.cpython-311-x86_64-linux-gnu.so`.
    pub ext_suffix: String,
    /// Which form of byte code it writes and runs, as hexadecimal digits.
    pub bytecode_magic: String,
    /// Version of the C library, `glibc 2.36`.
    pub libc: String,
    /// Where `zoneinfo` looks for time zones.
    pub zone_dirs: Vec<PathBuf>,
    /// The environment's package directories.
    pub site_dirs: Vec<PathBuf>,
    /// Where the same interpreter looks for packages when its prefix is `/python`.
    pub guest_site_dirs: Vec<String>,
    /// `LD_LIBRARY_PATH` as the interpreter sees it.
    pub library_dirs: Vec<PathBuf>,
    /// PT_INTERP: the absolute path of the dynamic loader.
    pub loader: String,
}

impl Interpreter {
    /// Runs `python` and returns what it says about itself.
    ///
    /// # Errors
    ///
    /// [`ImageError::InterpreterStart`] and [`ImageError::InterpreterAnswer`] where it does not run,
    /// [`ImageError::InterpreterUnsupported`] where it is not a CPython 3.10 to 3.15 for x86-64 glibc Linux.
    pub fn discover(python: &Path) -> Result<Interpreter, ImageError> {
        let (version, environment) = ask(python)?;
        let (base_version, base) = ask(&environment.base_executable)?;
        if version != base_version {
            return Err(ImageError::InterpreterAnswer {
                python: python.to_path_buf(),
                detail: format!(
                    "it is {} but its base {} is {}",
                    dotted(version),
                    environment.base_executable.display(),
                    dotted(base_version)
                ),
            });
        }
        let unsupported =
            |detail: String| ImageError::InterpreterUnsupported { python: python.to_path_buf(), detail };
        if base.is_free_threaded {
            return Err(unsupported(
                "it is a free-threaded build; use the build with the interpreter lock".into(),
            ));
        }
        let elf = ElfFile::read(&environment.base_executable).map_err(|error| match error {
            ImageError::Elf { detail, .. } => unsupported(format!(
                "its executable {} is not an x86-64 ELF file: {detail}",
                environment.base_executable.display()
            )),
            other => other,
        })?;
        let Some(loader) = elf.loader else {
            return Err(unsupported("it is statically linked, so it cannot load compiled modules".into()));
        };
        if loader.contains("ld-musl") {
            return Err(unsupported(format!("it is linked to musl ({loader}); use one linked to glibc")));
        }
        let Some(libc) = base.libc.filter(|libc| libc.starts_with("glibc")) else {
            return Err(unsupported("its C library is not glibc".into()));
        };
        if !loader.starts_with('/') || loader.split('/').any(|part| part == "..") {
            return Err(unsupported(format!("its loader {loader:?} is not an absolute path")));
        }
        Ok(Interpreter {
            python: python.to_path_buf(),
            base_executable: environment.base_executable,
            version,
            prefix: environment.prefix,
            base_prefix: base.base_prefix,
            base_exec_prefix: base.base_exec_prefix,
            stdlib: base.stdlib,
            dynload: base.dynload,
            config_header: base.config_header,
            ext_suffix: base.ext_suffix.unwrap_or_else(|| ".so".to_owned()),
            bytecode_magic: base.bytecode_magic,
            libc,
            zone_dirs: base.zone_dirs,
            site_dirs: environment.site_dirs,
            guest_site_dirs: base.guest_site_dirs,
            library_dirs: base.library_dirs,
            loader,
        })
    }

    /// Returns the version as `3.11.7`.
    pub fn version_text(&self) -> String {
        dotted(self.version)
    }

    /// Returns the name of the executable and of its library directory, `python3.11`.
    pub fn versioned_name(&self) -> String {
        format!("python{}.{}", self.version[0], self.version[1])
    }

    /// Returns where a path below the interpreter's prefix is in the guest, or `None` for any other path.
    pub fn guest_path(&self, path: &Path) -> Option<String> {
        let relative = path
            .strip_prefix(&self.base_prefix)
            .or_else(|_| path.strip_prefix(&self.base_exec_prefix))
            .ok()?;
        let relative = relative.to_str()?;
        Some(if relative.is_empty() { "/python".to_owned() } else { format!("/python/{relative}") })
    }
}

fn dotted([major, minor, micro]: [u32; 3]) -> String {
    format!("{major}.{minor}.{micro}")
}

/// Runs `discover.py` and checks what can be checked before its files are looked at.
fn ask(python: &Path) -> Result<([u32; 3], Facts), ImageError> {
    let script = Script {
        python,
        text: DISCOVER,
        site: SiteImport::Yes,
        args: &[],
        input: Vec::new(),
        timeout: DISCOVER_TIMEOUT,
    };
    let answer: Answer = script.run()?;
    let unsupported =
        |detail: String| Err(ImageError::InterpreterUnsupported { python: python.to_path_buf(), detail });
    let [major, minor, _] = answer.version;
    if answer.implementation != "cpython" && (major, minor) >= (3, 3) {
        return unsupported(format!("it is {}; use CPython", answer.implementation));
    }
    if major != 3 || !SUPPORTED_MINORS.contains(&minor) {
        let (first, last) = (SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end());
        return unsupported(format!(
            "it is version {}; use CPython 3.{first} to 3.{last}",
            dotted(answer.version)
        ));
    }
    if answer.release_level != "final" && answer.release_level != "candidate" {
        return unsupported(format!("it is the {} of {}", answer.release_level, dotted(answer.version)));
    }
    if !answer.platform.starts_with("linux") {
        return unsupported(format!("it runs on {}; use Linux", answer.platform));
    }
    if !answer.is_64bit {
        return unsupported("it is a 32-bit build; use a 64-bit one".to_owned());
    }
    match answer.facts {
        Some(facts) => Ok((answer.version, facts)),
        None => Err(ImageError::InterpreterAnswer {
            python: python.to_path_buf(),
            detail: "the answer is incomplete".to_owned(),
        }),
    }
}
