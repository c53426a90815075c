//! Puts chosen packages of the environment, and what they require, into the guest's `site-packages`.
//!
//! Guarantees: the files are the ones that the installer recorded; a wheel's own libraries keep their place next to
//! its modules.
//! Never: takes a file that is not recorded, that lies outside the package directory, or that tells where the
//! package came from (`direct_url.json`).
//!
//! Before: `image`. After: `tree`; `libraries` for compiled modules.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::discover::Interpreter;
use super::error::ImageError;
use super::script::{Script, SiteImport};
use super::stdlib::{guest_site_dir, is_shared_object};
use super::tree::{FileTree, Source};

const PACKAGES: &str = include_str!("packages.py");
/// Reading the records of a large environment takes seconds on a cold disk.
const PACKAGES_TIMEOUT: Duration = Duration::from_secs(120);
/// Names the URL or host path of an installation.
const LEFT_OUT_NAMES: [&str; 1] = ["direct_url.json"];

#[derive(Debug, Deserialize)]
struct Answer {
    distributions: Vec<Distribution>,
    refused: Vec<Refused>,
}

/// A distribution that cannot be packed, and why.
#[derive(Debug, Deserialize)]
struct Refused {
    package: String,
    detail: String,
}

#[derive(Debug, Deserialize)]
struct Distribution {
    name: String,
    version: String,
    root: PathBuf,
    files: Vec<String>,
}

/// What was put into the tree and needs more work.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// Name and version of each distribution.
    pub(crate) versions: Vec<(String, String)>,
    /// Compiled modules: their libraries are needed too.
    pub(crate) modules: Vec<PathBuf>,
    /// Directories that hold files of the packages: a change of one of them means a new image.
    pub(crate) dirs: Vec<PathBuf>,
}

/// Adds the named packages and their requirements.
///
/// # Errors
///
/// [`ImageError::Package`] for a name that is not installed, has not the extra that is asked for, or whose files are not
/// recorded.
pub(crate) fn add_packages(
    tree: &mut FileTree,
    interpreter: &Interpreter,
    names: &[String],
) -> Result<Packages, ImageError> {
    let mut found = Packages::default();
    if names.is_empty() {
        return Ok(found);
    }
    let script = Script {
        python: &interpreter.python,
        text: PACKAGES,
        site: SiteImport::Yes,
        args: names,
        input: Vec::new(),
        timeout: PACKAGES_TIMEOUT,
    };
    let answer: Answer = script.run()?;
    if let Some(Refused { package, detail }) = answer.refused.into_iter().next() {
        return Err(ImageError::Package { package, detail });
    }
    let site_dir = guest_site_dir(interpreter);
    for distribution in answer.distributions {
        found.versions.push((distribution.name, distribution.version));
        for file in distribution.files {
            // The script normalised the paths; a part ".." here means that the environment plays tricks.
            let name = file.rsplit('/').next().unwrap_or(&file);
            if file.starts_with('/')
                || file.split('/').any(|part| part == "..")
                || LEFT_OUT_NAMES.contains(&name)
            {
                continue;
            }
            let host = distribution.root.join(&file);
            found.dirs.extend(host.parent().map(PathBuf::from));
            let guest = format!("{site_dir}/{file}");
            if is_shared_object(name) {
                found.modules.push(host.clone());
                tree.add_executable(&guest, Source::HostElf(host));
            } else {
                tree.add_file(&guest, Source::Host(host));
            }
        }
    }
    found.dirs.sort();
    found.dirs.dedup();
    Ok(found)
}
