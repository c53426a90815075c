//! The life of a sandbox: a guest for each run, turns until the run is over, and what becomes of the guest then.
//!
//! Guarantees: a run starts in a guest as the image made it, or, if state is kept, as the last run left it. After
//! anything but a clean end (a limit, a stop, a crash, a broken rule) the guest is dropped, and kept state with it; the
//! next run starts as the image does. `start` and `resume` return within the wall-time limit.
//! Never: looks at guest bytes (`channel`), decides (`dispatch`), or runs a tool (the caller). `capture` takes snapshots.
//!
//! Before: the caller. After: `channel` and the engine for each turn, `dispatch` for each answer.

mod capture;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use hypercell_abi::HostFrame;
use hypercell_abi::message::RunRequest;

use crate::answers::{Answers, Flow, PendingCall, Run};
use crate::artifacts::{self, Artifacts};
use crate::audit::{AuditEvent, AuditLog, RunEnding};
use crate::channel::Outgoing;
use crate::clock;
use crate::control::{Control, Counted, Crossing};
use crate::dispatch;
use crate::engine::{Engine, EngineSource, VmError};
use crate::error::{CrashError, Error, MachineError, SnapshotError, UsageError};
use crate::gate::{HttpGate, HttpPolicy, MountGate, Network, ToolGate};
use crate::guest::Guest;
use crate::in_flight::InFlight;
use crate::limits::{self, Limits, ToolInfo};
use crate::mounts::MountInfo;
use crate::pool::{Lease, Pool, TakeError};
use crate::preflight;
use crate::run::{CodeError, Done, OwnedValue, Report, RunSpec, Step, ToolCall, ToolCaller, ToolReply};
use crate::snapshot::Origin;
use crate::trace::SyscallTrace;

/// What becomes of Python's globals after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StateMode {
    /// Each run starts as the image does.
    #[default]
    Fresh,
    /// They stay, until `reset`, the end of the interpreter, or a run that returns an error.
    Kept,
}

/// How a sandbox behaves: no tools, fresh state, default limits and no audit hook, unless said.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Tools that the guest may call; no other call is allowed.
    pub tools: Vec<ToolInfo>,
    /// What of the network the guest may reach; nothing else can be.
    pub http: HttpPolicy,
    /// What becomes of globals after a run.
    pub state: StateMode,
    /// Ceilings for each run.
    pub limits: Limits,
    /// Directories of the host that the guest may use; no other file of the host can be reached.
    pub mounts: Vec<MountInfo>,
    /// Where files of /output go instead of into the report.
    pub output_dir: Option<PathBuf>,
    /// Who hears of decisions.
    pub audit: AuditLog,
    /// Who hears of system calls; each costs it about a tenth of a millisecond.
    pub trace: SyscallTrace,
}

/// Runs code in guests that `S` makes, one run at a time.
///
/// The flow of one run is `start`, then `resume` for each [`Step::ToolCall`], until [`Step::Done`].
pub struct Sandbox<S: EngineSource + 'static = Origin> {
    supply: Supply<S>,
    options: SandboxOptions,
    network: Arc<Network>,
    mounts: MountGate,
    output_dir: Option<Arc<Dir>>,
    guest: Option<Held<S>>,
    is_closed: bool,
    run: Option<Run>,
    runs: u64,
    calls: u64,
    control: Control,
}

/// Where guests come from.
enum Supply<S: EngineSource + 'static> {
    /// Each is made, or the last one restored, when a run needs it.
    OnDemand(S),
    /// Prepared ones, shared with other sandboxes.
    Pool(Pool<S>),
}

/// The guest of a sandbox.
struct Held<S: EngineSource + 'static> {
    guest: Guest<S::Engine>,
    condition: Condition,
    /// Tells the pool, if it is one of a pool's, that it will come back soon.
    lease: Option<Lease<S>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Nothing ran in it, or what ran may stay.
    Ready,
    /// Something ran in it that the next run must not see.
    Used,
}

