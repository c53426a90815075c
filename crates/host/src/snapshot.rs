//! Snapshots: a sandbox at rest as a value, from which any number of sandboxes go on.
//!
//! A snapshot is the state of a VM and a manifest: what made it, what it needs, and the run that it was taken in the
//! middle of, if it was. [`Snapshot::save`] writes both to one file (`file`).
//!
//! Guarantees: what goes on from a snapshot has the tools and limits that it was taken with, on a processor of the same
//! kind, under the same version; anything else is refused with the reason. A manifest is checked like bytes of a guest.
//! Never: runs anything.
//!
//! Before: `sandbox`, which takes them and goes on from them. After: `file`, `vm`.

mod file;

use std::collections::BTreeSet;
use std::sync::Arc;

use hypercell_abi::{ABI_VERSION, NamedValues};
use serde::{Deserialize, Serialize};

use crate::control::Past;
use crate::engine::{EngineSource, VmError};
use crate::error::{ProtocolError, SnapshotError};
use crate::image::{self, Image};
use crate::in_flight::WaitingOutcome;
use crate::limits::{Limits, ToolInfo, check_tools};
use crate::mounts::MountInfo;
use crate::raw_guest::{Machine, RawGuest};
use crate::run::ToolCall;
use crate::sandbox::{SandboxOptions, StateMode};
use crate::vm::{Vm, VmSnapshot};

/// Version of [`Manifest`], to tell a reader why it cannot be read.
const FORMAT: u32 = 1;

/// The state of a sandbox at rest.
#[derive(Debug)]
pub struct Snapshot {
    vm: VmSnapshot,
    manifest: Manifest,
}

/// What a snapshot is of, and what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// Version of hypercell, and of the wire between host and guest.
    pub(crate) hypercell: String,
    pub(crate) abi: u16,
    /// What the processor can do, line by line.
    pub(crate) cpu: String,
    pub(crate) base: Base,
    /// Tools that the guest was told of.
    pub(crate) tools: Vec<ToolInfo>,
    pub(crate) limits: Limits,
    /// What the guest may reach by HTTP, without secrets.
    pub(crate) domains: Vec<String>,
    /// Where the guest finds directories of the host, and whether it may write there.
    pub(crate) mounts: Vec<String>,
    /// Whether globals stay after the run.
    pub(crate) keeps_state: bool,
    pub(crate) run: Option<SavedRun>,
}

/// What all guests of one image have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    /// Digest of the image.
    pub(crate) image: String,
    /// `3.11.7`.
    pub(crate) python: String,
    /// Largest memory limit that the VM serves.
    pub(crate) memory_bytes: u64,
}

/// A run that waits for the result of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedRun {
    pub(crate) past: Past,
    /// The highest number of a call.
    pub(crate) calls: u64,
    /// The call that is waited for.
    pub(crate) pending: SavedCall,
    /// Calls in flight that become steps next, and those that do so once the guest waits for them.
    pub(crate) queued: Vec<SavedCall>,
    pub(crate) pausing: Vec<SavedCall>,
    pub(crate) outcomes: Vec<WaitingOutcome>,
    /// By how many bytes the files of each mount may still grow.
    pub(crate) growth: Vec<Option<u64>>,
}

/// A call without a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCall {
    pub(crate) guest_id: u64,
    pub(crate) is_in_flight: bool,
    pub(crate) call: ToolCall,
}

impl Snapshot {
    /// Makes one of its parts.
    pub(crate) fn new(vm: VmSnapshot, base: Base, options: &SandboxOptions, run: Option<SavedRun>) -> Self {
        let manifest = Manifest {
            format: FORMAT,
            hypercell: env!("CARGO_PKG_VERSION").to_owned(),
            abi: ABI_VERSION,
            cpu: image::cpu_features(),
            base,
            tools: options.tools.clone(),
            limits: options.limits.clone(),
            mounts: mounts_of(options),
            domains: domains_of(options),
            keeps_state: options.state == StateMode::Kept,
            run,
        };
        Self { vm, manifest }
    }

    /// Returns the tool call whose result the snapshot waits for, if it was taken in the middle of a run. After
    /// [`Snapshot::load`] it is as little to be trusted as the file.
    #[must_use]
    pub fn pending(&self) -> Option<&ToolCall> {
        self.manifest.run.as_ref().map(|run| &run.pending.call)
    }

