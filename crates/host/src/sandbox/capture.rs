//! Taking a sandbox's state, and going on from one.
//!
//! Guarantees: a snapshot is taken at rest, between runs or while a run waits for a tool; the sandbox goes on as if none
//! had been taken. What goes on from it passes the same gates, with what the run has used charged already.
//! Never: takes what a saved run says for granted.
//!
//! Before: `sandbox`. After: `snapshot`, `guest`, the engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hypercell_abi::NamedValues;
use hypercell_abi::message::ToolCall as WireCall;

use super::{Held, Sandbox, SandboxOptions, StateMode, Supply};
use crate::answers::{PendingCall, Run};
use crate::artifacts::Artifacts;
use crate::engine::EngineSource;
use crate::error::{Error, SnapshotError, UsageError};
use crate::gate::{FileBudgets, HttpGate, HttpUsage, Network, ToolGate};
use crate::guest::Guest;
use crate::in_flight::InFlight;
use crate::run::ToolCall;
use crate::snapshot::{Base, Origin, SavedCall, SavedRun, Snapshot};
use crate::watchdog::Timeout;

/// How long a guest may take to come to rest, and the library to copy it.
const CAPTURE_TIME: Duration = Duration::from_secs(60);

impl Sandbox {
    /// Takes a snapshot: of the globals that are kept, or of the run that waits for a tool. Takes about a tenth of a
    /// second and as much memory as the image, 50 MB.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::NothingKept`], after which all is as it was; [`SnapshotError::Vm`] and other errors of the VM,
    /// after which the state is lost; [`Error::Cancelled`] and others that a run was stopped with; [`UsageError::Closed`].
    pub fn snapshot(&mut self) -> Result<Arc<Snapshot>, Error> {
        self.check_open()?;
        if self.run.is_some()
            && let Err(error) = self.control.check_stop()
        {
            // Copies of a run that was stopped would go on with it.
            self.fail(&error);
            return Err(error);
        }
        let run = match &self.run {
            Some(run) => Some(self.saved_run(run)?),
            None if self.options.state == StateMode::Kept => None,
            None => return Err(SnapshotError::NothingKept.into()),
        };
        match run {
            Some(_) => self.wake_guest()?,
            None => self.ready_guest()?,
        }
        let captured = self.capture(run);
        if let Err(error) = &captured {
            self.fail(error);
        }
        captured
    }

    /// Makes a sandbox that goes on from a snapshot. A guest is made when it is needed.
    ///
    /// Each run starts from the snapshot, or from what the last run left if state is kept. Of a snapshot in the middle
    /// of a run the sandbox has that run, paused: `resume` goes on with it.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] where tools or limits differ; [`UsageError`] for a limit or a tool that cannot be.
    pub fn from_snapshot(snapshot: Arc<Snapshot>, options: SandboxOptions) -> Result<Self, Error> {
        snapshot.check(&options)?;
        let mut sandbox = Self::new(Origin::Snapshot(snapshot.clone()), options)?;
        if let Some(saved) = snapshot.run() {
            sandbox.take_over(saved)?;
        }
        Ok(sandbox)
    }

    /// Makes the sandbox of a snapshot on a pool of guests that go on from it.
    ///
    /// # Errors
    ///
    /// As for `from_snapshot`.
    pub fn from_snapshot_in_pool(
        snapshot: &Snapshot,
        pool: crate::pool::Pool,
        options: SandboxOptions,
    ) -> Result<Self, Error> {
        snapshot.check(&options)?;
        Self::in_pool(pool, options)
    }

    fn base(&self) -> Base {
        match &self.supply {
            Supply::OnDemand(origin) => origin.base(),
            Supply::Pool(pool) => pool.source().base(),
        }
    }

