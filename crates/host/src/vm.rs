//! The engine: one micro-VM behind `enter(turn) -> turn`, and snapshots of it.
//!
//! What it is: the only file that names Hyperlight. One guest function exists, and one host function; both take and
//! return bytes. Turns longer than a chunk travel in several calls that nobody else sees. Guarantees: an upgrade of the library touches this file
//! alone. Never: looks inside a turn.
//!
//! Before: sandbox, image. After: the guest kernel's `link` and `channel`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use hypercell_abi::link::{ASK_FUNCTION, CHUNK_BYTES, Tag};
use hyperlight_common::layout::{self, QueueDims, TransportArena};
use hyperlight_host::hypervisor::InterruptHandle;
use hyperlight_host::mem::memory_region::MemoryRegionFlags;
use hyperlight_host::sandbox::snapshot::{OciTag, Snapshot};
use hyperlight_host::{HyperlightError, SandboxBuilder};

use crate::engine::{Answer, Engine, Interrupt, VmError};

/// Bytes of a transport buffer: a tool call with its arguments fits one, so that it costs one descriptor.
const BUFFER_BYTES: usize = 16 * 1024;
/// Transport buffers in each direction. A chunk of `CHUNK_BYTES` and its framing need 17.
const BUFFERS: usize = 32;
const PAGE_BYTES: usize = 4096;
const TO_GUEST_PAGES: usize = BUFFERS * BUFFER_BYTES / PAGE_BYTES;
/// Longest configuration file of a saved VM that is looked into. The library writes a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// The one guest function. The kernel ignores the name; Hyperlight wants one.
const FUNCTION: &str = "enter";
/// LSTAR, STAR and SFMASK: where system calls go (SDM vol. 3, 5.8.8). A VM may only use model-specific registers
/// that its configuration declares, and a snapshot carries their values.
const SYSCALL_MSRS: [u32; 3] = [0xc000_0081, 0xc000_0082, 0xc000_0084];
const SNAPSHOT_TAG: &str = "hypercell";
/// Most bytes of a turn that the guest may build up before the host gives up on it.
const MAX_TURN_BYTES: usize = hypercell_abi::limits::MAX_FRAME_BYTES + 4096;

scoped_tls_hkt::scoped_thread_local! {
    /// What answers the guest that runs on this thread.
    static mut ANSWER: for<'a> &'a mut Answer<'a>
}

/// Gives a guest its writable memory and its transport.
fn sized(builder: SandboxBuilder, scratch_bytes: usize) -> SandboxBuilder {
    builder
        .heap_size(PAGE_BYTES as u64)
        .scratch_size(scratch_bytes)
        .h2g_queue_size(BUFFERS)
        .h2g_buffer_size(BUFFER_BYTES)
        .h2g_pool_pages(TO_GUEST_PAGES)
        .g2h_queue_size(2 * BUFFERS)
        .g2h_buffer_size(BUFFER_BYTES)
        .g2h_pool_pages(1 + TO_GUEST_PAGES)
}

/// What a guest writes before the library calls it for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// Where the queue to the guest is, in guest-virtual memory.
    pub(crate) ring: u64,
    /// Descriptors that offer all buffers of that queue (virtio 1.2, 2.8.13).
    pub(crate) descriptors: Vec<u8>,
    /// Where the number 1 says that it is done.
    pub(crate) mailbox: u64,
}

impl Start {
    /// Returns what the guests of [`Vm::boot_raw`] must write.
    ///
    /// # Errors
    ///
    /// [`VmError::Hypervisor`] if the library has no such transport.
    pub(crate) fn new(scratch_bytes: usize) -> Result<Self, VmError> {
        const AVAILABLE_WRITABLE: u16 = 0x80 | 2;
        let to_host = QueueDims::new(2 * BUFFERS, 1 + TO_GUEST_PAGES);
        let to_guest = QueueDims::new(BUFFERS, TO_GUEST_PAGES);
        let arena = to_host.zip(to_guest).and_then(|(to_host, to_guest)| {
            TransportArena::new(layout::scratch_base_gva(scratch_bytes), to_host, to_guest)
        });
        let Some(arena) = arena else {
            return Err(VmError::Hypervisor { detail: "the transport has no layout".into() });
        };
        let buffers = (arena.h2g_pool_addr()..).step_by(BUFFER_BYTES).zip(0_u16..).take(BUFFERS);
        let descriptors = buffers.flat_map(|(address, id)| {
            let mut descriptor = address.to_le_bytes().to_vec();
            descriptor.extend(u32::try_from(BUFFER_BYTES).unwrap_or(u32::MAX).to_le_bytes());
            descriptor.extend([id, AVAILABLE_WRITABLE].map(u16::to_le_bytes).as_flattened());
            descriptor
        });
        Ok(Self {
            ring: arena.h2g_ring_addr(),
            descriptors: descriptors.collect(),
            mailbox: arena.mbx_addr(),
        })
    }
}

/// A running micro-VM.
pub struct Vm {
    sandbox: hyperlight_host::Sandbox,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("status", &self.sandbox.status()).finish_non_exhaustive()
    }
}