    /// Returns the tools that it was taken with.
    #[must_use]
    pub fn tools(&self) -> &[ToolInfo] {
        &self.manifest.tools
    }

    /// Returns the limits that it was taken with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.manifest.limits
    }

    /// Whether it was taken in a sandbox that keeps globals after a run.
    #[must_use]
    pub fn keeps_state(&self) -> bool {
        self.manifest.keeps_state
    }

    /// Returns the interpreter's version, `3.11.7`.
    #[must_use]
    pub fn python_version(&self) -> &str {
        &self.manifest.base.python
    }

    /// Returns the digest of the image that it began as.
    #[must_use]
    pub fn image_digest(&self) -> &str {
        &self.manifest.base.image
    }

    /// Returns the largest memory limit that a sandbox can have that goes on from it, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.manifest.base.memory_bytes
    }

    pub(crate) fn run(&self) -> Option<&SavedRun> {
        self.manifest.run.as_ref()
    }

    pub(crate) fn base(&self) -> &Base {
        &self.manifest.base
    }

    /// Checks that a sandbox of these options may go on from it.
    ///
    /// Tools that the guest knows must be there, with the same parameters. In the middle of a run there may be no other
    /// tool, and limits and domains must be the same.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] with the first thing that differs.
    pub(crate) fn check(&self, options: &SandboxOptions) -> Result<(), SnapshotError> {
        for known in &self.manifest.tools {
            match options.tools.iter().find(|tool| tool.name == known.name) {
                None => return Err(SnapshotError::ToolMissing { name: known.name.clone() }),
                Some(tool) if tool.schema != known.schema => {
                    return Err(SnapshotError::ToolDiffers { name: known.name.clone() });
                }
                Some(_) => {}
            }
        }
        if self.manifest.run.is_some() {
            self.manifest.check_same(options)?;
        }
        let (memory_bytes, max) = (options.limits.memory_bytes, self.memory_bytes());
        if memory_bytes > max {
            return Err(SnapshotError::OtherMemory { memory_bytes, max });
        }
        Ok(())
    }
}

impl Manifest {
    /// Checks what can be checked without a sandbox. The manifest comes from outside.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`]: another version or processor, or values that no sandbox would have saved.
    fn check(&self) -> Result<(), SnapshotError> {
        let here = env!("CARGO_PKG_VERSION");
        let versions = [
            ("format", self.format.to_string(), FORMAT.to_string()),
            ("hypercell", self.hypercell.clone(), here.to_owned()),
            ("wire", self.abi.to_string(), ABI_VERSION.to_string()),
        ];
        for (what, then, now) in versions {
            if then != now {
                return Err(SnapshotError::OtherVersion { what, then, now });
            }
        }
        let cpu = image::cpu_features();
        if self.cpu != cpu {
            return Err(SnapshotError::OtherProcessor {
                detail: image::difference_of_processors(&self.cpu, &cpu),
            });
        }
        let damaged = |detail: String| SnapshotError::Damaged { detail };
        self.limits.check().map_err(|error| damaged(error.to_string()))?;
        check_tools(&self.tools).map_err(|error| damaged(error.to_string()))?;
        if image::scratch_bytes(self.base.memory_bytes).is_none() {
            return Err(damaged(format!("no VM serves memory of {} bytes", self.base.memory_bytes)));
        }
        self.run.as_ref().map_or(Ok(()), |run| run.check(&self.tools))
    }

    /// Checks that a run that has begun may go on with these options: it may have relied on any of them.
    fn check_same(&self, options: &SandboxOptions) -> Result<(), SnapshotError> {
        let names: BTreeSet<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        if let Some(new) = options.tools.iter().find(|tool| !names.contains(&*tool.name)) {
            return Err(SnapshotError::ToolAdded { name: new.name.clone() });
        }
        let keeps_state = self.keeps_state;
        if keeps_state != (options.state == StateMode::Kept) {
            return Err(SnapshotError::OtherStateMode { keeps_state });
        }
        if let Some((limit, then, now)) = self.limits.difference(&options.limits) {
            return Err(SnapshotError::OtherLimit { limit, then, now });
        }
        let list = |items: &[String]| format!("[{}]", items.join(", "));
        let domains = domains_of(options);
        if domains != self.domains {
            return Err(SnapshotError::OtherDomains { then: list(&self.domains), now: list(&domains) });
        }
        let mounts = mounts_of(options);
        if mounts != self.mounts {
            return Err(SnapshotError::OtherMounts { then: list(&self.mounts), now: list(&mounts) });
        }
        Ok(())
    }
}

