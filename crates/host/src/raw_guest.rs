//! Guests of an attacker's making, in place of our kernel and interpreter: for tests of the host alone.
//!
//! An ELF runs in a real VM, from its entry point on. A [`Player`] is no VM at all: it is given the bytes of each turn and
//! returns bytes, kernel and program in one. What either says goes the way of every guest: `sandbox`, `channel`,
//! `dispatch`, the gates.
//!
//! Guarantees: an ELF is checked and laid out anew (`elf`) before the hypervisor's library sees it, and gets no more memory
//! than a sandbox of its limit. Nothing of an ELF runs before the first turn, so that every instruction of it can be
//! interrupted. Never: trusts a byte of either.
//!
//! Before: the Python package's `hypercell.testing`. After: `vm`, or the player.

mod elf;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

pub use self::elf::ElfError;
use crate::engine::{Answer, Engine, Interrupt, VmError};
use crate::error::{Error, MachineError, UsageError};
use crate::hex;
use crate::image;
use crate::limits::MAX_MEMORY_BYTES;
use crate::snapshot::Base;
use crate::vm::{Start, Vm, VmSnapshot};

const NO_MEMORY: &str = "a played guest has no memory";

/// Plays a guest, turn by turn.
pub trait Player: Send + Sync {
    /// Takes what the host says and returns what the guest says to that, each with the header of the kernel.
    ///
    /// # Errors
    ///
    /// Why the guest dies instead.
    fn play(&self, turn: &[u8]) -> Result<Vec<u8>, String>;
}

/// What runs in place of our kernel.
pub struct RawGuest {
    kind: Kind,
    base: Base,
}

enum Kind {
    Elf { laid_out: Vec<u8>, scratch_bytes: usize },
    Played(Arc<dyn Player>),
}

impl RawGuest {
    /// Checks a static ELF for x86-64 and prepares it, for VMs of this memory limit.
    ///
    /// It is entered at its entry point in ring 0, for each turn, with the registers that Hyperlight gives a guest that
    /// starts (rdi: the process environment block, rsi: a random number, rdx: the page size) and a stack in scratch. The
    /// turn is in the transport by then. Its own pages are read-only.
    ///
    /// # Errors
    ///
    /// [`UsageError::RawElf`] with what makes it unfit.
    pub fn elf(bytes: &[u8], memory_bytes: u64) -> Result<Self, Error> {
        let (class_bytes, scratch_bytes) = image::memory_class(memory_bytes);
        let start = Start::new(scratch_bytes).map_err(MachineError::Hypervisor)?;
        let laid_out = elf::lay_out(bytes, memory_bytes.min(class_bytes), &start)
            .map_err(|source| UsageError::RawElf { source })?;
        let image = hex::encode(&Sha256::digest(bytes));
        let base = Base { image, python: String::new(), memory_bytes: class_bytes };
        Ok(Self { kind: Kind::Elf { laid_out, scratch_bytes }, base })
    }

    /// Has somebody play the guest.
    #[must_use]
    pub fn played(player: Arc<dyn Player>) -> Self {
        let base = Base { image: String::new(), python: String::new(), memory_bytes: MAX_MEMORY_BYTES };
        Self { kind: Kind::Played(player), base }
    }

    pub(crate) fn base(&self) -> Base {
        self.base.clone()
    }

    /// Makes a guest that has not run yet.
    ///
    /// # Errors
    ///
    /// Any [`VmError`] of a start.
    pub(crate) fn create(&self) -> Result<Machine, VmError> {
        match &self.kind {
            Kind::Elf { laid_out, scratch_bytes } => {
                Vm::boot_raw(laid_out.clone(), *scratch_bytes).map(Machine::from)
            }
            Kind::Played(player) => {
                Ok(Machine::Played(Played { player: player.clone(), bell: Arc::default() }))
            }
        }
    }
}

impl fmt::Debug for RawGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawGuest").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A guest: a VM, or what is played.
#[derive(Debug)]
pub enum Machine {
    /// The real thing.
    Vm(Box<Vm>),
    /// Bytes that somebody makes up.
    Played(Played),
}

impl From<Vm> for Machine {
    fn from(vm: Vm) -> Self {
        Self::Vm(Box::new(vm))
    }
}

impl Machine {
    /// Takes a snapshot of a VM at rest.
    ///
    /// # Errors
    ///
    /// Those of [`Vm::snapshot`]; [`VmError::Snapshot`] for a guest that is played.
    pub(crate) fn snapshot(&mut self) -> Result<VmSnapshot, VmError> {
        match self {
            Self::Vm(vm) => vm.snapshot(),
            Self::Played(_) => Err(VmError::Snapshot { detail: NO_MEMORY.into() }),
        }
    }

    /// Puts a VM into the state of a snapshot, whatever state it is in.
    ///
    /// # Errors
    ///
    /// Those of [`Vm::restore`]; [`VmError::Snapshot`] for a guest that is played.
    pub(crate) fn restore(&mut self, snapshot: &VmSnapshot) -> Result<(), VmError> {
        match self {
            Self::Vm(vm) => vm.restore(snapshot),
            Self::Played(_) => Err(VmError::Snapshot { detail: NO_MEMORY.into() }),
        }
    }
}

impl Engine for Machine {
    fn enter(&mut self, turn: &[u8], answer: &mut Answer<'_>) -> Result<Vec<u8>, VmError> {
        match self {
            Self::Vm(vm) => vm.enter(turn, answer),
            Self::Played(played) => played.enter(turn, answer),
        }
    }

    fn interrupt_handle(&self) -> Arc<dyn Interrupt> {
        match self {
            Self::Vm(vm) => vm.interrupt_handle(),
            Self::Played(played) => played.bell.clone(),
        }
    }
}

/// A guest that a [`Player`] plays: it asks with all that it says, and leaves when it is told to.
pub struct Played {
    player: Arc<dyn Player>,
    bell: Arc<Bell>,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Played")
    }
}

impl Played {
    fn enter(&self, turn: &[u8], answer: &mut Answer<'_>) -> Result<Vec<u8>, VmError> {
        let _running = self.bell.start();
        let mut said = self.say(turn)?;
        loop {
            if self.bell.has_rung() {
                return Err(VmError::Interrupted);
            }
            let Some(next) = answer(&said) else { return Ok(Vec::new()) };
            said = self.say(&next)?;
        }
    }

    fn say(&self, turn: &[u8]) -> Result<Vec<u8>, VmError> {
        self.player.play(turn).map_err(|detail| VmError::Crashed { detail })
    }
}

/// Interrupts a played guest between two turns, as soon as its player returns.
#[derive(Default)]
struct Bell {
    is_running: AtomicBool,
    has_rung: AtomicBool,
}

struct Running<'a>(&'a Bell);

impl Bell {
    fn start(&self) -> Running<'_> {
        self.has_rung.store(false, Ordering::SeqCst);
        self.is_running.store(true, Ordering::SeqCst);
        Running(self)
    }

    fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::SeqCst)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::SeqCst);
    }
}

impl Interrupt for Bell {
    fn interrupt(&self) -> bool {
        let is_running = self.is_running.load(Ordering::SeqCst);
        if is_running {
            self.has_rung.store(true, Ordering::SeqCst);
        }
        is_running
    }
}