/// The state of a VM at rest. Cloning shares it; any number of VMs can start from it.
#[derive(Clone)]
pub struct VmSnapshot(Arc<Snapshot>);

impl std::fmt::Debug for VmSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VmSnapshot")
    }
}

struct Handle(Arc<dyn InterruptHandle>);

impl Interrupt for Handle {
    fn interrupt(&self) -> bool {
        self.0.kill()
    }
}

impl Vm {
    /// Starts the guest kernel on an image archive.
    ///
    /// `scratch_bytes` is all the memory that the guest can write, a multiple of the page size.
    ///
    /// # Errors
    ///
    /// `VmError::Unavailable` without a hypervisor; `VmError::Crashed` if the kernel rejects the archive.
    pub fn boot(kernel: &Path, archive: &[u8], scratch_bytes: usize) -> Result<Self, VmError> {
        let builder = SandboxBuilder::from_file(kernel).init_data(archive, MemoryRegionFlags::READ);
        Self::build(sized(builder, scratch_bytes))
    }

    /// Starts a foreign ELF, which was laid out anew: see `raw_guest`.
    ///
    /// # Errors
    ///
    /// As for `boot`.
    pub(crate) fn boot_raw(elf: Vec<u8>, scratch_bytes: usize) -> Result<Self, VmError> {
        Self::build(sized(SandboxBuilder::from_bytes(elf), scratch_bytes))
    }

    /// Starts a VM from a snapshot; it shares the snapshot's memory until it writes.
    ///
    /// # Errors
    ///
    /// `VmError::Unavailable` without a hypervisor.
    pub fn from_snapshot(snapshot: &VmSnapshot) -> Result<Self, VmError> {
        Self::build(SandboxBuilder::from_snapshot(snapshot.0.clone()))
    }

    fn build(builder: SandboxBuilder) -> Result<Self, VmError> {
        let builder = builder
            .host_function(ASK_FUNCTION, ask)
            // The library's own would let a guest write to the standard output of this process.
            .host_print(|_: String| 0)
            .guest_msrs(&SYSCALL_MSRS)
            .map_err(|e| VmError::Hypervisor { detail: e.to_string() })?;
        let sandbox = builder.build().map_err(vm_error)?;
        Ok(Self { sandbox })
    }

    /// Puts this VM into the state of a snapshot, whatever state it is in, a crash or an interrupt included.
    ///
    /// # Errors
    ///
    /// `VmError::Hypervisor` if that fails; the VM must then be dropped.
    pub fn restore(&mut self, snapshot: &VmSnapshot) -> Result<(), VmError> {
        self.sandbox.restore(snapshot.0.clone()).map_err(vm_error)
    }

    /// Takes a snapshot. The VM must be at rest, which it is between turns.
    ///
    /// # Errors
    ///
    /// `VmError::Crashed` if the guest does not answer; `VmError::Snapshot` if its memory cannot be captured.
    pub fn snapshot(&mut self) -> Result<VmSnapshot, VmError> {
        self.sandbox.snapshot().map(VmSnapshot).map_err(vm_error)
    }

    fn call(&mut self, tag: Tag, chunk: &[u8]) -> Result<(Tag, Vec<u8>), VmError> {
        let mut bytes = Vec::with_capacity(chunk.len() + 1);
        bytes.push(tag.byte());
        bytes.extend_from_slice(chunk);
        let mut answer: Vec<u8> = self.sandbox.call(FUNCTION, bytes).map_err(call_error)?;
        let tag = answer.first().copied().and_then(Tag::from_byte);
        let Some(tag) = tag else {
            return Err(VmError::Crashed { detail: "the guest returned no chunk tag".into() });
        };
        answer.remove(0);
        Ok((tag, answer))
    }
}

impl Engine for Vm {
    fn enter(&mut self, turn: &[u8], answer: &mut Answer<'_>) -> Result<Vec<u8>, VmError> {
        ANSWER.set(answer, || self.call_in_chunks(turn))
    }

    fn interrupt_handle(&self) -> Arc<dyn Interrupt> {
        Arc::new(Handle(self.sandbox.interrupt_handle()))
    }
}

impl Vm {
    fn call_in_chunks(&mut self, turn: &[u8]) -> Result<Vec<u8>, VmError> {
        let mut chunks = turn.chunks(CHUNK_BYTES).peekable();
        let (mut tag, mut received) = loop {
            let chunk = chunks.next().unwrap_or_default();
            if chunks.peek().is_none() {
                break self.call(Tag::Last, chunk)?;
            }
            self.call(Tag::More, chunk)?;
        };
        while tag == Tag::More {
            let (next, chunk) = self.call(Tag::Next, &[])?;
            if received.len() + chunk.len() > MAX_TURN_BYTES || chunk.is_empty() {
                return Err(VmError::Crashed {
                    detail: format!(
                        "the guest's turn of {} bytes or more exceeds {MAX_TURN_BYTES}",
                        received.len()
                    ),
                });
            }
            received.extend_from_slice(&chunk);
            tag = next;
        }
        Ok(received)
    }
}