impl SavedRun {
    /// Checks that the calls can be those of a run with these tools.
    fn check(&self, tools: &[ToolInfo]) -> Result<(), SnapshotError> {
        let mut ids = BTreeSet::new();
        for saved in self.calls_in_order() {
            let ToolCall { id, name, args, .. } = &saved.call;
            NamedValues::new(args.as_bytes()).map_err(|error| SnapshotError::Damaged {
                detail: format!("arguments of {name:?}: {error}"),
            })?;
            if !tools.iter().any(|tool| tool.name == *name) {
                return Err(SnapshotError::Damaged {
                    detail: format!("it waits for {name:?}, which is no tool"),
                });
            }
            if *id > self.calls || !ids.insert(*id) {
                return Err(SnapshotError::Damaged { detail: format!("call {id} is out of order") });
            }
        }
        Ok(())
    }

    fn calls_in_order(&self) -> impl Iterator<Item = &SavedCall> {
        [&self.pending].into_iter().chain(&self.queued).chain(&self.pausing)
    }

    /// Returns the calls in flight.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = &SavedCall> {
        self.calls_in_order().filter(|saved| saved.is_in_flight)
    }
}

impl From<ProtocolError> for SnapshotError {
    fn from(error: ProtocolError) -> Self {
        Self::Damaged { detail: error.to_string() }
    }
}

/// Says what a guest may reach by HTTP.
fn domains_of(options: &SandboxOptions) -> Vec<String> {
    options.http.rules.iter().map(ToString::to_string).collect()
}

/// Says what a guest knows of its mounts. Where they are on the host may differ.
fn mounts_of(options: &SandboxOptions) -> Vec<String> {
    let text = |mount: &MountInfo| {
        format!("{} {}", mount.guest.display(), if mount.is_writable { "rw" } else { "ro" })
    };
    options.mounts.iter().map(text).collect()
}

/// What guests start from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// An interpreter that has run nothing.
    Image(Arc<Image>),
    /// A guest that has.
    Snapshot(Arc<Snapshot>),
    /// A guest of somebody else's, for tests.
    Raw(Arc<RawGuest>),
}

impl Origin {
    /// Returns what a snapshot of its guests says of the image.
    pub(crate) fn base(&self) -> Base {
        match self {
            Self::Image(image) => Base {
                image: image.digest().to_owned(),
                python: image.python_version().to_owned(),
                memory_bytes: image.memory_bytes(),
            },
            Self::Snapshot(snapshot) => snapshot.base().clone(),
            Self::Raw(guest) => guest.base(),
        }
    }
}

impl From<Arc<Image>> for Origin {
    fn from(image: Arc<Image>) -> Self {
        Self::Image(image)
    }
}

impl EngineSource for Origin {
    type Engine = Machine;

    fn create(&self) -> Result<Machine, VmError> {
        match self {
            Self::Image(image) => Vm::from_snapshot(&image.snapshot()).map(Machine::from),
            Self::Snapshot(snapshot) => Vm::from_snapshot(&snapshot.vm).map(Machine::from),
            Self::Raw(guest) => guest.create(),
        }
    }

    fn restore(&self, engine: &mut Machine) -> Result<(), VmError> {
        let snapshot = match self {
            Self::Image(image) => &image.snapshot(),
            Self::Snapshot(snapshot) => &snapshot.vm,
            Self::Raw(_) => return Err(VmError::Snapshot { detail: "a raw guest starts anew".into() }),
        };
        engine.restore(snapshot)
    }

    fn has_state(&self) -> bool {
        matches!(self, Self::Snapshot(_))
    }

    fn is_in_run(&self) -> bool {
        matches!(self, Self::Snapshot(snapshot) if snapshot.run().is_some())
    }
}