    fn saved_run(&self, run: &Run) -> Result<SavedRun, Error> {
        let Some(PendingCall { guest_id, call }) = &run.pending else {
            return Err(UsageError::Closed.into());
        };
        let in_flight = |call: &ToolCall| SavedCall {
            guest_id: run.in_flight.guest_id(call.id).unwrap_or_default(),
            is_in_flight: true,
            call: call.clone(),
        };
        let pending = match *guest_id {
            Some(guest_id) => SavedCall { guest_id, is_in_flight: false, call: call.clone() },
            None => in_flight(call),
        };
        Ok(SavedRun {
            past: self.control.past(),
            calls: self.calls,
            pending,
            queued: run.queued.iter().map(in_flight).collect(),
            pausing: run.pausing.iter().map(in_flight).collect(),
            outcomes: run.in_flight.waiting(),
            growth: run.files.growth().to_vec(),
        })
    }

    fn capture(&mut self, run: Option<SavedRun>) -> Result<Arc<Snapshot>, Error> {
        let base = self.base();
        let Some(mut held) = self.guest.take() else { return Err(UsageError::Closed.into()) };
        let _timeout = Timeout::new(held.guest.link.interrupt.clone(), CAPTURE_TIME)?;
        held.guest.checkpoint()?;
        let vm = held.guest.engine.snapshot().map_err(SnapshotError::Vm)?;
        let snapshot = Arc::new(Snapshot::new(vm, base, &self.options, run));
        // The guest goes on from there, as its copies do: its memory is the snapshot's until it writes.
        let engine = Origin::Snapshot(snapshot.clone()).renew(Some(held.guest.engine));
        let mut guest = Guest::new(engine.map_err(SnapshotError::Vm)?);
        if self.run.is_some() {
            guest.link.counted = self.control.counted();
        }
        self.guest = Some(Held { guest, condition: held.condition, lease: None });
        Ok(snapshot)
    }

    /// Takes a saved run over. Its contents come from outside.
    fn take_over(&mut self, saved: &SavedRun) -> Result<(), Error> {
        let files = self.mounts.budgets(&self.options.limits);
        let run = continued(saved, &self.options, &self.network, files, self.runs.saturating_add(1))?;
        self.control.begin(&self.options.limits)?;
        self.control.take_artifacts_into(Artifacts::new(&self.options.limits, self.output_dir.clone()));
        self.control.pause();
        if let Err(error) = self.control.take_over(&saved.past) {
            self.control.end();
            return Err(SnapshotError::Damaged { detail: error.to_string() }.into());
        }
        self.runs = run.number;
        self.calls = saved.calls;
        self.run = Some(run);
        Ok(())
    }
}

/// Makes the run of what was saved of it.
fn continued(
    saved: &SavedRun,
    options: &SandboxOptions,
    network: &Arc<Network>,
    mut files: FileBudgets,
    number: u64,
) -> Result<Run, SnapshotError> {
    let damaged = |detail: String| SnapshotError::Damaged { detail };
    let mut tools = ToolGate::new(&options.tools, &options.limits);
    tools.take_over(saved.past.usage.tool_calls).map_err(|error| damaged(error.to_string()))?;
    let used = &saved.past.usage;
    let http_used = HttpUsage {
        requests: used.http_requests,
        request_bytes: used.http_request_bytes,
        response_bytes: used.http_response_bytes,
        time: used.http_time,
    };
    let mut http = HttpGate::new(network.clone(), &options.limits);
    http.take_over(&http_used).map_err(|error| damaged(error.to_string()))?;
    files.take_over(&used.files, &saved.growth).map_err(|error| damaged(error.to_string()))?;
    let mut in_flight = InFlight::default();
    for outcome in &saved.outcomes {
        in_flight.take_over(outcome)?;
    }
    for SavedCall { guest_id, call, .. } in saved.in_flight() {
        let args = NamedValues::new(call.args.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        in_flight.admit(&WireCall { id: *guest_id, name: &call.name, args, line: call.line })?;
        in_flight.start(*guest_id, call.id);
    }
    let pending = &saved.pending;
    let calls = |saved: &[SavedCall]| saved.iter().map(|saved| saved.call.clone()).collect::<Vec<_>>();
    Ok(Run {
        number,
        tools,
        http,
        files,
        traced: 0,
        pending: Some(PendingCall {
            guest_id: (!pending.is_in_flight).then_some(pending.guest_id),
            call: pending.call.clone(),
        }),
        in_flight,
        pausing: calls(&saved.pausing),
        queued: VecDeque::from(calls(&saved.queued)),
        caller: None,
    })
}
