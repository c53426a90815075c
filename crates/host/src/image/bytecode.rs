//! Compiles the tree's Python sources to byte code, by the interpreter that will run it.
//!
//! Guarantees: byte code names guest paths only, and is valid whatever the time stamps in the guest are
//! (unchecked-hash files, PEP 552).
//! Never: uses byte code that the host has: it names host paths. A source that does not compile is no error.
//!
//! Before: `image`. After: `compiled` for what earlier builds compiled, `script`, `tree`.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::compiled::Compiled;
use super::discover::Interpreter;
use super::error::ImageError;
use super::script::{Script, SiteImport};
use super::tree::{FileTree, Node, Source};

pub(super) const COMPILE: &str = include_str!("compile.py");
/// The standard library takes 6 s on one core; a large set of packages ten times that.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(900);
/// More processes than this wait for the disk.
const MAX_WORKERS: usize = 8;

/// Copy of a source on the host, its path in the guest, output on the host.
type Job = (PathBuf, String, PathBuf);

/// Byte code that is being compiled.
struct Due {
    guest: String,
    key: String,
    output: PathBuf,
}

/// Adds the byte code of every `.py` file to the tree: what `kept` has, and what is compiled into `staging` now. Returns
/// the sources that do not compile, with the reason.
///
/// # Errors
///
/// As [`Script::run`]; [`ImageError::Cache`] where `staging` cannot be written.
pub(crate) fn add_bytecode(
    tree: &mut FileTree,
    interpreter: &Interpreter,
    staging: &Path,
    kept: &Compiled,
) -> Result<Vec<(String, String)>, ImageError> {
    let tag = format!("cpython-{}{}", interpreter.version[0], interpreter.version[1]);
    let mut jobs: Vec<(usize, Job)> = Vec::new();
    let mut due: Vec<Due> = Vec::new();
    let mut ready: Vec<(String, Vec<u8>)> = Vec::new();
    for (path, node) in tree.iter() {
        let Node::File { source, .. } = node else { continue };
        let Some((dir, stem)) = path.strip_suffix(".py").and_then(|path| path.rsplit_once('/')) else {
            continue;
        };
        let guest = format!("{dir}/__pycache__/{stem}.{tag}.pyc");
        let contents = source.contents()?;
        let key = kept.key(path, &contents);
        if let Some(code) = kept.find(&key) {
            ready.push((guest, code));
            continue;
        }
        // A copy: what is kept under the key must come from the bytes that the key is of.
        let copy = write_source(staging, due.len(), &contents)?;
        let output = staging.join(format!("pyc/{}.pyc", due.len()));
        jobs.push((contents.len(), (copy, path.to_owned(), output.clone())));
        due.push(Due { guest, key, output });
    }
    let failed = compile(interpreter, share_out(jobs))?;
    for Due { guest, key, output } in due {
        if let Ok(code) = fs::read(&output) {
            // What is not kept costs time only.
            let _ = kept.keep(&key, &code);
            ready.push((guest, code));
        }
    }
    for (guest, code) in ready {
        tree.add_derived(&guest, Source::Bytes(code));
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
fn share_out(mut jobs: Vec<(usize, Job)>) -> Vec<Vec<Job>> {
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
