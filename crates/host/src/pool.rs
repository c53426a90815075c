//! Guests prepared in advance, for any number of sandboxes on one image.
//!
//! A guest is ready (fresh and warmed up), leased to a sandbox, or used. A used one is restored to the image's state
//! and warmed up before it is ready again, off the caller's path; one that ended in any way but cleanly is never
//! returned, and replaced.
//!
//! Guarantees: what `take` returns is as the image made it, whoever had it before. There are never more guests than
//! `max_prepared` beyond those that sandboxes hold. A forked child takes nothing from its parent's pool.
//! Never: runs submitted code; enters a guest that a sandbox holds.
//!
//! Before: `sandbox`. After: `preparer` for threads, `guest`, the engine's source.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::engine::{EngineSource, VmError};
use crate::error::{Error, SnapshotError, UsageError};
use crate::guest::Guest;
use crate::lock;
use crate::preparer::{self, Prepare};
use crate::snapshot::Origin;
use crate::watchdog::Timeout;

/// How long the pool keeps what a burst made it grow to.
const KEEP: Duration = Duration::from_secs(30);
/// How long `take` waits for a guest that is being prepared before it makes one itself.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a guest may take to become ready.
const PREPARE_TIME: Duration = Duration::from_secs(10);

/// How many guests a pool keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Guests kept from the start on, those that run something included.
    pub prepared: usize,
    /// Guests kept after more than `prepared` were wanted at once.
    pub max_prepared: usize,
}

/// Most guests that a pool may be asked to keep: about 1 GB of memory.
pub const MAX_PREPARED: usize = 1024;

/// Returns `max_prepared` for who does not say: one guest for each processor that this process may use.
#[must_use]
pub fn default_max(prepared: usize) -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).max(prepared)
}

/// What a pool holds and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Guests that wait for a run.
    pub ready: usize,
    /// Guests that are being made or restored, or wait for that.
    pub preparing: usize,
    /// Guests that sandboxes hold for a run.
    pub leased: usize,
    /// Runs that found a guest ready.
    pub hits: u64,
    /// Runs that had to wait, or to make or restore a guest themselves.
    pub misses: u64,
}

/// Guests made by `S`, ready to run. Cloning shares the pool.
pub struct Pool<S: EngineSource + 'static = Origin>(Arc<Shared<S>>);

struct Shared<S: EngineSource> {
    source: S,
    options: PoolOptions,
    process: u32,
    state: Mutex<State<S::Engine>>,
    changed: Condvar,
    me: Weak<Self>,
}

struct State<E> {
    ready: Vec<Guest<E>>,
    used: Vec<E>,
    /// Guests that a thread of `preparer` works on.
    preparing: usize,
    /// Calls of `prepare_one` that were asked for and have not begun.
    asked: usize,
    /// Callers that wait for one of those in `preparing`.
    waiting: usize,
    leased: usize,
    /// How many guests to keep; grows when more are wanted at once.
    target: usize,
    grown_at: Instant,
    is_closed: bool,
    hits: u64,
    misses: u64,
}

/// Why `take` returned no guest.
#[derive(Debug)]
pub(crate) enum TakeError {
    /// The pool is closed.
    Closed,
    /// None can be made.
    Vm(VmError),
}

/// A guest, and the lease on it if it is to come back.
type Taken<S> = (Guest<<S as EngineSource>::Engine>, Option<Lease<S>>);

/// Counts a guest that a sandbox holds; dropping it says that the sandbox holds it no longer.
pub(crate) struct Lease<S: EngineSource + 'static>(Arc<Shared<S>>);

