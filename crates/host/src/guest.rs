//! A guest between two runs: the engine, the conversation with it, and which process made it.
//!
//! Guarantees: `warm_up` leaves a guest that waits for a `RunRequest`, like one that was just made; it has run a
//! constant program, so that what every run touches first is touched.
//! Never: decides what happens to a guest after a run (`sandbox`, `pool`).
//!
//! Before: `sandbox`, `pool`. After: `channel`, the engine.

use std::fmt;
use std::sync::Arc;

use hypercell_abi::message::RunRequest;
use hypercell_abi::{GuestFrame, HostFrame, NamedValues};

use crate::channel::{Channel, Outgoing};
use crate::clock;
use crate::control::Counted;
use crate::engine::{Engine, Interrupt, VmError};
use crate::error::{Error, MachineError};

/// What `warm_up` runs, and what is recorded while an image is built. Its name is that of code that has no other, and the next run overwrites what is kept under it.
pub(crate) const WARM_UP_CODE: &str = "1+1";
const WARM_UP_NAME: &str = "<code>";
const WARM_UP_RESULT_BYTES: u64 = 16;

/// A guest that waits for a `RunRequest`.
pub(crate) struct Guest<E> {
    pub(crate) engine: E,
    pub(crate) link: Link,
    process: u32,
}

/// What the host needs to talk with a guest, beside the engine.
pub(crate) struct Link {
    pub(crate) interrupt: Arc<dyn Interrupt>,
    pub(crate) channel: Channel,
    /// Where its counters stood after its last run.
    pub(crate) counted: Counted,
}

impl<E> fmt::Debug for Guest<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("process", &self.process).finish_non_exhaustive()
    }
}

impl<E: Engine> Guest<E> {
    /// Takes over an engine that was just made or restored.
    pub(crate) fn new(engine: E) -> Self {
        Self {
            link: Link {
                interrupt: engine.interrupt_handle(),
                channel: Channel::new(),
                counted: Counted::default(),
            },
            engine,
            process: std::process::id(),
        }
    }

    /// Whether this process made it: a child that was forked has its parent's sandboxes, but not their VMs.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Runs a constant program, so that the next run finds its pages in place.
    ///
    /// # Errors
    ///
    /// Why the guest must be dropped.
    pub(crate) fn warm_up(&mut self) -> Result<(), Error> {
        let request = RunRequest {
            code: WARM_UP_CODE,
            name: WARM_UP_NAME,
            inputs: NamedValues::EMPTY,
            tools: Vec::new(),
            keep: false,
            seed: clock::entropy()?,
            max_value_bytes: WARM_UP_RESULT_BYTES,
        };
        let turn = self.link.channel.encode(&Outgoing::Program(HostFrame::RunRequest(request)))?;
        let bytes = self.engine.exchange(&turn).map_err(MachineError::Hypervisor)?;
        let incoming = self.link.channel.decode(&bytes)?;
        self.link.counted =
            Counted { page_faults: incoming.counters.page_faults, syscalls: incoming.counters.syscalls };
        match incoming.frame {
            GuestFrame::RunDone(done) if done.outcome.is_ok() => Ok(()),
            _ => {
                let detail = "a fresh guest did not run the program that warms it up".into();
                Err(MachineError::Hypervisor(VmError::Crashed { detail }).into())
            }
        }
    }
}
