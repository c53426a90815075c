//! The steps of a start, one at a time, for who measures them.
//!
//! Guarantees: the same code as a run's, in the same order; each step returns the time that it took.
//! Never: runs submitted code; a probe is no sandbox, has no limits, and is of no use but for its times.
//!
//! Before: `hypercell bench`. After: `guest`, the engine, the image.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hypercell_abi::KernelRequest;

use crate::channel::Outgoing;
use crate::engine::{Engine, EngineSource};
use crate::error::{Error, MachineError, UsageError};
use crate::guest::Guest;
use crate::image::Image;
use crate::vm::Vm;

/// Takes an image's VM through the steps of a start.
#[derive(Debug)]
pub struct Probe {
    image: Arc<Image>,
    guest: Option<Guest<Vm>>,
}

impl Probe {
    /// Makes a probe without a VM.
    #[must_use]
    pub fn new(image: Arc<Image>) -> Self {
        Self { image, guest: None }
    }

    /// Makes a VM from the image's snapshot: the hypervisor's objects, memory, page tables and registers.
    ///
    /// # Errors
    ///
    /// [`MachineError::Hypervisor`].
    pub fn create(&mut self) -> Result<Duration, Error> {
        self.guest = None;
        let start = Instant::now();
        let engine = self.image.create().map_err(MachineError::Hypervisor)?;
        let time = start.elapsed();
        self.guest = Some(Guest::new(engine));
        Ok(time)
    }

    /// Enters the kernel and returns: in a new or restored VM that opens the page tables and copies the hot set.
    ///
    /// # Errors
    ///
    /// [`MachineError::Hypervisor`]; [`UsageError::Closed`] without a VM.
    pub fn enter(&mut self) -> Result<Duration, Error> {
        let guest = self.guest.as_mut().ok_or(UsageError::Closed)?;
        let request = KernelRequest::Checkpoint { record: false, hot: &[] };
        let start = Instant::now();
        let turn = guest.link.channel.encode(&Outgoing::Kernel(request))?;
        let returned = guest.engine.exchange(&turn).map_err(MachineError::Hypervisor)?;
        guest.link.channel.decode(&returned)?;
        Ok(start.elapsed())
    }

    /// Runs the constant program that warms VMs up, from request to result.
    ///
    /// # Errors
    ///
    /// [`MachineError::Hypervisor`]; [`UsageError::Closed`] without a VM.
    pub fn run(&mut self) -> Result<Duration, Error> {
        let guest = self.guest.as_mut().ok_or(UsageError::Closed)?;
        let start = Instant::now();
        guest.warm_up()?;
        Ok(start.elapsed())
    }

    /// Puts the VM back into the image's state.
    ///
    /// # Errors
    ///
    /// [`MachineError::Hypervisor`]; [`UsageError::Closed`] without a VM.
    pub fn restore(&mut self) -> Result<Duration, Error> {
        let mut guest = self.guest.take().ok_or(UsageError::Closed)?;
        let start = Instant::now();
        self.image.restore(&mut guest.engine).map_err(MachineError::Hypervisor)?;
        let time = start.elapsed();
        self.guest = Some(Guest::new(guest.engine));
        Ok(time)
    }

    /// Drops the VM.
    pub fn discard(&mut self) -> Duration {
        let start = Instant::now();
        self.guest = None;
        start.elapsed()
    }
}
