//! Starts an image once in a micro-VM, and captures it warmed.
//!
//! ```text
//! boot, Boot -> Ready, Warm -> Warmed                          snapshot `warmed`
//! from `warmed`: Checkpoint record, runs, Checkpoint           -> the pages that a run writes first
//! from `warmed`: Checkpoint with those pages                   snapshot that sandboxes start from
//! ```
//!
//! Guarantees: the captured guest waits for a `RunRequest`, and a run in a copy of it worked; nothing of that run is in
//! the snapshot. A guest that hangs is stopped.
//! Never: gives the guest anything of the caller's: no inputs, no tools but an echo.
//!
//! Before: `image`. After: `first_start`, `vm`.

use std::collections::HashSet;
use std::path::Path;

use hypercell_abi::limits::MAX_HOT_SET_BYTES;
use hypercell_abi::{HostFrame, KernelRequest};

use super::discover::Interpreter;
use sha2::{Digest, Sha256};

use super::error::ImageError;
use super::first_start::{Answer, Guest};
use crate::channel::Outgoing;
use crate::guest::WARM_UP_CODE;
use crate::hex;
use crate::limits::MAX_MEMORY_BYTES;
use crate::vm::{Vm, VmSnapshot};

/// Sizes of an image's writable memory: the largest memory limit that it serves, and scratch in bytes, which holds page
/// tables and transport buffers besides.
///
/// Small pays: a restore copies the tables that map scratch, 2 MB for each GiB, for each VM. The kernel's entry reaches tables
/// of 40 MiB (guest/kernel/src/ring0/boot.s), those of scratch and of a snapshot together.
const MEMORY_CLASSES: [(u64, usize); 5] = [
    (128 << 20, 160 << 20),
    (512 << 20, 576 << 20),
    (2 << 30, 2200 << 20),
    (4 << 30, 4400 << 20),
    (MAX_MEMORY_BYTES, 8600 << 20),
];

/// Returns the class that serves a memory limit; the largest for all above.
pub(crate) fn memory_class(memory_bytes: u64) -> (u64, usize) {
    let [.., largest] = MEMORY_CLASSES;
    MEMORY_CLASSES.into_iter().find(|(limit, _)| memory_bytes <= *limit).unwrap_or(largest)
}

/// Returns the scratch of a class, by its largest memory limit.
pub(crate) fn scratch_bytes(memory_bytes: u64) -> Option<usize> {
    MEMORY_CLASSES.into_iter().find(|(limit, _)| *limit == memory_bytes).map(|(_, scratch)| scratch)
}

/// Version of an entry's files and metadata: another one is another image, and not a damaged one.
const FORMAT: u32 = 3;
/// What programs that do more do, for the pages that are copied when one of them comes along.
const WORKLOAD: &str = include_str!("workload.py");
/// What programs do that use a package, for images that import it: its module, and the program. Nothing else depends on
/// whether such a program still fits the package's version. The larger ones come first: what is left of the list is for
/// those after it, which write many of the same pages.
const PACKAGE_WORKLOADS: [(&str, &str); 2] =
    [("pandas", include_str!("workload_pandas.py")), ("numpy", include_str!("workload_numpy.py"))];
/// Most pages in the kernel's list of those that every run writes, and in both of its lists.
const MAX_HOT_PAGES: usize = 1024;
const MAX_PAGES: usize = MAX_HOT_SET_BYTES / 8;

/// What most programs do first. It fills the interpreter's caches before the first snapshot, and leaves nothing else.
const COMMON_CODE: &str = "\
for n in range(3):
    print(f'{n}: {n + 1}', len(str(n)), echo(rows=[n, 1.5, 'a', {'b': None}]))
";
/// Runs of either program before the first snapshot: after so many no run wrote a page that the one before had not.
const AGEING_RUNS: usize = 12;
/// Runs in the copies that are recorded, and whether each has a tool: one that warms a VM up, and those after it.
const RECORDED_RUNS: [&[bool]; 2] = [&[false, false, false], &[false, true, true]];

/// A guest that waits for its first run, and what was found out on the way.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) snapshot: VmSnapshot,
    /// Modules that could not be imported, with the message.
    pub(crate) warm_failed: Vec<(String, String)>,
}

/// Returns what decides a snapshot besides files and processor, as text for digests.
pub(crate) fn engine_settings(scratch_bytes: usize) -> String {
    let programs = [WARM_UP_CODE, COMMON_CODE, WORKLOAD].into_iter();
    let programs: Vec<&str> = programs.chain(PACKAGE_WORKLOADS.map(|(_, program)| program)).collect();
    let workload = hex::encode(&Sha256::digest(programs.concat()));
    format!("format {FORMAT} abi {} scratch {scratch_bytes} workload {workload}", hypercell_abi::ABI_VERSION)
}

/// Boots, warms, tries and captures an image.
///
/// # Errors
///
/// [`ImageError::Vm`] without a working hypervisor, [`ImageError::Start`] with the stage and what the guest said,
/// [`ImageError::Cancelled`] where `report` says so.
pub(crate) fn start(
    kernel: &Path,
    archive: &[u8],
    interpreter: &Interpreter,
    warm: &[String],
    scratch_bytes: usize,
    report: &dyn Fn(&str, f64) -> Result<(), ImageError>,
) -> Result<Started, ImageError> {
    report("starting the interpreter", 0.5)?;
    let vm = Vm::boot(kernel, archive, scratch_bytes).map_err(ImageError::start("booting the kernel"))?;
    let mut guest = Guest::new(vm, "starting the interpreter")?;
    boot(&mut guest, interpreter)?;
    report("importing modules", 0.6)?;
    let warm_failed = import(&mut guest, warm)?;
    let workloads = package_workloads(warm, &warm_failed);
    age(&mut guest, &workloads)?;
    let warmed = guest.engine().snapshot().map_err(ImageError::start("taking the first snapshot"))?;
    drop(guest);

    report("recording a run", 0.8)?;
    let hot_pages = hot_pages(&warmed, &workloads)?;
    report("taking the snapshot", 0.85)?;
    let snapshot = prepare(&warmed, &hot_pages)?;
    Ok(Started { snapshot, warm_failed })
}