impl<S: EngineSource + 'static> Pool<S> {
    /// Makes a pool and starts to prepare its guests.
    ///
    /// # Errors
    ///
    /// [`UsageError::LimitOutOfRange`]: a number is above [`MAX_PREPARED`], or `max_prepared` is 0 or below `prepared`;
    /// [`SnapshotError::CannotPrepare`] for a snapshot in the middle of a run.
    pub fn new(source: S, options: PoolOptions) -> Result<Self, Error> {
        if source.is_in_run() {
            return Err(SnapshotError::CannotPrepare.into());
        }
        let check = |limit, value: usize, min: usize, max: usize| {
            let [value, min, max] = [value, min, max].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(UsageError::LimitOutOfRange { limit, value, min, max })
            }
        };
        check("prepared", options.prepared, 0, MAX_PREPARED)?;
        check("max_prepared", options.max_prepared, options.prepared.max(1), MAX_PREPARED)?;
        let shared = Arc::new_cyclic(|me| Shared {
            source,
            options,
            process: std::process::id(),
            state: Mutex::new(State {
                ready: Vec::new(),
                used: Vec::new(),
                preparing: 0,
                asked: 0,
                waiting: 0,
                leased: 0,
                target: options.prepared,
                grown_at: Instant::now(),
                is_closed: false,
                hits: 0,
                misses: 0,
            }),
            changed: Condvar::new(),
            me: me.clone(),
        });
        shared.ask_for_work(lock(&shared.state));
        Ok(Self(shared))
    }

    /// Returns what the pool holds and did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        if !self.0.is_ours() {
            return PoolStats::default();
        }
        let state = lock(&self.0.state);
        PoolStats {
            ready: state.ready.len(),
            preparing: state.preparing + state.used.len(),
            leased: state.leased,
            hits: state.hits,
            misses: state.misses,
        }
    }

    /// Waits until the pool's guests are ready, or until nothing prepares them. Returns whether they are.
    #[must_use]
    pub fn wait_ready(&self, timeout: Duration) -> bool {
        if !self.0.is_ours() {
            return false;
        }
        let deadline = Instant::now().checked_add(timeout);
        let mut state = lock(&self.0.state);
        loop {
            let is_full = state.ready.len() + state.leased >= state.target;
            let is_at_work = state.preparing + state.asked > 0;
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if is_full || !is_at_work || left.is_zero() {
                return is_full && !state.is_closed;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Drops the guests that wait. Sandboxes on this pool finish what they run, and then run nothing more.
    pub fn close(&self) {
        if !self.0.is_ours() {
            return;
        }
        let mut state = lock(&self.0.state);
        state.is_closed = true;
        let left = (std::mem::take(&mut state.ready), std::mem::take(&mut state.used));
        drop(state);
        self.0.changed.notify_all();
        drop(left);
    }

    /// Returns what its guests are made from.
    pub(crate) fn source(&self) -> &S {
        &self.0.source
    }

    /// Hands out a guest: a ready one if there is one, else the fastest that can be had.
    ///
    /// # Errors
    ///
    /// [`TakeError`].
    pub(crate) fn take(&self) -> Result<Taken<S>, TakeError> {
        let shared = &self.0;
        if !shared.is_ours() {
            return Ok((Guest::of(&shared.source, shared.source.create()?), None));
        }
        let patience = Instant::now() + PATIENCE;
        let mut state = lock(&shared.state);
        loop {
            if state.is_closed {
                return Err(TakeError::Closed);
            }
            if let Some(guest) = state.ready.pop() {
                state.hits += 1;
                return Ok((guest, Some(self.lease(state))));
            }
            if let Some(engine) = state.used.pop() {
                state.misses += 1;
                let lease = self.lease(state);
                let engine = shared.source.renew(Some(engine))?;
                return Ok((Guest::of(&shared.source, engine), Some(lease)));
            }
            let left = patience.saturating_duration_since(Instant::now());
            if state.preparing <= state.waiting || left.is_zero() {
                state.misses += 1;
                state.target = (state.target + 1).min(shared.options.max_prepared);
                state.grown_at = Instant::now();
                let lease = self.lease(state);
                return Ok((Guest::of(&shared.source, shared.source.create()?), Some(lease)));
            }
            state.waiting += 1;
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
    }

    /// Takes back a guest after a clean run, to restore it.
    pub(crate) fn give_back(&self, guest: Guest<S::Engine>, lease: Option<Lease<S>>) {
        if !self.0.is_ours() || !guest.is_ours() {
            return;
        }
        let mut state = lock(&self.0.state);
        if state.is_closed {
            return;
        }
        state.used.push(guest.engine);
        match lease {
            Some(lease) => {
                drop(state);
                drop(lease);
            }
            None => self.0.ask_for_work(state),
        }
    }

    fn lease(&self, mut state: MutexGuard<'_, State<S::Engine>>) -> Lease<S> {
        state.leased += 1;
        Lease(self.0.clone())
    }
}

impl<S: EngineSource + 'static> Shared<S> {
    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Asks for a call of `prepare_one` for each guest that is used or missing, unless that was asked for already.
    fn ask_for_work(&self, mut state: MutexGuard<'_, State<S::Engine>>) {
        if state.is_closed {
            return;
        }
        if state.target > self.options.prepared && state.grown_at.elapsed() > KEEP {
            state.target = self.options.prepared;
        }
        let missing = state.target.saturating_sub(state.live());
        let jobs = (state.used.len() + missing).saturating_sub(state.asked);
        state.asked += jobs;
        drop(state);
        for _ in 0..jobs {
            let me: Weak<dyn Prepare> = self.me.clone();
            preparer::ask(me);
        }
    }

    fn prepared(&self, used: Option<S::Engine>) -> Option<Guest<S::Engine>> {
        let mut guest = Guest::of(&self.source, self.source.renew(used).ok()?);
        if self.source.has_state() {
            // What earlier runs left would know of a further one; and nobody vouches for it that it answers.
            let _timeout = Timeout::new(guest.link.interrupt.clone(), PREPARE_TIME).ok()?;
            guest.reseed().ok().map(|()| guest)
        } else {
            guest.warm_up().ok().map(|()| guest)
        }
    }
}

impl From<VmError> for TakeError {
    fn from(error: VmError) -> Self {
        Self::Vm(error)
    }
}

impl<E> State<E> {
    /// Guests that there are, and will be ready sooner or later.
    fn live(&self) -> usize {
        self.ready.len() + self.used.len() + self.preparing + self.leased
    }
}

impl<S: EngineSource + 'static> Prepare for Shared<S> {
    fn prepare_one(&self) {
        let mut state = lock(&self.state);
        state.asked = state.asked.saturating_sub(1);
        if state.is_closed || !self.is_ours() {
            return;
        }
        let used = state.used.pop();
        if state.live() >= state.target {
            // One too many: a burst is over, or somebody was faster. Dropping takes time; nobody waits here.
            drop(state);
            drop(used);
            return;
        }
        state.preparing += 1;
        drop(state);
        let counted = Preparing(self);
        let guest = self.prepared(used);
        let mut state = lock(&self.state);
        // Where no guest can be made, the next run finds out why.
        let unwanted = match guest {
            Some(guest) if !state.is_closed => {
                state.ready.push(guest);
                None
            }
            other => other,
        };
        drop(state);
        drop(counted);
        drop(unwanted);
    }
}

/// Counts a guest that is being prepared, also if that panics.
struct Preparing<'a, S: EngineSource>(&'a Shared<S>);

impl<S: EngineSource> Drop for Preparing<'_, S> {
    fn drop(&mut self) {
        lock(&self.0.state).preparing -= 1;
        self.0.changed.notify_all();
    }
}

impl<S: EngineSource + 'static> Drop for Lease<S> {
    fn drop(&mut self) {
        if self.0.is_ours() {
            let mut state = lock(&self.0.state);
            state.leased = state.leased.saturating_sub(1);
            self.0.ask_for_work(state);
        }
    }
}

impl<S: EngineSource + 'static> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: EngineSource + 'static> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.0.options).finish_non_exhaustive()
    }
}
