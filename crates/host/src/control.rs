//! The part of a sandbox that other threads may touch while a run is going on: stop it, and look at it.
//!
//! Guarantees: a stop that comes at any moment of a run takes effect, between turns, in a turn or during a sleep; one
//! that comes between runs does nothing. The first reason to stop is the one reported. No time passes for a run that is
//! paused.
//! Never: enters the guest.
//!
//! Before: `sandbox`, and any thread with a [`Control`]. After: `watchdog`, the engine's interrupt handle.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hypercell_abi::message::OutputStream;
use hypercell_abi::{ExitHeader, RawValue};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::artifacts::Artifacts;
use crate::engine::Interrupt;
use crate::error::{Error, LimitError, LimitKind, MachineError};
use crate::gate::HttpUsage;
use crate::limits::{Limits, PAGE_BYTES};
use crate::lock;
use crate::output::OutputCapture;
use crate::run::{FileUsage, Report, Usage};
use crate::trace::name_of;
use crate::watchdog::{Alarm, Ring, Watchdog};

/// After how long an interrupt is repeated that may have come too early for a starting turn.
const REPEAT: Duration = Duration::from_millis(1);

/// Stops and watches the runs of one sandbox, from any thread.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

#[derive(Default)]
struct Shared {
    current: Mutex<Option<Current>>,
    stopped: Condvar,
    record: Mutex<Option<Record>>,
}

/// A run that is going on.
struct Current {
    started: Instant,
    paused: Option<Instant>,
    wall_time: Option<Duration>,
    guest_time: GuestTime,
    stop: Option<Stop>,
    /// Of the guest that is in a turn.
    guest: Option<Arc<dyn Interrupt>>,
    alarm: Alarm,
}

/// Time inside the guest.
#[derive(Default)]
struct GuestTime {
    maximum: Option<Duration>,
    /// In turns that are over.
    used: Duration,
    /// When the turn began that is going on.
    entered: Option<Instant>,
}

#[derive(Clone)]
enum Stop {
    TimeLimit,
    GuestTimeLimit,
    Cancelled { reason: String },
}

/// What a run did; stays until the next one starts.
struct Record {
    output: OutputCapture,
    artifacts: Artifacts,
    usage: Usage,
    unsupported: BTreeMap<u16, u64>,
    started: Instant,
    /// When the run was paused, or ended.
    stopped: Option<Instant>,
}

/// What a run did before this process took it over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    pub(crate) usage: Usage,
    #[serde(with = "crate::hex")]
    pub(crate) stdout: Vec<u8>,
    #[serde(with = "crate::hex")]
    pub(crate) stderr: Vec<u8>,
    /// Attempts by number of the system call.
    pub(crate) unsupported: BTreeMap<u16, u64>,
}