/// Starts the interpreter, which then waits for work.
fn boot(guest: &mut Guest<Vm>, interpreter: &Interpreter) -> Result<(), ImageError> {
    let program = format!("/python/bin/{}", interpreter.versioned_name());
    let argv = vec![&*program, "-s", "-m", "hypercell_guest"];
    let env = vec![
        "PYTHONHOME=/python",
        "PYTHONPATH=/guest",
        "PYTHONDONTWRITEBYTECODE=1",
        "LD_LIBRARY_PATH=/lib",
        "PATH=/python/bin",
        "HOME=/tmp",
        "LANG=C.UTF-8",
    ];
    let expected = interpreter.version_text();
    match guest.ask(&Outgoing::Kernel(KernelRequest::Boot { argv, env }))? {
        Answer::Ready { python } if python == expected => Ok(()),
        Answer::Ready { python } => {
            Err(guest.failed(format!("it says that it is version {python}, not {expected}")))
        }
        other => Err(guest.unexpected(&other)),
    }
}

/// Imports the modules that programs should find loaded. Returns those that failed.
fn import(guest: &mut Guest<Vm>, modules: &[String]) -> Result<Vec<(String, String)>, ImageError> {
    guest.begin("importing modules")?;
    let modules = modules.iter().map(String::as_str).collect();
    match guest.ask(&Outgoing::Program(HostFrame::Warm { modules }))? {
        Answer::Warmed { failed } => Ok(failed),
        other => Err(guest.unexpected(&other)),
    }
}

/// Returns the programs for packages that the guest has imported.
fn package_workloads(warm: &[String], failed: &[(String, String)]) -> Vec<&'static str> {
    let is_imported = |module: &str| {
        warm.iter().any(|name| name == module) && !failed.iter().any(|(name, _)| name == module)
    };
    PACKAGE_WORKLOADS.iter().filter(|(module, _)| is_imported(module)).map(|(_, program)| *program).collect()
}

/// Runs two small programs until the interpreter's allocator takes the same memory for each run, so that later runs write
/// the pages that the recorded ones wrote. Those of packages fill what packages keep for later calls. Nothing else of the
/// runs stays.
fn age(guest: &mut Guest<Vm>, workloads: &[&str]) -> Result<(), ImageError> {
    guest.begin("settling the allocator")?;
    for _ in 0..AGEING_RUNS {
        for workload in workloads {
            guest.run(workload, true)?;
        }
        guest.run(COMMON_CODE, true)?;
        guest.run(WARM_UP_CODE, false)?;
    }
    match guest.ask(&Outgoing::Program(HostFrame::Reset))? {
        Answer::Ready { .. } => Ok(()),
        other => Err(guest.unexpected(&other)),
    }
}

/// Returns the pages that each copy is to prepare at its start, a zero, and those that longer programs go on to write,
/// as the kernel takes them.
fn hot_pages(warmed: &VmSnapshot, workloads: &[&str]) -> Result<Vec<u8>, ImageError> {
    let mut hot = Vec::new();
    for runs in RECORDED_RUNS {
        hot.extend(record(warmed, WARM_UP_CODE, runs)?);
    }
    hot.sort_unstable();
    hot.dedup();
    hot.truncate(MAX_HOT_PAGES);
    let mut seen: HashSet<u64> = hot.iter().copied().collect();
    let mut warm = Vec::new();
    for program in workloads.iter().chain([&WORKLOAD]) {
        warm.extend(record(warmed, program, &[true])?.into_iter().filter(|&page| seen.insert(page)));
    }
    let pages = hot.into_iter().chain([0]).chain(warm).take(MAX_PAGES);
    Ok(pages.flat_map(u64::to_le_bytes).collect())
}

/// Runs a program in a copy and returns the addresses of the pages that it wrote, in the order of their first writing.
fn record(warmed: &VmSnapshot, code: &str, runs: &[bool]) -> Result<Vec<u64>, ImageError> {
    let vm = Vm::from_snapshot(warmed).map_err(ImageError::start("starting a copy"))?;
    let mut guest = Guest::new(vm, "recording a run")?;
    checkpoint(&mut guest, true, &[])?;
    for &has_tool in runs {
        guest.run(code, has_tool)?;
    }
    let bytes = checkpoint(&mut guest, false, &[])?;
    let addresses =
        bytes.chunks_exact(8).filter_map(|address| Some(u64::from_le_bytes(address.try_into().ok()?)));
    Ok(addresses.collect())
}

/// Makes the snapshot whose copies prepare those pages at once when they start.
fn prepare(warmed: &VmSnapshot, hot_pages: &[u8]) -> Result<VmSnapshot, ImageError> {
    let vm = Vm::from_snapshot(warmed).map_err(ImageError::start("starting a copy"))?;
    let mut guest = Guest::new(vm, "taking the snapshot")?;
    checkpoint(&mut guest, false, hot_pages)?;
    guest.engine().snapshot().map_err(ImageError::start("taking the snapshot"))
}

fn checkpoint(guest: &mut Guest<Vm>, record: bool, hot: &[u8]) -> Result<Vec<u8>, ImageError> {
    match guest.ask(&Outgoing::Kernel(KernelRequest::Checkpoint { record, hot }))? {
        Answer::Checkpointed { hot } => Ok(hot),
        other => Err(guest.unexpected(&other)),
    }
}
