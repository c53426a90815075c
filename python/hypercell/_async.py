"""The sandbox for asyncio: `Sandbox`, awaited.

A run goes on its sandbox's worker thread, as always; here a task waits for it. Async tools run on the event loop of
that task. Guarantees: the loop never waits for a VM, a lock or a file; what must block (making the image, ending a
guest that does not stop, dropping a VM) has a thread of its own meanwhile.

Before: the caller. After: `_sandbox` and `_runner`, on other threads.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._audit import OnAudit
from ._checks import NOT_GIVEN, check_on_output, check_options, checked_inputs, checked_pauses, checked_reply
from ._domains import Domains, collect_domains
from ._drive import OnOutput
from ._errors import PolicyError, SandboxBusyError, SandboxClosedError
from ._hooks import BeforeFileOpen, BeforeHttpRequest, BeforeToolCall, check_hooks
from ._image import Image
from ._limits import Limits
from ._mounts import Mounts, check_output_dir, collect_mounts
from ._pool import Pool
from ._result import PendingCall, RunResult
from ._runner import GRACE_S, Runner
from ._sandbox import Sandbox
from ._snapshot import Snapshot
from ._stops import CALLER_LEFT, TIME_IS_OVER
from ._stream import RunStream
from ._tools import Tool, Tools, collect_tools
from ._trace import OnSyscall, check_trace

# `_loop` brings asyncio, which takes longer to import than all of this package; whoever awaits has it already.
if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._loop import Bell
    from ._worker import Job


class AsyncSandbox:
    """Runs Python in a fresh micro-VM, as `Sandbox` does, for callers on an event loop.

    Many sandboxes run at once on one loop, each one run at a time. The loop is never blocked. Cancelling the task that
    awaits `run`, or a timeout around it, stops the guest and the tools; the sandbox is then ready for the next run.

        async with AsyncSandbox(tools=[fetch]) as box:
            result = await box.run("[fetch(page=n) for n in range(3)]")

    Args:
        tools: As for `Sandbox`. Async tools run on the event loop of whoever awaits `run`, with the context variables
            of that task; sync ones on a thread of the sandbox.
        domains: As for `Sandbox`.
        limits: Ceilings for each run; `Limits()` unless given.
        image: The interpreter to run; this one, without packages, unless given.
        keep_state: Whether globals stay from run to run, until `reset()`.
        prepared, pool, pause_on: As for `Sandbox`.
        on_audit, before_tool_call, before_http_request, before_file_open, trace_syscalls: As for `Sandbox`; called on a
            thread of the sandbox.
        mounts, output_dir: As for `Sandbox`. Directories are opened by the first run or `async with`.

    Raises:
        PolicyError: A tool, a domain or an option cannot be.
    """

    def __init__(
        self,
        tools: Tools = (),
        *,
        domains: Domains = (),
        limits: Limits | None = None,
        image: Image | None = None,
        keep_state: bool = False,
        prepared: int | None = None,
        pool: Pool | None = None,
        pause_on: Iterable[str] = (),
        on_audit: OnAudit | None = None,
        before_tool_call: BeforeToolCall | None = None,
        before_http_request: BeforeHttpRequest | None = None,
        before_file_open: BeforeFileOpen | None = None,
        trace_syscalls: bool | OnSyscall = False,
        mounts: Mounts = (),
        output_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        check_options(limits, image, keep_state, prepared, pool)
        check_hooks(
            on_audit,
            before_tool_call=before_tool_call,
            before_http_request=before_http_request,
            before_file_open=before_file_open,
        )
        check_trace(trace_syscalls)
        collected = collect_tools(tools)
        limits = limits if limits is not None else Limits()
        make = functools.partial(
            Sandbox,
            collected,
            domains=collect_domains(domains),
            limits=limits,
            image=image,
            keep_state=keep_state,
            prepared=prepared,
            pool=pool,
            pause_on=checked_pauses(pause_on, collected),
            mounts=collect_mounts(mounts),
            output_dir=check_output_dir(output_dir),
            on_audit=on_audit,
            trace_syscalls=trace_syscalls,
            before_tool_call=before_tool_call,
            before_http_request=before_http_request,
            before_file_open=before_file_open,
        )
        self._set_up(make, collected, limits, None)

    @classmethod
    def from_snapshot(
        cls,
        snapshot: Snapshot,
        tools: Tools = (),
        *,
        domains: Domains = (),
        limits: Limits | None = None,
        keep_state: bool | None = None,
        prepared: int | None = None,
        pool: Pool | None = None,
        pause_on: Iterable[str] | None = None,
        on_audit: OnAudit | None = None,
        before_tool_call: BeforeToolCall | None = None,
        before_http_request: BeforeHttpRequest | None = None,
        before_file_open: BeforeFileOpen | None = None,
        trace_syscalls: bool | OnSyscall = False,
        mounts: Mounts = (),
        output_dir: str | os.PathLike[str] | None = None,
    ) -> AsyncSandbox:
        """Makes a sandbox that goes on from a snapshot, as `Sandbox.from_snapshot` does.

        Args:
            snapshot: Where to go on from.
            tools: As there, and the rest too. What does not go with the snapshot is refused when the sandbox is made
                ready, by `async with` or by the first call.
            domains: What submitted code may reach by HTTP.
            limits: Ceilings for each run.
            keep_state: Whether globals stay from run to run.
            prepared: VMs kept ready for this sandbox alone.
            pool: The pool to take VMs from.
            pause_on: Names of tools at whose calls a run pauses.
            on_audit: Called with an `AuditEvent` for each decision and each step.
            before_tool_call: Called with a `ToolRequest` before each tool call.
            before_http_request: Called with an `HttpRequest` before each request of HTTP is sent.
            before_file_open: Called with a `FileRequest` before each file of a mount is opened.
            trace_syscalls: True prints each system call of the guest; a function is called with a `Syscall` for each.
            mounts: Directories of the host that submitted code may use.
            output_dir: Directory that gets the files of `/output`.

        Raises:
            PolicyError: A tool or an option cannot be.
        """
        if not isinstance(snapshot, Snapshot):
            raise PolicyError(f"snapshot must be a Snapshot, got {type(snapshot).__name__}")
        check_options(limits, None, bool(keep_state), prepared, pool)
        check_hooks(
            on_audit,
            before_tool_call=before_tool_call,
            before_http_request=before_http_request,
            before_file_open=before_file_open,
        )
        check_trace(trace_syscalls)
        collected = collect_tools(tools)
        limits = limits if limits is not None else snapshot.limits
        make = functools.partial(
            Sandbox.from_snapshot,
            snapshot,
            collected,
            domains=collect_domains(domains),
            limits=limits,
            keep_state=keep_state,
            prepared=prepared,
            pool=pool,
            pause_on=None if pause_on is None else checked_pauses(pause_on, collected),
            mounts=collect_mounts(mounts),
            output_dir=check_output_dir(output_dir),
            on_audit=on_audit,
            trace_syscalls=trace_syscalls,
            before_tool_call=before_tool_call,
            before_http_request=before_http_request,
            before_file_open=before_file_open,
        )
        box = cls.__new__(cls)
        box._set_up(make, collected, limits, snapshot)
        return box

    def _set_up(
        self,
        make: Callable[[], Sandbox],
        tools: Mapping[str, Tool],
        limits: Limits,
        snapshot: Snapshot | None,
    ) -> None:
        self._make, self._names, self._limits, self._snapshot = make, list(tools), limits, snapshot
        self._box: Sandbox | None = None
        self._opening: Future[Sandbox] | None = None
        self._running = threading.Lock()
        self._guard = threading.Lock()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose()` was called."""
        return self._closed

    @property
    def pending(self) -> PendingCall | None:
        """The call at which the run is paused, if it is."""
        if self._box is not None:
            return self._box.pending
        return None if self._snapshot is None else self._snapshot.pending

    async def run(
        self,
        code: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        filename: str = "<code>",
        on_output: OnOutput | None = None,
    ) -> RunResult:
        """Runs code to its end and returns what it ended with.

        The first run makes the sandbox ready, unless `async with` did. What a tool raises beyond `Exception` stops the
        run and is raised here.

        Args:
            code: Python source.
            inputs: Global names that the code finds set, and their values; none unless given.
            filename: What tracebacks call the code.
            on_output: Called with an `OutputEvent` for what the code writes, as it is written, on the event loop. What
                it raises goes to the loop's exception handler.

        Returns:
            Value, output and, if the code raised, its error: an exception of the code is not raised here.

        Raises:
            CancelledError: The awaiting task was cancelled; the guest is stopped by then.
            PolicyError, ValueNotSendableError, LimitError, GuestCrashError, ProtocolError, RunCancelledError,
            SandboxBusyError, SandboxClosedError, SandboxPoisonedError, SandboxUnavailableError, ImageError: As for
                `Sandbox` and `Sandbox.run`.
        """
        given = checked_inputs(self._limits, code, inputs, filename)
        tell = _on_loop(on_output)
        hold = self._acquire("run")
        try:
            runner = (await self._open())._runner
            return await self._run(
                runner, runner.start_of(code, filename, given, tell), self._limits.wall_time_s, hold
            )
        finally:
            hold.release()

    def stream(
        self, code: str, *, inputs: Mapping[str, Any] | None = None, filename: str = "<code>"
    ) -> RunStream:
        """Runs code, and gives its output as it is written.

            async with box.stream(code) as events:
                async for event in events:
                    print(event.stream, event.text)
            events.result

        Args:
            code: As for `run`.
            inputs: As for `run`.
            filename: As for `run`.

        Returns:
            What to enter and iterate over. The end of the run ends the iteration, or raises there what `run` would.
            Leaving early stops the run.
        """
        return RunStream(functools.partial(self.run, code, inputs=inputs, filename=filename))

    async def resume(
        self,
        value: Any = NOT_GIVEN,
        /,
        *,
        error: BaseException | None = None,
        arguments: Mapping[str, Any] | None = None,
        on_output: OnOutput | None = None,
    ) -> RunResult:
        """Goes on with a run that is paused, and returns as `run` does.

        Args:
            value: What the call returns.
            error: What the call raises.
            arguments: What to call the tool of this sandbox with.
            on_output: As for `run`.

        Raises:
            CancelledError: The awaiting task was cancelled; the guest is stopped by then.
            PolicyError: No run is paused here, or not exactly one answer was given.
            ValueNotSendableError: The value cannot cross; the run is still paused.
            LimitError, GuestCrashError, ProtocolError, RunCancelledError, SandboxBusyError, SandboxClosedError,
            SandboxUnavailableError: As for `Sandbox.resume`.
        """
        reply = checked_reply(value, error, arguments)
        tell = _on_loop(on_output)
        hold = self._acquire("run")
        try:
            runner = (await self._open())._runner
            return await self._run(runner, runner.rest_of(reply, tell), runner.native.time_left_s(), hold)
        finally:
            hold.release()

    async def snapshot(self) -> Snapshot:
        """Takes a snapshot, as `Sandbox.snapshot` does, on another thread.

        Raises:
            PolicyError, SandboxBusyError, SandboxClosedError, SandboxPoisonedError, SnapshotError, GuestCrashError,
            ProtocolError: As for `Sandbox.snapshot`.
        """
        from ._loop import in_thread

        hold = self._acquire("be captured")
        try:
            box = await self._open()
            return await in_thread(box.snapshot)
        finally:
            hold.release()

    async def reset(self) -> None:
        """Drops kept state and a paused run; the next run starts as the image or the snapshot does.

        Raises:
            SandboxClosedError: The sandbox is closed.
            SandboxBusyError: Something runs in it.
        """
        from ._loop import in_thread

        hold = self._acquire("be reset")
        try:
            box = self._box
            if box is not None:
                await in_thread(box.reset)
        finally:
            hold.release()

    def cancel(self) -> bool:
        """Stops the run that is going on or paused, from any thread; `run` or `resume` then raises `RunCancelledError`.

        Returns:
            Whether there was one. One that ends at this moment may still return its result.
        """
        box = self._box
        return box is not None and box.cancel()

    async def aclose(self) -> None:
        """Ends the sandbox and any run in it, which then raises `SandboxClosedError`. May be called again."""
        from ._loop import in_thread

        self._closed = True
        box = self._box
        if box is not None:
            await in_thread(box.close)

    async def __aenter__(self) -> AsyncSandbox:
        if self._closed:
            raise SandboxClosedError("the sandbox is closed")
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "ready" if self.pending is None else "paused"
        state = "closed" if self._closed else "running" if self._running.locked() else state
        return f"<hypercell.AsyncSandbox {state}, tools {self._names}>"

    def _acquire(self, what: str) -> _Hold:
        if self._closed:
            raise SandboxClosedError("the sandbox is closed")
        if not self._running.acquire(blocking=False):
            advice = "use one sandbox for each task" if what == "run" else f"it cannot {what} now"
            raise SandboxBusyError(f"this sandbox runs something already; {advice}")
        return _Hold(self._running)

    async def _open(self) -> Sandbox:
        """Returns the sandbox below, which is made first if need be; whoever waits may be cancelled meanwhile."""
        from ._loop import outcome_of, start_thread

        if self._box is not None:
            return self._box
        with self._guard:
            opening = self._opening
            if opening is None or (opening.done() and self._box is None):
                opening = self._opening = start_thread(self._make_box)
        return await outcome_of(opening)

    def _make_box(self) -> Sandbox:
        box = self._make()
        self._box = box
        if self._closed:
            box.close()
        return box

    async def _run(
        self, runner: Runner, work: Callable[[Job], Any], time_s: float | None, hold: _Hold
    ) -> RunResult:
        from ._loop import Bell, CallerLoop

        bell = Bell()
        started = time.monotonic()
        job = runner.new_job(work, time_s, home=CallerLoop(), on_wake=bell.ringer)
        hold.on_release = functools.partial(runner.forget_job, job)
        try:
            runner.submit(job)
            is_done = await _is_done_in_time(job, bell)
        except BaseException as error:
            await _end(runner, job, CALLER_LEFT, hold, is_awaited=not isinstance(error, GeneratorExit))
            raise
        if not is_done:
            await _end(runner, job, TIME_IS_OVER, hold)
        return runner.outcome(job, time.monotonic() - started)