/// Counters of a guest that go on from run to run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) page_faults: u32,
    pub(crate) syscalls: u32,
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crossing {
    /// The inputs of a run, which have no limit of their own for bytes.
    Inputs,
    /// The arguments of a tool call.
    Arguments,
    /// What a tool returned.
    ToolResult,
    /// What a run ended with.
    Result,
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Control {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Stops the run that is going on. Returns whether there is one; if not, nothing happens.
    ///
    /// `start` or `resume` then returns [`Error::Cancelled`] with the reason: at once if it is running, or when it is
    /// called next for this run.
    pub fn interrupt(&self, reason: &str) -> bool {
        let guest = {
            let mut current = lock(&self.0.current);
            let Some(current) = current.as_mut() else { return false };
            current.stop.get_or_insert_with(|| Stop::Cancelled { reason: reason.to_owned() });
            if current.guest.is_some() {
                current.alarm.ring_at(Instant::now() + REPEAT);
            }
            current.guest.clone()
        };
        self.0.stopped.notify_all();
        if let Some(guest) = guest {
            guest.interrupt();
        }
        true
    }

    /// Returns what the run that is going on, or else the last one, wrote and used until now.
    #[must_use]
    pub fn partial(&self) -> Option<Report> {
        lock(&self.0.record).as_ref().map(Record::report)
    }

    /// Starts a run.
    ///
    /// # Errors
    ///
    /// [`MachineError::Watchdog`].
    pub(crate) fn begin(&self, limits: &Limits) -> Result<(), MachineError> {
        let (started, wall_time) = (Instant::now(), limits.wall_time);
        let ring: Arc<dyn Ring> = self.0.clone();
        let deadline = wall_time.and_then(|time| started.checked_add(time));
        let alarm = Watchdog::shared()?.add(deadline, Arc::downgrade(&ring));
        *lock(&self.0.record) = Some(Record {
            output: OutputCapture::new(limits.output_bytes),
            artifacts: Artifacts::default(),
            usage: Usage::default(),
            unsupported: BTreeMap::new(),
            started,
            stopped: None,
        });
        let guest_time = GuestTime { maximum: limits.guest_time, ..GuestTime::default() };
        *lock(&self.0.current) =
            Some(Current { started, paused: None, wall_time, guest_time, stop: None, guest: None, alarm });
        Ok(())
    }

    /// Gives the run that has just begun a past.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it wrote more than this run may.
    pub(crate) fn take_over(&self, past: &Past) -> Result<(), LimitError> {
        // A system that started later than the run did has no such instant; the run then gets its time once more.
        let started = Instant::now().checked_sub(past.usage.wall_time);
        if let Some(current) = lock(&self.0.current).as_mut() {
            current.started = started.unwrap_or(current.started);
            current.guest_time.used = past.usage.guest_time;
        }
        let mut record = lock(&self.0.record);
        let Some(record) = record.as_mut() else { return Ok(()) };
        record.started = started.unwrap_or(record.started);
        record.usage = past.usage;
        record.unsupported.clone_from(&past.unsupported);
        record.output.write(OutputStream::Stdout, &past.stdout)?;
        record.output.write(OutputStream::Stderr, &past.stderr)
    }

    /// Returns what the run did until now, for another process to take it over.
    pub(crate) fn past(&self) -> Past {
        let record = lock(&self.0.record);
        let Some(record) = record.as_ref() else { return Past::default() };
        Past {
            usage: record.usage(),
            stdout: record.output.bytes(OutputStream::Stdout).to_vec(),
            stderr: record.output.bytes(OutputStream::Stderr).to_vec(),
            unsupported: record.unsupported.clone(),
        }
    }

    /// Stops the clock of a run that waits for somebody outside.
    pub(crate) fn pause(&self) {
        let now = Instant::now();
        if let Some(current) = lock(&self.0.current).as_mut() {
            current.paused.get_or_insert(now);
        }
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.stopped.get_or_insert(now);
        }
    }

    /// Goes on with the clock. Returns whether it stood still.
    pub(crate) fn unpause(&self) -> bool {
        let mut current = lock(&self.0.current);
        let Some(current) = current.as_mut() else { return false };
        let Some(paused) = current.paused.take() else { return false };
        let pause = paused.elapsed();
        current.started += pause;
        if let Some(deadline) = current.deadline() {
            current.alarm.ring_at(deadline);
        }
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.started += pause;
            record.stopped = None;
        }
        true
    }

    /// Returns where counters of a guest that begin at nothing must have stood, for the run to have used what it did.
    pub(crate) fn counted(&self) -> Counted {
        let before = |used: u64| 0_u32.wrapping_sub(u32::try_from(used).unwrap_or(u32::MAX));
        let usage = lock(&self.0.record).as_ref().map(|record| record.usage).unwrap_or_default();
        Counted { page_faults: before(usage.page_faults), syscalls: before(usage.syscalls) }
    }

    /// Returns how long the run that is going on may still take; `None` is for ever.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let current = lock(&self.0.current);
        let current = current.as_ref()?;
        let now = current.paused.unwrap_or_else(Instant::now);
        Some(current.end()?.saturating_duration_since(now))
    }

    /// Ends a run.
    pub(crate) fn end(&self) {
        let ended = lock(&self.0.current).take();
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.stopped.get_or_insert_with(Instant::now);
        }
        drop(ended);
    }

    /// Checks that the run may go on.
    ///
    /// # Errors
    ///
    /// Why it must not.
    pub(crate) fn check_stop(&self) -> Result<(), Error> {
        lock(&self.0.current).as_mut().and_then(Current::stop_reason).map_or(Ok(()), Err)
    }

    /// Notes that a turn starts.
    ///
    /// # Errors
    ///
    /// The reason if the run was stopped; the turn must not start then.
    pub(crate) fn enter_guest(&self, guest: &Arc<dyn Interrupt>) -> Result<(), Error> {
        let mut current = lock(&self.0.current);
        let Some(current) = current.as_mut() else { return Ok(()) };
        match current.stop_reason() {
            Some(error) => Err(error),
            None => {
                current.guest = Some(guest.clone());
                current.guest_time.entered = Some(Instant::now());
                if let Some(end) = current.guest_time.end() {
                    current.alarm.ring_at(end);
                }
                Ok(())
            }
        }
    }

    /// Notes that a turn is over.
    ///
    /// # Errors
    ///
    /// The reason if the run was stopped meanwhile; the turn is void then.
    pub(crate) fn leave_guest(&self) -> Result<(), Error> {
        let mut current = lock(&self.0.current);
        let Some(current) = current.as_mut() else { return Ok(()) };
        current.guest = None;
        let stopped = current.stop_reason();
        current.guest_time.leave();
        stopped.map_or(Ok(()), Err)
    }

    /// Waits, at most until the run's time is over.
    ///
    /// # Errors
    ///
    /// The reason if the run is stopped before.
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Error> {
        self.wait_for(Instant::now().checked_add(time), || None::<()>).map(|_| ())
    }

    /// Waits until `ready` returns something, at most until `end` and until the run's time is over. Whoever makes it ready
    /// calls `wake` then.
    ///
    /// # Errors
    ///
    /// The reason if the run is stopped before.
    pub(crate) fn wait_for<T>(
        &self,
        end: Option<Instant>,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let mut guard = lock(&self.0.current);
        loop {
            let Some(current) = guard.as_mut() else { return Ok(None) };
            if let Some(error) = current.stop_reason() {
                return Err(error);
            }
            if let Some(made) = ready() {
                return Ok(Some(made));
            }
            let now = Instant::now();
            let wake = [end, current.deadline()].into_iter().flatten().min();
            if end.is_some_and(|end| now >= end) {
                return Ok(None);
            }
            guard = match wake {
                Some(wake) => {
                    let wait = wake.saturating_duration_since(now);
                    self.0.stopped.wait_timeout(guard, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.0.stopped.wait(guard).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Returns what of this output would be kept.
    pub(crate) fn fitting<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        lock(&self.0.record).as_ref().map_or(&[], |record| record.output.fitting(data))
    }

    /// Has `wait_for` look again.
    pub(crate) fn wake(&self) {
        // Whoever waits holds the lock but while it sleeps: so this comes before it looks, or while it sleeps.
        drop(lock(&self.0.current));
        self.0.stopped.notify_all();
    }

    /// Keeps what the guest wrote. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if not all of it fits.
    pub(crate) fn write_output(&self, stream: OutputStream, data: &[u8]) -> Result<(), LimitError> {
        lock(&self.0.record).as_mut().map_or(Ok(()), |record| record.output.write(stream, data))
    }

    /// Takes files of /output from now on, into this.
    pub(crate) fn take_artifacts_into(&self, artifacts: Artifacts) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.artifacts = artifacts;
        }
    }

    /// Keeps a piece of a file of /output. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// As for `Artifacts::take`.
    pub(crate) fn take_artifact(
        &self,
        path: &[u8],
        offset: u64,
        data: &[u8],
    ) -> Result<Result<(), Errno>, Error> {
        lock(&self.0.record).as_mut().map_or(Ok(Ok(())), |record| record.artifacts.take(path, offset, data))
    }

    /// Notes the size and the levels of a value that crosses, or tries to.
    pub(crate) fn count_value(&self, crossing: Crossing, value: RawValue<'_>) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            let used = &mut record.usage.values;
            let most_bytes = match crossing {
                Crossing::Inputs => &mut 0,
                Crossing::Arguments => &mut used.argument_bytes,
                Crossing::ToolResult => &mut used.tool_result_bytes,
                Crossing::Result => &mut used.result_bytes,
            };
            *most_bytes = (*most_bytes).max(count(value.as_bytes().len()));
            used.depth = used.depth.max(count(value.depth()));
        }
    }

    /// Notes the size of the code.
    pub(crate) fn count_code(&self, code: &str) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.usage.values.code_bytes = count(code.len());
        }
    }

    /// Notes what was done with files of mounts.
    pub(crate) fn count_files(&self, files: FileUsage) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.usage.files = files;
        }
    }

    /// Adds a turn to what the run used. Counters are guest-controlled and `before` is where they stood when it began.
    pub(crate) fn count_turn(&self, counters: &ExitHeader, before: Counted, guest_time: Duration) {
        let mut record = lock(&self.0.record);
        let Some(record) = record.as_mut() else { return };
        let usage = &mut record.usage;
        usage.turns = usage.turns.saturating_add(1);
        usage.guest_time = usage.guest_time.saturating_add(guest_time);
        let peak = u64::from(counters.pages_peak).saturating_mul(PAGE_BYTES);
        usage.memory_peak_bytes = usage.memory_peak_bytes.max(peak);
        usage.page_faults = counters.page_faults.wrapping_sub(before.page_faults).into();
        usage.syscalls = counters.syscalls.wrapping_sub(before.syscalls).into();
        for tried in counters.unsupported() {
            let count = record.unsupported.entry(tried.nr).or_default();
            *count = count.saturating_add(tried.count.into());
        }
    }

    /// Notes what HTTP used.
    pub(crate) fn count_http(&self, used: HttpUsage) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.usage.http_requests = used.requests;
            record.usage.http_request_bytes = used.request_bytes;
            record.usage.http_response_bytes = used.response_bytes;
            record.usage.http_time = used.time;
        }
    }

    /// Notes how many tool calls were made.
    pub(crate) fn count_calls(&self, calls: u64) {
        if let Some(record) = lock(&self.0.record).as_mut() {
            record.usage.tool_calls = calls;
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Current {
    /// When the time is over, if none passes meanwhile.
    fn end(&self) -> Option<Instant> {
        self.wall_time.and_then(|time| self.started.checked_add(time))
    }

    fn deadline(&self) -> Option<Instant> {
        if self.paused.is_some() {
            return None;
        }
        [self.end(), self.guest_time.end()].into_iter().flatten().min()
    }

    fn stop_reason(&mut self) -> Option<Error> {
        if self.stop.is_none()
            && let Some(deadline) = self.deadline()
            && Instant::now() >= deadline
        {
            let is_wall_time = self.end().is_some_and(|end| end <= deadline);
            self.stop = Some(if is_wall_time { Stop::TimeLimit } else { Stop::GuestTimeLimit });
        }
        match self.stop.clone()? {
            Stop::Cancelled { reason } => Some(Error::Cancelled { reason }),
            Stop::GuestTimeLimit => {
                let used = millis_up(self.guest_time.used());
                let maximum = millis_up(self.guest_time.maximum.unwrap_or_default());
                Some(LimitError { limit: LimitKind::GuestTime, used, maximum }.into())
            }
            Stop::TimeLimit => {
                let used = millis_up(self.started.elapsed());
                let maximum = millis_up(self.wall_time.unwrap_or_default());
                Some(LimitError { limit: LimitKind::WallTime, used, maximum }.into())
            }
        }
    }
}

impl GuestTime {
    fn used(&self) -> Duration {
        self.used + self.entered.map_or(Duration::ZERO, |entered| entered.elapsed())
    }

    /// When the time is over, if the turn that is going on lasts so long.
    fn end(&self) -> Option<Instant> {
        self.entered?.checked_add(self.maximum?.saturating_sub(self.used))
    }

    fn leave(&mut self) {
        self.used = self.used();
        self.entered = None;
    }
}

impl Ring for Shared {
    fn ring(&self) -> Option<Duration> {
        let guest = {
            let mut current = lock(&self.current);
            let current = current.as_mut()?;
            if current.stop_reason().is_none() {
                return current.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            }
            current.guest.clone()
        };
        self.stopped.notify_all();
        guest?.interrupt();
        Some(REPEAT)
    }
}

impl Record {
    fn usage(&self) -> Usage {
        let wall_time = self.stopped.unwrap_or_else(Instant::now).saturating_duration_since(self.started);
        let output_bytes = u64::try_from(self.output.len_bytes()).unwrap_or(u64::MAX);
        Usage { wall_time, output_bytes, output_files: self.artifacts.usage(), ..self.usage }
    }

    fn report(&self) -> Report {
        Report {
            stdout: self.output.text(OutputStream::Stdout),
            stderr: self.output.text(OutputStream::Stderr),
            files: self.artifacts.files(),
            usage: self.usage(),
            unsupported_syscalls: self
                .unsupported
                .iter()
                .map(|(&nr, &count)| (name_of(nr.into()), count))
                .collect(),
        }
    }
}

fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
