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
use hypercell_abi::{GuestFrame, HostFrame, KernelRequest, NamedValues};

use crate::channel::{Channel, Outgoing};
use crate::clock;
use crate::control::Counted;
use crate::engine::{Engine, EngineSource, Interrupt, VmError};
use crate::error::{CrashError, Error, MachineError, ProtocolError};

/// What `warm_up` runs, and what is recorded while an image is built. Its name is that of code that has no other, and the next run overwrites what is kept under it.
pub(crate) const WARM_UP_CODE: &str = "1+1";
const WARM_UP_NAME: &str = "<code>";
const WARM_UP_RESULT_BYTES: u64 = 16;

/// A guest that waits for a `RunRequest`.
pub(crate) struct Guest<E> {
    pub(crate) engine: E,
    pub(crate) link: Link,
    /// Whether it goes on from a state that others go on from too, and has that one's random numbers yet.
    pub(crate) needs_seed: bool,
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
            needs_seed: false,
            process: std::process::id(),
        }
    }

    /// Takes over an engine that a source has just made or restored.
    pub(crate) fn of<S: EngineSource<Engine = E>>(source: &S, engine: E) -> Self {
        Self { needs_seed: source.has_state(), ..Self::new(engine) }
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
        let request = Outgoing::Program(HostFrame::RunRequest(request));
        self.ask(&request, |answer| matches!(answer, GuestFrame::RunDone(done) if done.outcome.is_ok()))
    }

    /// Gives a guest that is one of several copies random numbers of its own, wherever its program waits.
    ///
    /// # Errors
    ///
    /// Why the guest must be dropped.
    pub(crate) fn reseed(&mut self) -> Result<(), Error> {
        let request = Outgoing::Program(HostFrame::Reseed { seed: clock::entropy()? });
        self.ask(&request, |answer| matches!(answer, GuestFrame::Reseeded))?;
        self.needs_seed = false;
        Ok(())
    }

    /// Brings the kernel into a state that can be captured.
    ///
    /// # Errors
    ///
    /// Why the guest must be dropped.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Error> {
        let request = Outgoing::Kernel(KernelRequest::Checkpoint { record: false, hot: &[] });
        self.ask(&request, |answer| matches!(answer, GuestFrame::Checkpointed { .. }))
    }

    /// Sends a frame and expects its answer at once, as an honest guest gives it.
    fn ask(&mut self, frame: &Outgoing<'_>, is_due: fn(&GuestFrame<'_>) -> bool) -> Result<(), Error> {
        self.link.channel.trace_syscalls(false);
        let turn = self.link.channel.encode(frame)?;
        let bytes = self.engine.exchange(&turn).map_err(|error| match error {
            VmError::Crashed { detail } => Error::Crash(CrashError::Vm { report: detail }),
            error => MachineError::Hypervisor(error).into(),
        })?;
        let incoming = self.link.channel.decode(&bytes)?;
        // The guest is as it was made, with counters at nothing, so this is what the exchange itself took.
        let Counted { page_faults, syscalls } = self.link.counted;
        self.link.counted = Counted {
            page_faults: page_faults.wrapping_add(incoming.counters.page_faults),
            syscalls: syscalls.wrapping_add(incoming.counters.syscalls),
        };
        if is_due(&incoming.frame) {
            return Ok(());
        }
        let kind = incoming.frame.kind();
        Err(ProtocolError::UnexpectedFrame { kind, due: "the answer of a guest between runs" }.into())
    }
}