def _on_loop(on_output: OnOutput | None) -> OnOutput | None:
    """Returns what calls a function on the event loop that runs now, from any thread.

    Raises:
        PolicyError: It cannot be called.
    """
    check_on_output(on_output)
    if on_output is None:
        return None
    from ._loop import on_loop

    return on_loop(on_output)


class _Hold:
    """The right to use a sandbox. It may outlive the task that took it, until the guest has stopped."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.on_release: Callable[[], None] | None = None
        self.is_passed_on = False

    def release(self) -> None:
        """Gives the sandbox back, unless that was passed on."""
        if not self.is_passed_on:
            self._give_back()

    def release_after(self, ending: Future[None]) -> None:
        """Gives the sandbox back when something has ended, on whatever thread that happens."""
        self.is_passed_on = True
        ending.add_done_callback(lambda _: self._give_back())

    def _give_back(self) -> None:
        if self.on_release is not None:
            self.on_release()
        self._lock.release()


async def _is_done_in_time(job: Job, bell: Bell) -> bool:
    """Waits for the end of a job; returns False if it has to be ended."""
    while not job.is_done:
        if job.stop_reason is not None:
            return False
        left = None if job.deadline is None else job.deadline - time.monotonic()
        if left is not None and left <= 0:
            if job.tool is None:
                # The native side stops a guest at its deadline.
                await bell.wait(GRACE_S)
            return job.is_done
        await bell.wait(left)
    return True


async def _end(runner: Runner, job: Job, reason: str, hold: _Hold, *, is_awaited: bool = True) -> None:
    """Ends a job on another thread. That gives the sandbox back if nobody waits for it any more."""
    from ._loop import outcome_of, start_thread

    if reason == CALLER_LEFT:
        runner.lose("the run was interrupted")
    try:
        ending = start_thread(functools.partial(runner.end, job, reason))
    except RuntimeError:
        return  # no thread starts any more while the process ends, and what is left of the run ends with it
    if not is_awaited:
        hold.release_after(ending)
        return
    try:
        await outcome_of(ending)
    except BaseException:
        hold.release_after(ending)
        raise