impl<S: EngineSource + 'static> Sandbox<S> {
    /// Checks the options. No guest is made before the first run, or `prepare`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a limit or a tool that cannot be.
    pub fn new(source: S, options: SandboxOptions) -> Result<Self, Error> {
        Self::with_supply(Supply::OnDemand(source), options)
    }

    /// The same, with guests from a pool.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a limit or a tool that cannot be.
    pub fn in_pool(pool: Pool<S>, options: SandboxOptions) -> Result<Self, Error> {
        Self::with_supply(Supply::Pool(pool), options)
    }

    fn with_supply(supply: Supply<S>, options: SandboxOptions) -> Result<Self, Error> {
        options.limits.check()?;
        limits::check_tools(&options.tools)?;
        let network = Arc::new(Network::new(options.http.clone()));
        let mounts = MountGate::open(&options.mounts)?;
        let output_dir = options.output_dir.as_deref().map(artifacts::open_dir).transpose()?;
        Ok(Self {
            supply,
            options,
            network,
            mounts,
            output_dir,
            guest: None,
            is_closed: false,
            run: None,
            runs: 0,
            calls: 0,
            control: Control::new(),
        })
    }

    /// Returns what stops and watches runs from other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Makes a guest ready, so that the next `start` need not wait for that.
    ///
    /// # Errors
    ///
    /// [`Error::Machine`]; [`UsageError::Closed`], [`UsageError::RunPending`].
    pub fn prepare(&mut self) -> Result<(), Error> {
        self.check_idle()?;
        self.ready_guest()
    }

    /// Runs code until it is done or calls a tool.
    ///
    /// # Errors
    ///
    /// Every [`Error`] but [`Error::Image`]. After [`Error::Usage`] the guest is as it was.
    pub fn start(&mut self, spec: &RunSpec<'_>) -> Result<Step, Error> {
        self.start_with(spec, None)
    }

    /// The same, with somebody who runs tools without a step for each.
    ///
    /// # Errors
    ///
    /// As for `start`; [`Error::Cancelled`] also if the caller stops the run.
    pub fn start_with(
        &mut self,
        spec: &RunSpec<'_>,
        caller: Option<Arc<dyn ToolCaller>>,
    ) -> Result<Step, Error> {
        if self.run.is_some()
            && let Err(error) = self.control.check_stop()
        {
            // The last run was stopped while a tool ran, and nobody came back for it.
            self.fail(&error);
            if self.options.state == StateMode::Kept {
                // What was kept went with it, which somebody has to hear of.
                return Err(error);
            }
        }
        self.check_idle()?;
        spec.check(&self.options.limits)?;
        self.control.begin(&self.options.limits)?;
        self.control.count_code(spec.code);
        self.control.count_value(Crossing::Inputs, spec.inputs.as_value());
        let artifacts = Artifacts::new(&self.options.limits, self.output_dir.clone());
        self.control.take_artifacts_into(artifacts);
        self.runs = self.runs.saturating_add(1);
        let run = self.runs;
        self.run = Some(Run {
            number: run,
            tools: ToolGate::new(&self.options.tools, &self.options.limits),
            http: HttpGate::new(self.network.clone(), &self.options.limits),
            files: self.mounts.budgets(&self.options.limits),
            traced: 0,
            pending: None,
            in_flight: InFlight::default(),
            pausing: Vec::new(),
            queued: VecDeque::new(),
            caller,
        });
        let event = AuditEvent::RunStarted { run, name: spec.name, code_bytes: spec.code.len() };
        self.options.audit.record(&event);
        let step = self.first_turn(spec).and_then(|turn| self.drive(turn));
        self.settle(step)
    }

    /// Answers a tool call and goes on until the run is done or calls a tool.
    ///
    /// # Errors
    ///
    /// Every [`Error`] but [`Error::Image`]. After [`UsageError::NoSuchCall`] and [`UsageError::ReplyTooLong`] the
    /// run still waits.
    pub fn resume(&mut self, call: u64, reply: ToolReply<'_>) -> Result<Step, Error> {
        self.resume_with(call, reply, None)
    }

    /// The same, with somebody else who runs further tools. A run that is paused goes on, and so does its clock; whoever
    /// ran its tools before is forgotten.
    ///
    /// # Errors
    ///
    /// As for `resume`; [`Error::Cancelled`] also if the caller stops the run.
    pub fn resume_with(
        &mut self,
        call: u64,
        reply: ToolReply<'_>,
        caller: Option<Arc<dyn ToolCaller>>,
    ) -> Result<Step, Error> {
        self.check_open()?;
        if self.pending().is_none_or(|pending| pending.id != call) {
            return Err(UsageError::NoSuchCall { call }.into());
        }
        let woken = self.wake_guest();
        self.settle(woken)?;
        let (Some(held), Some(run)) = (self.guest.as_mut(), self.run.as_mut()) else {
            return Err(UsageError::NoSuchCall { call }.into());
        };
        let link = &mut held.guest.link;
        link.channel.trace_syscalls(self.options.trace.wants_more(run.traced));
        let flow = Answers::new(&self.options, &self.control, link, run, &mut self.mounts, &mut self.calls)
            .reply(call, reply, false)?;
        if caller.is_some() {
            run.caller = caller;
        }
        if self.control.unpause() {
            self.options.audit.record(&AuditEvent::RunResumed { run: run.number, call });
        }
        let step = match flow {
            Flow::CallTool => self.step(),
            Flow::Turn(turn) | Flow::FileTurn(turn) => self.drive(turn),
            Flow::Finish(..) | Flow::FinishGone(_) => Err(UsageError::NoSuchCall { call }.into()),
        };
        self.settle(step)
    }

    /// Returns the call that the run waits for, if there is one.
    #[must_use]
    pub fn pending(&self) -> Option<&ToolCall> {
        self.run.as_ref()?.pending.as_ref().map(|pending| &pending.call)
    }

    /// Sees to it that the guest of a run that waits is there, and is unlike any other that waits so.
    fn wake_guest(&mut self) -> Result<(), Error> {
        let source = match &self.supply {
            Supply::OnDemand(source) if source.is_in_run() => Some(source),
            _ => None,
        };
        if self.guest.is_none()
            && let Some(source) = source
        {
            let mut guest = Guest::of(source, source.create().map_err(start_error)?);
            guest.link.counted = self.control.counted();
            self.guest = Some(Held { condition: Condition::Used, ..Held::new(guest, None) });
        }
        let Some(held) = &mut self.guest else { return Ok(()) };
        if !held.guest.is_ours() {
            let reason = "it began in another process, which this one was forked from";
            return Err(Error::Cancelled { reason: reason.into() });
        }
        self.seed_guest()
    }

    /// Gives a copy random numbers of its own. Its guest is not to be trusted to answer, so the run's time counts.
    fn seed_guest(&mut self) -> Result<(), Error> {
        let Some(Held { guest, .. }) = &mut self.guest else { return Ok(()) };
        if !guest.needs_seed {
            return Ok(());
        }
        let was_paused = self.control.unpause();
        let seeded = self.control.enter_guest(&guest.link.interrupt).and_then(|()| guest.reseed());
        self.control.leave_guest()?;
        if was_paused {
            self.control.pause();
        }
        seeded
    }

    /// Gives the run up, if there is one, because what the guest sent in it cannot be used.
    ///
    /// For a caller that decodes values and finds one that is no value.
    pub fn abandon(&mut self, error: &Error) {
        if self.run.is_some() || self.guest.is_some() {
            self.fail(error);
        }
    }

    /// Drops kept state, and any run that waits. The next run starts as the image does.
    ///
    /// # Errors
    ///
    /// [`UsageError::Closed`].
    pub fn reset(&mut self) -> Result<(), Error> {
        self.check_open()?;
        if self.run.is_some() {
            self.fail(&Error::Cancelled { reason: "reset".into() });
        }
        self.return_guest();
        if let Some(held) = &mut self.guest {
            held.condition = Condition::Used;
        }
        self.mounts.close_all();
        Ok(())
    }

    /// Drops the guest, or gives it back to its pool. Every later call but this one is [`UsageError::Closed`].
    pub fn close(&mut self) {
        if self.run.is_some() {
            self.fail(&Error::Cancelled { reason: "closed".into() });
        }
        self.return_guest();
        self.guest = None;
        (self.mounts, self.output_dir) = (MountGate::default(), None);
        self.is_closed = true;
    }

    /// Returns what the current or last run wrote and used.
    #[must_use]
    pub fn partial(&self) -> Option<Report> {
        self.control.partial()
    }

    fn check_open(&self) -> Result<(), UsageError> {
        if self.is_closed { Err(UsageError::Closed) } else { Ok(()) }
    }

    /// Returns the pending call as a step. One that pauses stops the clock, and its guest is no longer waited for.
    fn step(&mut self) -> Result<Step, Error> {
        let Some(run) = &mut self.run else { return Err(UsageError::Closed.into()) };
        let Some(PendingCall { call, .. }) = &run.pending else { return Err(UsageError::Closed.into()) };
        if run.tools.pauses(&call.name) {
            // Whoever goes on with it may be somebody else.
            run.caller = None;
            self.control.pause();
            let event = AuditEvent::RunPaused { run: run.number, call: call.id, name: &call.name };
            self.options.audit.record(&event);
            if let Some(held) = &mut self.guest {
                held.lease = None;
            }
        }
        Ok(Step::ToolCall(call.clone()))
    }

    fn check_idle(&self) -> Result<(), UsageError> {
        self.check_open()?;
        match self.pending() {
            Some(call) => Err(UsageError::RunPending { tool: call.name.clone() }),
            None => Ok(()),
        }
    }

    /// Sees to it that there is a guest in which a run may start.
    fn ready_guest(&mut self) -> Result<(), Error> {
        // A child that was forked has the parent's sandbox, but not its VM.
        let held = self.guest.take().filter(|held| held.guest.is_ours());
        let held = match (held, &self.supply) {
            (Some(held), _) if held.condition == Condition::Ready => {
                self.guest = Some(held);
                return Ok(());
            }
            (_, Supply::OnDemand(source)) if source.is_in_run() => {
                return Err(SnapshotError::RunIsOver.into());
            }
            (held, Supply::OnDemand(source)) => {
                let engine = source.renew(held.map(|held| held.guest.engine)).map_err(start_error)?;
                Held::new(Guest::of(source, engine), None)
            }
            (_, Supply::Pool(pool)) => {
                let (guest, lease) = pool.take().map_err(|error| match error {
                    TakeError::Closed => UsageError::PoolClosed.into(),
                    TakeError::Vm(error) => start_error(error),
                })?;
                // Kept state keeps its guest, so that the pool had better not wait for it.
                Held::new(guest, lease.filter(|_| self.options.state == StateMode::Fresh))
            }
        };
        // What was open in the last guest is unknown to this one.
        self.mounts.close_all();
        self.guest = Some(held);
        Ok(())
    }

    /// Gives the guest back, if there is a pool to take it: the next run must not have it.
    fn return_guest(&mut self) {
        if let Supply::Pool(pool) = &self.supply
            && let Some(held) = self.guest.take()
        {
            pool.give_back(held.guest, held.lease);
        }
    }

    fn first_turn(&mut self, spec: &RunSpec<'_>) -> Result<Vec<u8>, Error> {
        let seed = clock::entropy()?;
        self.ready_guest()?;
        self.seed_guest()?;
        let keep = self.options.state == StateMode::Kept || self.supply.has_state();
        let Some(Held { guest, .. }) = &mut self.guest else { return Err(UsageError::Closed.into()) };
        let options = &self.options;
        let request = RunRequest {
            code: spec.code,
            name: spec.name,
            inputs: spec.inputs,
            tools: options.tools.iter().map(|tool| (tool.name.as_str(), tool.doc.as_str())).collect(),
            keep,
            seed,
            max_value_bytes: options.limits.result_bytes,
        };
        guest.link.channel.limit_memory(options.limits.memory_pages());
        if self.mounts.has_mounts() {
            guest.link.channel.announce_mounts();
        }
        guest.link.channel.trace_syscalls(options.trace.wants_more(0));
        guest.link.channel.encode(&Outgoing::Program(HostFrame::RunRequest(request)))
    }

    /// Takes turns with the guest until the caller is needed.
    fn drive(&mut self, mut turn: Vec<u8>) -> Result<Step, Error> {
        loop {
            let (flow, counted) = self.enter(&turn)?;
            match flow {
                Flow::Turn(next) | Flow::FileTurn(next) => turn = next,
                Flow::CallTool => return self.step(),
                Flow::Finish(outcome, exit_code) => {
                    if let Some(held) = &mut self.guest {
                        held.guest.link.counted = counted;
                        if self.options.state == StateMode::Kept {
                            held.condition = Condition::Ready;
                        }
                    }
                    return Ok(self.finish(outcome, exit_code));
                }
                Flow::FinishGone(status) => {
                    let error = CodeError {
                        type_name: "SystemExit".into(),
                        message: format!("os._exit({status})"),
                        traceback: String::new(),
                        line: None,
                    };
                    return Ok(self.finish(Err(error), Some(status)));
                }
            }
        }
    }

    /// Gives the guest one turn, answers it while it stays in its VM, and returns what it left for.
    fn enter(&mut self, turn: &[u8]) -> Result<(Flow, Counted), Error> {
        let (Some(held), Some(run)) = (self.guest.as_mut(), self.run.as_mut()) else {
            return Err(UsageError::Closed.into());
        };
        let Held { guest: Guest { engine, link, .. }, condition, .. } = held;
        self.control.enter_guest(&link.interrupt)?;
        *condition = Condition::Used;
        let mut answers =
            Answers::new(&self.options, &self.control, link, run, &mut self.mounts, &mut self.calls);
        let returned = engine.enter(turn, &mut |asked| answers.answer(asked));
        let guest_time = answers.entered.elapsed();
        let stopped = self.control.leave_guest();
        let flow = match answers.left.take() {
            Some(Err(error)) => return Err(error),
            left => {
                stopped?;
                let bytes = returned.map_err(|error| turn_error(error, self.options.limits.memory_bytes))?;
                match left {
                    Some(flow) => flow?,
                    None => answers.handle(&bytes, guest_time, false)?,
                }
            }
        };
        Ok((flow, answers.counted))
    }

    fn finish(&mut self, outcome: Result<OwnedValue, CodeError>, exit_code: Option<i64>) -> Step {
        let ending = if outcome.is_ok() { RunEnding::Value } else { RunEnding::Exception };
        self.end_run(ending);
        if self.options.state == StateMode::Fresh {
            self.return_guest();
        }
        let report = self.control.partial().unwrap_or_default();
        Step::Done(Box::new(Done { outcome, exit_code, report }))
    }

    /// Does what a failed step means for the run and the guest.
    fn settle<T>(&mut self, step: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &step {
            self.fail(error);
        }
        step
    }

    /// Ends the run; the guest too, unless it never noticed.
    fn fail(&mut self, error: &Error) {
        if let (Error::Limit(limit), Some(run)) = (error, &self.run) {
            self.options.audit.record(&AuditEvent::LimitReached { run: run.number, error: limit });
        }
        let ending = RunEnding::of(error);
        if !matches!(error, Error::Usage(_)) {
            self.guest = None;
        }
        self.end_run(ending);
    }

    fn end_run(&mut self, ending: RunEnding) {
        self.control.end();
        if self.options.state == StateMode::Fresh || self.guest.is_none() {
            self.mounts.close_all();
        }
        if let Some(run) = self.run.take() {
            self.options.audit.record(&AuditEvent::RunEnded { run: run.number, ending });
        }
    }
}

