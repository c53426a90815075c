//! The one way in and out of a VM, as a trait: `enter(turn) -> turn`, with answers on the way.
//!
//! Guarantees: nothing above this file knows which hypervisor runs the guest, or whether there is one; the tests put a
//! fake guest behind it. Never: looks inside a turn.
//!
//! Before: `sandbox` and the image builder. After: `vm`, the engine that is real.

use std::sync::Arc;

use crate::image::Image;
use crate::vm::Vm;

/// Takes a turn of a guest that has not left the VM, and returns the next one for it. `None` makes the guest leave, with
/// an empty turn.
pub type Answer<'a> = dyn FnMut(&[u8]) -> Option<Vec<u8>> + 'a;

/// A guest at rest between turns.
pub trait Engine: Send {
    /// Runs the guest with this turn until it returns one.
    ///
    /// On the way it may ask `answer`, on this thread, any number of times.
    ///
    /// # Errors
    ///
    /// Any [`VmError`]; the guest is then dead until it is restored.
    fn enter(&mut self, turn: &[u8], answer: &mut Answer<'_>) -> Result<Vec<u8>, VmError>;

    /// Runs the guest with this turn until it has one for the host, and returns that, whether it asked or left with it. The
    /// guest is at rest then.
    ///
    /// # Errors
    ///
    /// As for `enter`.
    fn exchange(&mut self, turn: &[u8]) -> Result<Vec<u8>, VmError> {
        let mut asked = None;
        let left = self.enter(turn, &mut |bytes| {
            asked.get_or_insert_with(|| bytes.to_vec());
            None
        })?;
        Ok(asked.unwrap_or(left))
    }

    /// Returns what stops a running `enter` from another thread.
    fn interrupt_handle(&self) -> Arc<dyn Interrupt>;
}

/// Stops a guest from another thread.
pub trait Interrupt: Send + Sync {
    /// Makes a running `enter` return [`VmError::Interrupted`]. Returns whether one was running.
    ///
    /// May be called any number of times. One that comes too early for a starting `enter` may be lost, so a caller
    /// that means it repeats it.
    fn interrupt(&self) -> bool;
}

/// Makes guests that are all in one state: at rest, waiting for a `RunRequest`.
pub trait EngineSource: Send + Sync {
    /// What is made.
    type Engine: Engine;

    /// Makes a guest.
    ///
    /// # Errors
    ///
    /// [`VmError::Unavailable`] without a hypervisor, [`VmError::Hypervisor`] if it refuses.
    fn create(&self) -> Result<Self::Engine, VmError>;

    /// Puts a guest, whatever it did, back into the state that `create` makes.
    ///
    /// # Errors
    ///
    /// Any [`VmError`]; the guest must then be dropped.
    fn restore(&self, engine: &mut Self::Engine) -> Result<(), VmError>;

    /// Whether its guests hold globals of earlier runs, which further runs shall find; copies that go on from one state
    /// need new random numbers.
    fn has_state(&self) -> bool {
        false
    }

    /// Whether its guests wait for the result of a tool instead of a `RunRequest`.
    fn is_in_run(&self) -> bool {
        false
    }

    /// Restores a used guest, if there is one, or makes one: what cannot be restored is dropped, a new one may still work.
    ///
    /// # Errors
    ///
    /// As for `create`.
    fn renew(&self, used: Option<Self::Engine>) -> Result<Self::Engine, VmError> {
        match used.and_then(|mut engine| self.restore(&mut engine).ok().map(|()| engine)) {
            Some(engine) => Ok(engine),
            None => self.create(),
        }
    }
}

impl EngineSource for Arc<Image> {
    type Engine = Vm;

    fn create(&self) -> Result<Vm, VmError> {
        Vm::from_snapshot(&self.snapshot())
    }

    fn restore(&self, engine: &mut Vm) -> Result<(), VmError> {
        engine.restore(&self.snapshot())
    }
}

/// Why a VM did not return a turn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// This machine has no hypervisor that this process may use.
    #[error("no hypervisor is available: {detail}")]
    Unavailable {
        /// What the hypervisor's library found.
        detail: String,
    },
    /// [`Interrupt::interrupt`] stopped it.
    #[error("the micro-VM was interrupted")]
    Interrupted,
    /// The guest died, or broke the rules of its transport.
    #[error("the guest crashed: {detail}")]
    Crashed {
        /// What the guest said last, or which rule it broke. Guest-controlled.
        detail: String,
    },
    /// A snapshot could not be taken, saved or loaded.
    #[error("the snapshot cannot be used: {detail}")]
    Snapshot {
        /// What the hypervisor's library found.
        detail: String,
    },
    /// The hypervisor failed.
    #[error("the hypervisor failed: {detail}")]
    Hypervisor {
        /// What the hypervisor's library found.
        detail: String,
    },
}
