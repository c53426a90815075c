"""The runs of one sandbox: a job for the worker, the wait for its end or its limit, and what it ended with.

The caller's thread hands a run to a worker (`_worker`) and waits for its end, for the wall-time limit, or for
somebody to stop it. The worker goes into the guest, runs the tools that the guest calls, and goes in again (`_drive`).

Before: `_sandbox`, `_async`. After: `_worker`, `_drive`, the native module.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import _drive, _process
from ._drive import OnOutput, Reply
from ._errors import (
    GuestCrashError,
    LimitError,
    OutputDirError,
    PolicyError,
    ProtocolError,
    RunCancelledError,
    SandboxBusyError,
    SandboxClosedError,
    SandboxPoisonedError,
    TimeLimitError,
    ValueNotSendableError,
)
from ._hooks import Hooks
from ._limits import Limits
from ._result import PendingCall, RunResult, result_of
from ._stops import CALLER_LEFT, CLOSED, EXITING, TIME_IS_OVER, error_of
from ._tools import ArgumentError, Tool
from ._worker import Home, Job, Worker

# The native side stops a guest at its deadline; a little later this side takes over.
GRACE_S = 0.05
# How long an interrupted guest may take to stop before its thread is left behind, and how often it is interrupted.
_STOP_S = 2.0
_REPEAT_S = 0.02
# How often a waiting caller looks for Ctrl-C: a signal just before the wait for a lock does not end that wait.
_LOOK_S = 0.2
# How long `close` waits for an idle worker to end.
_JOIN_S = 0.2


class Runner:
    """What a sandbox runs in, one run at a time, and what is left of the last one."""

    def __init__(
        self,
        make_native: Callable[[], Any],
        tools: Mapping[str, Tool],
        hooks: Hooks,
        limits: Limits,
        *,
        keep_state: bool,
        starts_paused: bool,
    ) -> None:
        """Makes one that is ready to run.

        Args:
            make_native: Makes a native sandbox: at once, and in place of one that is left behind.
            tools: What submitted code may call, by name.
            hooks: What the caller is asked and told.
            limits: Ceilings for each run.
            keep_state: Whether globals stay from run to run.
            starts_paused: Whether native sandboxes begin in the middle of a run.

        Raises:
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        self._make_native, self._tools, self._hooks = make_native, tools, hooks
        self._limits, self._keep_state, self._starts_paused = limits, keep_state, starts_paused
        self.native = make_native()
        # The native call at which the run is paused.
        self._paused_at: Any = self.native.pending() if starts_paused else None
        self._left_behind: Any = None
        self._running = threading.Lock()
        self._job: Job | None = None
        self._worker: Worker | None = None
        self._lost: str | None = None
        self.is_closed = False
        _process.add(self)

    @property
    def is_running(self) -> bool:
        """Whether a thread has taken the sandbox."""
        return self._running.locked()

    @property
    def pending(self) -> PendingCall | None:
        """The call at which the run is paused, if it is."""
        call = self._paused_at
        if call is None:
            return None
        try:
            return PendingCall(call.name, self._tools[call.name].by_name(call.args), call.line)
        except ArgumentError:
            return PendingCall(call.name, call.args, call.line)

    def acquire(self) -> None:
        """Takes the sandbox for this thread, until `release`.

        Raises:
            SandboxBusyError, SandboxClosedError, SandboxPoisonedError: As for `Sandbox.run`.
        """
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; use one sandbox for each thread")
        try:
            self._check_usable()
        except BaseException:
            self._running.release()
            raise

    def release(self) -> None:
        """Gives the sandbox back."""
        self._job = None
        self._running.release()

    def start_of(
        self, code: str, filename: str, inputs: dict[str, Any], on_output: OnOutput | None
    ) -> Callable[[Job], Any]:
        """Returns the work of a run."""
        return functools.partial(
            _drive.start, self.native, self._tools, self._hooks, on_output, code, filename, inputs
        )

    def rest_of(self, reply: Reply, on_output: OnOutput | None) -> Callable[[Job], Any]:
        """Returns the work of what is left of a paused run.

        Raises:
            PolicyError: No run is paused.
        """
        call = self._paused_at
        if call is None:
            raise PolicyError("no run is paused in this sandbox")
        return functools.partial(_drive.resume, self.native, self._tools, self._hooks, on_output, call, reply)

    def run(self, work: Callable[[Job], Any], time_s: float | None) -> RunResult:
        """Does the work on the worker and returns what it ended with; the caller has taken the sandbox.

        Args:
            work: As `start_of` and `rest_of` return it.
            time_s: How long it may take, in seconds; `None` is for ever.
        """
        started = time.monotonic()
        job = self.new_job(work, time_s)
        try:
            self.submit(job)
            self._wait(job)
        except BaseException:
            self.end(job, CALLER_LEFT)
            self.lose("the run was interrupted")
            raise
        finally:
            if self.is_closed:
                self._drop_worker()
        return self.outcome(job, time.monotonic() - started)

    def new_job(
        self,
        work: Callable[[Job], Any],
        time_s: float | None,
        *,
        home: Home | None = None,
        on_wake: Callable[[], None] | None = None,
    ) -> Job:
        """Makes the job of a run, or of its rest, which `close` and `stop` find from now on."""
        deadline = None if time_s is None else time.monotonic() + time_s
        job = self._job = Job(work, deadline, home=home, on_wake=on_wake)
        # Whoever closed before `close` could find the job is found here.
        self._check_usable()
        return job

    def submit(self, job: Job) -> None:
        """Hands a job to the worker."""
        self._ready_worker().submit(job)

    def forget_job(self, job: Job) -> None:
        """Notes that nobody waits for a job any more."""
        if self._job is job:
            self._job = None
        if self.is_closed:
            self._drop_worker()

    def end(self, job: Job, reason: str) -> None:
        """Ends a job that goes on, or leaves it behind with its worker. Takes `_STOP_S` at most."""
        until = time.monotonic() + _STOP_S
        try:
            while not job.is_done:
                # Again each time: an interrupt before the guest's first turn does nothing.
                job.stop(reason)
                self.native.interrupt(reason)
                if job.abandon() or time.monotonic() > until:
                    break
                job.wait(0)
                job.wait(_REPEAT_S)
        finally:
            if job.abandon(at_all_costs=True):
                # The worker stays in the native sandbox until its tool returns.
                self._left_behind = self.native
                self.native = self._make_native()
                if self._starts_paused:
                    # This one has the paused run once more, which must not begin again.
                    self.native.reset()
                self._drop_worker()

    def outcome(self, job: Job, used_s: float) -> RunResult:
        """Returns the result of a job that is done or left behind, or raises what it ended with."""
        is_done, error = job.is_done, job.error
        job.error = None
        if is_done and error is None:
            return self._result(job)
        if error is None or (job.stop_reason is not None and isinstance(error, RunCancelledError)):
            error = error_of(job.stop_reason, used_s, self._limits.wall_time_s)
        if isinstance(error, TimeLimitError) and job.blamed_tool is not None:
            error.tool = job.blamed_tool
            error.args = (f"{error}: tool {job.blamed_tool!r} had not returned",)
        if isinstance(error, (LimitError, OutputDirError, GuestCrashError, RunCancelledError, ProtocolError)):
            error.result = self._partial()
        # These say that nothing ran, unless a function of the caller raised them in the middle of the run.
        if job.had_tool or not isinstance(error, (PolicyError, SandboxBusyError, ValueNotSendableError)):
            self.lose(str(error))
        try:
            raise error
        finally:
            # A traceback that refers to itself would keep this sandbox alive.
            del error

    def lose(self, why: str) -> None:
        """Notes that the VM is gone, and with it what it kept."""
        self._paused_at = None
        if self._keep_state:
            self._lost = why

    def reset(self) -> None:
        """Drops kept state and a paused run.

        Raises:
            SandboxClosedError, SandboxBusyError: As for `Sandbox.reset`.
        """
        if self.is_closed:
            raise SandboxClosedError("the sandbox is closed")
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; it cannot be reset now")
        try:
            self.native.reset()
            self._paused_at = self._lost = None
            self._hooks.record("state_reset")
        finally:
            self._running.release()

    def stop(self, reason: str) -> bool:
        """Stops the run that is going on or paused; returns whether there was one."""
        job = self._job
        if job is None:
            return self._paused_at is not None and bool(self.native.interrupt(reason))
        job.stop(reason)
        self.native.interrupt(reason)
        return True

    def close(self) -> None:
        """Ends any run, the worker, and the VM."""
        self.is_closed = True
        was_running = self.stop(CLOSED)
        self._paused_at = None
        self.native.close()
        if not was_running:
            self._drop_worker(_JOIN_S)

    def _check_usable(self) -> None:
        if self.is_closed:
            raise SandboxClosedError("the sandbox is closed")
        if _process.is_exiting():
            raise SandboxClosedError("the sandbox cannot run anything while the process ends")
        if self._lost is not None:
            raise SandboxPoisonedError(
                f"the kept state of this sandbox is lost: {self._lost}; call reset() to start again"
            )

    def _wait(self, job: Job) -> None:
        """Waits until the job is done or left behind."""
        deadline = job.deadline
        while not job.is_done:
            job.wait(_LOOK_S if deadline is None else min(_LOOK_S, deadline - time.monotonic()))
            if job.is_done:
                return
            if job.stop_reason is None:
                if deadline is None or time.monotonic() < deadline:
                    continue
                if job.tool is None and job.wait(GRACE_S):
                    return
            self.end(job, TIME_IS_OVER)
            return

    def _result(self, job: Job) -> RunResult:
        self._paused_at = job.value if hasattr(job.value, "args") else None
        if self._paused_at is not None:
            return result_of(self.native.partial(), self.pending)
        result = result_of(job.value)
        if result.error is not None and result.error.type == "SystemExit" and not result.error.traceback:
            # os._exit, which leaves no traceback, ended the interpreter.
            self.lose(result.error.message)
        return result

    def _partial(self) -> RunResult | None:
        left_behind, self._left_behind = self._left_behind, None
        done = (left_behind or self.native).partial()
        return None if done is None else result_of(done)

    def _ready_worker(self) -> Worker:
        worker = self._worker
        if worker is None or not worker.is_ours:
            worker = self._worker = Worker()
        return worker

    def _drop_worker(self, join_s: float = 0) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(join_s)

    def _end_with_process(self) -> None:
        """Gets the worker out of the guest: a thread that comes back after Python's end would crash the process."""
        job = self._job
        until = time.monotonic() + _STOP_S
        while job is not None and not job.is_done and time.monotonic() < until:
            job.stop(EXITING)
            self.native.interrupt(EXITING)
            if job.abandon():
                break
            time.sleep(_REPEAT_S)

    def _forget_parent(self) -> None:
        """Drops what a forked child cannot use: threads, and locks that they may have held."""
        if self._job is not None:
            self.native = self._make_native()
        self._running = threading.Lock()
        self._job = self._worker = None