impl<S: EngineSource + 'static> fmt::Debug for Sandbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("is_closed", &self.is_closed)
            .field("runs", &self.runs)
            .field("has_guest", &self.guest.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: EngineSource + 'static> Supply<S> {
    fn has_state(&self) -> bool {
        match self {
            Self::OnDemand(source) => source.has_state(),
            Self::Pool(pool) => pool.source().has_state(),
        }
    }
}

impl<S: EngineSource + 'static> Held<S> {
    fn new(guest: Guest<S::Engine>, lease: Option<Lease<S>>) -> Self {
        Self { guest, condition: Condition::Ready, lease }
    }
}

/// Explains why no guest could be made.
fn start_error(error: VmError) -> Error {
    match error {
        VmError::Unavailable { .. } => match preflight::first_failure(None) {
            Some(check) => MachineError::Unavailable { check }.into(),
            None => MachineError::Hypervisor(error).into(),
        },
        VmError::Crashed { detail } => CrashError::Vm { report: detail }.into(),
        _ => MachineError::Hypervisor(error).into(),
    }
}

/// Explains why a turn did not end with one.
fn turn_error(error: VmError, max_memory_bytes: u64) -> Error {
    match error {
        VmError::Crashed { detail } => match dispatch::death_of_kernel(&detail, "", max_memory_bytes) {
            Error::Crash(_) => CrashError::Vm { report: detail }.into(),
            limit => limit,
        },
        _ => MachineError::Hypervisor(error).into(),
    }
}
