"""The sandbox: one `run()` from the caller into the VM and back.

The caller's thread hands the run to a worker (`_worker`) and waits for its end, for the wall-time limit, or for
somebody to stop it. The worker goes into the guest, runs the tools that the guest calls, and goes in again.

Before: the caller. After: `_worker`, `_tools`, the native module.
"""

from __future__ import annotations

import atexit
import functools
import keyword
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ._calls import Calls
from ._errors import (
    CodeLimitError,
    CodeTypeError,
    GuestCrashError,
    HypercellError,
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
from ._image import Image, default_image, native
from ._limits import Limits
from ._mounts import Mounts, check_output_dir, collect_mounts, native_mounts
from ._pool import Pool, default_pool
from ._result import RunResult, result_of
from ._tools import Tool, Tools, collect_tools
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

TIME_IS_OVER = "the wall time is over"
_CANCELLED = "cancelled by the caller"
_CLOSED = "the sandbox was closed"
CALLER_LEFT = "the caller was interrupted"
_EXITING = "the process ends"


class Sandbox:
    """Runs Python in a fresh micro-VM, with the tools that it is given and nothing else.

    Any thread may use a sandbox, one run at a time; the interpreter lock is free while the guest runs. A run starts
    from the image, in a VM of its own, unless `keep_state` is set.

        with Sandbox(tools=[list_users]) as box:
            result = box.run("len(list_users())")
            result.value

    Args:
        tools: Functions, `Tool` objects, or a mapping of names to functions: what submitted code may call. Sync tools
            run on a thread of the sandbox, with the context variables of whoever called `run`; async ones on an event
            loop there, the same for all runs. Of those called beside each other (`call_tool_async` in the guest), 8
            sync ones run at once, on threads of the run, and all async ones.
        limits: Ceilings for each run; `Limits()` unless given.
        image: The interpreter to run; this one, without packages, unless given.
        keep_state: Whether globals stay from run to run, until `reset()`.
        prepared: VMs kept ready for this sandbox alone. 0 makes a VM when a run needs it, and restores it at the next
            run. Unless given, all sandboxes on an image share one pool of the process.
        pool: The pool to take VMs from; its image is the sandbox's.
        on_audit: Called with a dict for each decision: runs, tool calls and files allowed and denied.
        mounts: Directories of the host that submitted code may use: a path, which is the same in the guest, a pair of
            host and guest path, or a `Mount`. Read-only unless that says otherwise.
        output_dir: Directory that gets the files of `/output`, in place of those of the same names; without it they are
            in `RunResult.files` with their contents.

    Raises:
        PolicyError: A tool or an option cannot be, or a directory cannot be opened.
        SandboxUnavailableError: This machine cannot start micro-VMs; the message says what to do.
        ImageError: The image of this interpreter cannot be made.
    """

    def __init__(
        self,
        tools: Tools = (),
        *,
        limits: Limits | None = None,
        image: Image | None = None,
        keep_state: bool = False,
        prepared: int | None = None,
        pool: Pool | None = None,
        on_audit: Callable[[dict[str, Any]], None] | None = None,
        mounts: Mounts = (),
        output_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        check_options(limits, image, keep_state, prepared, pool, on_audit)
        self._tools: dict[str, Tool] = collect_tools(tools)
        self._limits = limits if limits is not None else Limits()
        self._keep_state = keep_state
        needed = self._limits.memory_bytes
        if image is None:
            image = pool.image if pool is not None else default_image(needed)
        if needed > image.memory_bytes:
            raise PolicyError(
                f"memory_bytes of {needed} exceeds {image.memory_bytes}, what the image was made for; "
                "make it with Image.from_environment(memory_bytes=...)"
            )
        self._own_pool = Pool(image, prepared=prepared, max_prepared=prepared) if prepared else None
        if pool is None:
            pool = default_pool(image) if prepared is None else self._own_pool
        self._native_options = {
            "pool": pool._native if pool is not None else None,
            "tools": [(tool.name, tool.description) for tool in self._tools.values()],
            "keep_state": self._keep_state,
            "audit": on_audit,
            "mounts": native_mounts(collect_mounts(mounts)),
            "output_dir": check_output_dir(output_dir),
            **{name: getattr(self._limits, name) for name in self._limits.__dataclass_fields__},
        }
        self._image = image
        self._native = self._make_native()
        self._left_behind: Any = None
        self._running = threading.Lock()
        self._job: Job | None = None
        self._worker: Worker | None = None
        self._closed = False
        self._lost: str | None = None
        _live.add(self)

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def run(
        self, code: str, *, inputs: Mapping[str, Any] | None = None, filename: str = "<code>"
    ) -> RunResult:
        """Runs code to its end and returns what it ended with.

        Ctrl-C stops the run and raises KeyboardInterrupt as usual. A tool that has not returned when the run must end
        is left behind with its thread; Python cannot stop it. What a tool raises beyond `Exception`, such as
        KeyboardInterrupt, stops the run and is raised here.

        Args:
            code: Python source.
            inputs: Global names that the code finds set, and their values; none unless given.
            filename: What tracebacks call the code.

        Returns:
            Value, output and, if the code raised, its error: an exception of the code is not raised here.

        Raises:
            PolicyError: `code` is no text, holds NUL or lone surrogates, or is too long; a name of `inputs` is none.
            ValueNotSendableError: An input cannot cross.
            LimitError: The run passed a limit; `result` has what it wrote until then.
            GuestCrashError: The code killed its interpreter.
            ProtocolError: The guest broke the rules of the wire.
            OutputDirError: A file of `/output` cannot be written to `output_dir`.
            RunCancelledError: `cancel()` was called.
            SandboxBusyError: Another thread runs something in this sandbox, or one of its own tools called this.
            SandboxClosedError: The sandbox is closed, or was closed meanwhile.
            SandboxPoisonedError: `keep_state` is set and the last run lost the state.
            SandboxUnavailableError: No VM can be started.
        """
        given = checked_inputs(self._limits, code, inputs, filename)
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; use one sandbox for each thread")
        try:
            self._check_usable()
            return self._run(code, filename, given)
        finally:
            self._job = None
            self._running.release()

    def reset(self) -> None:
        """Drops kept state; the next run starts as the image does.

        Raises:
            SandboxClosedError: The sandbox is closed.
            SandboxBusyError: Something runs in it.
        """
        if self._closed:
            raise SandboxClosedError("the sandbox is closed")
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; it cannot be reset now")
        try:
            self._native.reset()
            self._lost = None
        finally:
            self._running.release()

    def cancel(self) -> bool:
        """Stops the run that is going on, from any thread; `run` then raises `RunCancelledError`.

        Returns:
            Whether a run was going on. One that ends at this moment may still return its result.
        """
        return self._stop(_CANCELLED)

    def close(self) -> None:
        """Ends the sandbox and any run in it, which then raises `SandboxClosedError`. May be called again."""
        self._closed = True
        was_running = self._stop(_CLOSED)
        self._native.close()
        if self._own_pool is not None:
            self._own_pool.close()
        if not was_running:
            self._drop_worker(_JOIN_S)

    def __enter__(self) -> Sandbox:
        if self._closed:
            raise SandboxClosedError("the sandbox is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._running.locked() else "ready"
        return f"<hypercell.Sandbox {state}, tools {list(self._tools)}>"

    def _check_usable(self) -> None:
        if self._closed:
            raise SandboxClosedError("the sandbox is closed")
        if _is_exiting:
            raise SandboxClosedError("the sandbox cannot run anything while the process ends")
        if self._lost is not None:
            raise SandboxPoisonedError(
                f"the kept state of this sandbox is lost: {self._lost}; call reset() to start again"
            )

    def _make_native(self) -> Any:
        return native().Sandbox(self._image._native, **self._native_options)

    def _run(self, code: str, filename: str, inputs: dict[str, Any]) -> RunResult:
        started = time.monotonic()
        job = self._new_job(code, filename, inputs)
        worker = self._ready_worker()
        try:
            worker.submit(job)
            self._wait(job, job.deadline)
        except BaseException:
            self._end(job, CALLER_LEFT)
            self._lose("the run was interrupted")
            raise
        finally:
            if self._closed:
                self._drop_worker()
        return self._outcome(job, time.monotonic() - started)

    def _new_job(
        self,
        code: str,
        filename: str,
        inputs: dict[str, Any],
        *,
        home: Home | None = None,
        on_wake: Callable[[], None] | None = None,
    ) -> Job:
        """Makes the job of a run, which `close` and `cancel` find from now on."""
        wall_time_s = self._limits.wall_time_s
        deadline = None if wall_time_s is None else time.monotonic() + wall_time_s
        work = functools.partial(self._drive, self._native, code, filename, inputs)
        job = self._job = Job(work, deadline, home=home, on_wake=on_wake)
        # Whoever closed before `close` could find the job is found here.
        self._check_usable()
        return job

    def _forget_job(self, job: Job) -> None:
        if self._job is job:
            self._job = None
        if self._closed:
            self._drop_worker()

    def _wait(self, job: Job, deadline: float | None) -> None:
        """Waits until the job is done or left behind."""
        while not job.is_done:
            job.wait(_LOOK_S if deadline is None else min(_LOOK_S, deadline - time.monotonic()))
            if job.is_done:
                return
            if job.stop_reason is None:
                if deadline is None or time.monotonic() < deadline:
                    continue
                if job.tool is None and job.wait(GRACE_S):
                    return
            self._end(job, TIME_IS_OVER)
            return

    def _end(self, job: Job, reason: str) -> None:
        """Ends a job that goes on, or leaves it behind with its worker. Takes `_STOP_S` at most."""
        until = time.monotonic() + _STOP_S
        try:
            while not job.is_done:
                # Again each time: an interrupt before the guest's first turn does nothing.
                job.stop(reason)
                self._native.interrupt(reason)
                if job.abandon() or time.monotonic() > until:
                    break
                job.wait(0)
                job.wait(_REPEAT_S)
        finally:
            if job.abandon(at_all_costs=True):
                # The worker stays in the native sandbox until its tool returns.
                self._left_behind = self._native
                self._native = self._make_native()
                self._drop_worker()

    def _outcome(self, job: Job, used_s: float) -> RunResult:
        """Returns the result of a job that is done or left behind, or raises what it ended with."""
        is_done, error = job.is_done, job.error
        job.error = None
        if is_done and error is None:
            result = result_of(job.value)
            if result.error is not None and result.error.type == "SystemExit" and not result.error.traceback:
                # os._exit, which leaves no traceback, ended the interpreter.
                self._lose(result.error.message)
            return result
        if error is None or (job.stop_reason is not None and isinstance(error, RunCancelledError)):
            error = self._stopped(job, used_s)
        if isinstance(error, TimeLimitError) and job.blamed_tool is not None:
            error.tool = job.blamed_tool
            error.args = (f"{error}: tool {job.blamed_tool!r} had not returned",)
        if isinstance(error, (LimitError, OutputDirError, GuestCrashError, RunCancelledError, ProtocolError)):
            error.result = self._partial()
        if not isinstance(error, (PolicyError, ValueNotSendableError)):
            self._lose(str(error))
        try:
            raise error
        finally:
            # A traceback that refers to itself would keep this sandbox alive.
            del error

    def _stopped(self, job: Job, used_s: float) -> HypercellError:
        """Returns the error of a job that this side stopped."""
        if job.stop_reason == _CLOSED:
            return SandboxClosedError("the sandbox was closed while it ran something")
        if job.stop_reason != TIME_IS_OVER:
            return RunCancelledError(f"the run was cancelled: {job.stop_reason}")
        maximum = self._limits.wall_time_s or 0.0
        return TimeLimitError(
            f"the run took {used_s:.3f} s, which exceeds wall_time_s, which is {maximum:g} s",
            limit="wall_time_s",
            used=used_s,
            maximum=maximum,
            unit="s",
        )

    def _partial(self) -> RunResult | None:
        left_behind, self._left_behind = self._left_behind, None
        done = (left_behind or self._native).partial()
        return None if done is None else result_of(done)

    def _lose(self, why: str) -> None:
        if self._keep_state:
            self._lost = why

    def _stop(self, reason: str) -> bool:
        job = self._job
        if job is None:
            return False
        job.stop(reason)
        self._native.interrupt(reason)
        return True

    def _ready_worker(self) -> Worker:
        worker = self._worker
        if worker is None or not worker.is_ours:
            worker = self._worker = Worker()
        return worker

    def _drop_worker(self, join_s: float = 0) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(join_s)

    def _drive(self, guest: Any, code: str, filename: str, inputs: dict[str, Any], job: Job) -> Any:
        """Takes a run to its end, with the tools that it calls. Runs on the worker."""
        calls = Calls(job, self._tools)
        try:
            answer = functools.partial(self._answer, job, calls)
            return guest.start(
                code, filename, inputs, answer, functools.partial(self._answer_any, job, calls)
            )
        finally:
            calls.end()

    def _answer(self, job: Job, calls: Calls, call: Any) -> tuple[Any, ...]:
        """Runs a tool and returns what the guest gets: `(value,)`, or type and message of an exception.

        The native module calls this on the worker, in the middle of a run; what it raises ends the run.
        """
        if not job.enter_tool(call.name):
            # Stopped before the guest's first turn could be interrupted: now it can.
            self._native.interrupt(job.stop_reason or _CANCELLED)
            return ("RunCancelledError", "the run was stopped")
        answer = calls.call(call)
        job.leave_tool()
        return answer.for_guest()

    def _answer_any(
        self, job: Job, calls: Calls, started: list[Any], cancelled: list[int], timeout_s: float | None
    ) -> list[tuple[int, tuple[Any, ...]]]:
        """Starts tools beside each other and returns what the guest gets of those that are done, as `_answer` does."""
        if not job.enter_tool(calls.blamed(started)):
            self._native.interrupt(job.stop_reason or _CANCELLED)
            return []
        answers = calls.wait(started, cancelled, timeout_s)
        job.leave_tool()
        return [(call_id, answer.for_guest()) for call_id, answer in answers]

    def _end_with_process(self) -> None:
        """Gets the worker out of the guest: a thread that comes back after Python's end would crash the process."""
        job = self._job
        until = time.monotonic() + _STOP_S
        while job is not None and not job.is_done and time.monotonic() < until:
            job.stop(_EXITING)
            self._native.interrupt(_EXITING)
            if job.abandon():
                break
            time.sleep(_REPEAT_S)

    def _forget_parent(self) -> None:
        """Drops what a forked child cannot use: threads, and locks that they may have held."""
        if self._job is not None:
            self._native = self._make_native()
        self._running = threading.Lock()
        self._job = self._worker = None


def check_options(
    limits: object, image: object, keep_state: object, prepared: object, pool: object, on_audit: object
) -> None:
    """Checks what a sandbox is made with.

    Raises:
        PolicyError: An option is of the wrong type, or excludes another one.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise PolicyError(f"limits must be Limits, got {type(limits).__name__}")
    if image is not None and not isinstance(image, Image):
        raise PolicyError(f"image must be an Image, got {type(image).__name__}")
    if not isinstance(keep_state, bool):
        raise PolicyError(f"keep_state must be bool, got {type(keep_state).__name__}")
    if on_audit is not None and not callable(on_audit):
        raise PolicyError(f"on_audit must be callable, got {type(on_audit).__name__}")
    if pool is not None and not isinstance(pool, Pool):
        raise PolicyError(f"pool must be a Pool, got {type(pool).__name__}")
    if pool is not None and (prepared is not None or image not in (None, pool.image)):
        raise PolicyError("pool brings its own image and prepared VMs; give it alone")


def checked_inputs(
    limits: Limits, code: str, inputs: Mapping[str, Any] | None, filename: str
) -> dict[str, Any]:
    """Checks the arguments of `run` and returns a copy of the inputs.

    Raises:
        PolicyError: One of them cannot be.
    """
    _check_code(code, limits.code_bytes)
    if not isinstance(filename, str):
        raise PolicyError(f"filename must be str, got {type(filename).__name__}")
    if "\0" in filename:
        raise PolicyError(f"filename {filename!r} holds a NUL character")
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        raise PolicyError(f"inputs must be a mapping of names to values, got {type(inputs).__name__}")
    for name in inputs:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise PolicyError(f"inputs must have names that Python code can use, got {name!r}")
    return dict(inputs)


def _check_code(code: str, maximum: int) -> None:
    if not isinstance(code, str):
        raise CodeTypeError(f"code must be str, got {type(code).__name__}")
    if "\0" in code:
        raise PolicyError(f"code holds a NUL character at position {code.index(chr(0))}")
    try:
        used = len(code.encode())
    except UnicodeEncodeError as error:
        raise PolicyError(f"code holds a lone surrogate at position {error.start}") from None
    if used > maximum:
        raise CodeLimitError(
            f"code of {used} bytes exceeds code_bytes, which is {maximum}",
            limit="code_bytes",
            used=used,
            maximum=maximum,
            unit="bytes",
        )


# Sandboxes whose runs must end with the process, and which a forked child has to repair.
_live: weakref.WeakSet[Sandbox] = weakref.WeakSet()
_is_exiting = False


@atexit.register
def _end_all() -> None:
    global _is_exiting
    _is_exiting = True
    for box in _live.copy():
        box._end_with_process()


def _forget_parents() -> None:
    for box in _live.copy():
        box._forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