/// The host function that guests call. Input is guest-controlled.
fn ask(turn: Vec<u8>) -> Vec<u8> {
    if ANSWER.is_set() { ANSWER.with(|answer| answer(&turn)).unwrap_or_default() } else { Vec::new() }
}

impl VmSnapshot {
    /// Writes the snapshot to a directory, which is created.
    ///
    /// # Errors
    ///
    /// `VmError::Snapshot` with the reason.
    pub fn save(&self, directory: &Path) -> Result<(), VmError> {
        self.0.save(directory, &tag()?).map(drop).map_err(snapshot_error)
    }

    /// Maps a saved snapshot. Its files must not change while any VM of it lives.
    ///
    /// SECURITY: contents are trusted; a cache that others can write would let them run code in the caller's sandboxes.
    ///
    /// # Errors
    ///
    /// `VmError::Snapshot` if files are missing, cut short or of another version.
    pub fn load(directory: &Path) -> Result<Self, VmError> {
        Snapshot::load(directory, tag()?).map(|s| Self(Arc::new(s))).map_err(snapshot_error)
    }
}

impl VmSnapshot {
    /// Maps a saved snapshot whose contents nobody vouches for; its files must be this process's own.
    ///
    /// SECURITY: the library checks what it reads against itself. What decides how much of the host a VM takes, its scratch
    /// and its transport, is checked here against what [`Vm::boot`] asks for.
    ///
    /// # Errors
    ///
    /// `VmError::Snapshot` with the first thing that no snapshot of this version has.
    pub(crate) fn load_untrusted(directory: &Path, scratch_bytes: usize) -> Result<Self, VmError> {
        let layout = saved_layout(directory).map_err(|detail| VmError::Snapshot { detail })?;
        for (name, expected) in [
            ("scratch_size", scratch_bytes),
            ("heap_size", PAGE_BYTES),
            ("h2g_queue_size", BUFFERS),
            ("h2g_buffer_size", BUFFER_BYTES),
            ("h2g_pool_pages", TO_GUEST_PAGES),
            ("g2h_queue_size", 2 * BUFFERS),
            ("g2h_buffer_size", BUFFER_BYTES),
            ("g2h_pool_pages", 1 + TO_GUEST_PAGES),
        ] {
            let found = layout.get(name).and_then(serde_json::Value::as_u64);
            if found != u64::try_from(expected).ok() {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                return Err(VmError::Snapshot { detail: format!("{name} is {found}, not {expected}") });
            }
        }
        Self::load(directory)
    }
}

/// Reads the sizes of a saved VM from the library's files: index, manifest, configuration.
#[expect(
    clippy::disallowed_methods,
    reason = "the files are a snapshot's, which this process has just written"
)]
fn saved_layout(directory: &Path) -> Result<serde_json::Value, String> {
    let read = |path: &Path| -> Result<serde_json::Value, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        serde_json::from_reader(file.take(MAX_CONFIG_BYTES)).map_err(|error| error.to_string())
    };
    let blob = |descriptor: Option<&serde_json::Value>| -> Result<serde_json::Value, String> {
        let digest =
            descriptor.and_then(|descriptor| descriptor.get("digest")).and_then(|text| text.as_str());
        let hex = digest.and_then(|digest| digest.strip_prefix("sha256:")).unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("it names a blob by what is no digest".to_owned());
        }
        read(&directory.join("blobs").join("sha256").join(hex))
    };
    let index = read(&directory.join("index.json"))?;
    let manifests = index.get("manifests").and_then(serde_json::Value::as_array);
    let Some([manifest]) = manifests.map(Vec::as_slice) else {
        return Err("it is not of one VM".to_owned());
    };
    let manifest = blob(Some(manifest))?;
    let mut config = blob(manifest.get("config"))?;
    Ok(config.get_mut("layout").map(serde_json::Value::take).unwrap_or_default())
}

fn tag() -> Result<OciTag, VmError> {
    OciTag::new(SNAPSHOT_TAG).map_err(snapshot_error)
}

fn snapshot_error(error: HyperlightError) -> VmError {
    VmError::Snapshot { detail: error.to_string() }
}

/// Explains why a guest that runs did not answer. What the library cannot make sense of, the guest has done: a register,
/// an exit, a page table or a queue.
fn call_error(error: HyperlightError) -> VmError {
    match vm_error(error) {
        VmError::Hypervisor { detail } => VmError::Crashed { detail },
        other => other,
    }
}

fn vm_error(error: HyperlightError) -> VmError {
    match error {
        HyperlightError::ExecutionCanceledByHost() => VmError::Interrupted,
        HyperlightError::NoHypervisorFound() => VmError::Unavailable { detail: "no hypervisor found".into() },
        HyperlightError::GuestAborted(_, message) => VmError::Crashed { detail: message },
        HyperlightError::TransportError(message) => VmError::Crashed { detail: message },
        HyperlightError::GuestError(code, message) => {
            VmError::Crashed { detail: format!("{code:?}: {message}") }
        }
        other => VmError::Hypervisor { detail: other.to_string() },
    }
}
