//! Compiles the tree's Python sources to byte code, by the interpreter that will run it.
//!
//! Guarantees: byte code names guest paths only, and is valid whatever the time stamps in the guest are
//! (unchecked-hash files, PEP 552).
//! Never: uses byte code that the host has: it names host paths. A source that does not compile is no error.
//!
//! Before: `image`. After: `script`, `tree`.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::discover::Interpreter;
use super::error::ImageError;
use super::script::{Script, SiteImport};
use super::tree::{FileTree, Node, Source};

const COMPILE: &str = include_str!("compile.py");
/// The standard library takes 6 s on one core; a large set of packages ten times that.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(900);
/// More processes than this wait for the disk.
const MAX_WORKERS: usize = 8;

/// Source on the host, path in the guest, output on the host.
type Job = (PathBuf, String, PathBuf);

/// Compiles every `.py` file of the tree into `staging` and adds the results. Returns the sources that do not
/// compile, with the reason.
///
/// # Errors
///
/// As [`Script::run`]; [`ImageError::Cache`] where `staging` cannot be written.
pub(crate) fn add_bytecode(
    tree: &mut FileTree,
    interpreter: &Interpreter,
    staging: &Path,
) -> Result<Vec<(String, String)>, ImageError> {
    let tag = format!("cpython-{}{}", interpreter.version[0], interpreter.version[1]);
    let mut jobs: Vec<(u64, Job)> = Vec::new();
    let mut outputs: Vec<(String, PathBuf)> = Vec::new();
    for (guest, node) in tree.iter() {
        let Node::File { source, .. } = node else { continue };
        let Some((dir, stem)) = guest.strip_suffix(".py").and_then(|path| path.rsplit_once('/')) else {
            continue;
        };
        let number = outputs.len();
        let host = match source.host_path() {
            Some(path) => path.to_path_buf(),
            None => write_source(staging, number, &source.contents()?)?,
        };
        let output = staging.join(format!("pyc/{number}.pyc"));
        let size = fs::metadata(&host).map_or(0, |metadata| metadata.len());
        jobs.push((size, (host, guest.to_owned(), output.clone())));
        outputs.push((format!("{dir}/__pycache__/{stem}.{tag}.pyc"), output));
    }
    let failed = compile(interpreter, share_out(jobs))?;
    for (guest, output) in outputs {
        if output.is_file() {
            tree.add_derived(&guest, Source::Host(output));
        }
    }
    Ok(failed)
}

fn write_source(staging: &Path, number: usize, contents: &[u8]) -> Result<PathBuf, ImageError> {
    let path = staging.join(format!("src/{number}.py"));
    fs::create_dir_all(staging.join("src"))
        .and_then(|()| fs::write(&path, contents))
        .map_err(|error| ImageError::Cache { path: path.clone(), detail: error.to_string() })?;
    Ok(path)
}

/// Gives each worker about the same number of bytes: the largest first, one after the other.
fn share_out(mut jobs: Vec<(u64, Job)>) -> Vec<Vec<Job>> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    jobs.sort_by(|(left, _), (right, _)| right.cmp(left));
    let mut shares: Vec<Vec<Job>> = vec![Vec::new(); workers];
    for (index, (_, job)) in jobs.into_iter().enumerate() {
        shares[index % workers].push(job);
    }
    shares.retain(|share| !share.is_empty());
    shares
}

fn compile(interpreter: &Interpreter, shares: Vec<Vec<Job>>) -> Result<Vec<(String, String)>, ImageError> {
    let run = |share: Vec<Job>| -> Result<Vec<(String, String)>, ImageError> {
        let input = serde_json::to_vec(&share).map_err(|error| ImageError::InterpreterAnswer {
            python: interpreter.base_executable.clone(),
            detail: format!("a path cannot be sent to it: {error}"),
        })?;
        let script = Script {
            python: &interpreter.base_executable,
            text: COMPILE,
            site: SiteImport::No,
            args: &[],
            input,
            timeout: COMPILE_TIMEOUT,
        };
        script.run()
    };
    let results: Vec<_> = thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || run(share))).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut failed = Vec::new();
    for result in results {
        match result {
            Ok(some) => failed.extend(some?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(failed)
}
