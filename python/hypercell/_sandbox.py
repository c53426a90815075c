"""The sandbox: one `run()` from the caller into the VM and back."""

from __future__ import annotations

import inspect
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ._errors import (
    GuestCrashError,
    LimitError,
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
from ._result import RunResult, result_of
from ._tools import ArgumentError, Tool, Tools, collect_tools
from ._worker import Job, Worker

# A guest is stopped by the native side at its deadline; a little later this side takes over.
_GRACE_S = 0.05
# How long an interrupted guest may take to stop before its thread is left behind.
_STOP_S = 2.0


class Sandbox:
    """Runs Python in a fresh micro-VM, with the tools that it is given and nothing else.

    Any thread may use a sandbox, one run at a time; the interpreter lock is free while the guest runs. A run starts from
    the image, in a VM of its own, unless `keep_state` is set.

        with Sandbox(tools=[list_users]) as box:
            result = box.run("len(list_users())")
            result.value

    Args:
        tools: Functions, `Tool` objects, or a mapping of names to functions: what submitted code may call.
        limits: Ceilings for each run.
        image: The interpreter to run; this one, without packages, unless given.
        keep_state: Whether globals stay from run to run, until `reset()`.
        on_audit: Called with a dict for each decision: runs, tool calls allowed and denied.

    Raises:
        PolicyError: A tool or an option cannot be.
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
        on_audit: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if limits is not None and not isinstance(limits, Limits):
            raise PolicyError(f"limits must be Limits, got {type(limits).__name__}")
        if image is not None and not isinstance(image, Image):
            raise PolicyError(f"image must be an Image, got {type(image).__name__}")
        if on_audit is not None and not callable(on_audit):
            raise PolicyError(f"on_audit must be callable, got {type(on_audit).__name__}")
        self._tools: dict[str, Tool] = collect_tools(tools)
        self._limits = limits if limits is not None else Limits()
        self._keep_state = bool(keep_state)
        module = native()
        chosen = image if image is not None else default_image()
        ceilings = {name: getattr(self._limits, name) for name in self._limits.__dataclass_fields__}
        self._native = module.Sandbox(
            chosen._native,
            tools=[(tool.name, tool.description) for tool in self._tools.values()],
            keep_state=self._keep_state,
            audit=on_audit,
            **ceilings,
        )
        self._running = threading.Lock()
        self._worker: Worker | None = None
        self._closed = False
        self._lost: str | None = None

    def run(self, code: str, *, inputs: Mapping[str, Any] | None = None, filename: str = "<code>") -> RunResult:
        """Runs code to its end and returns what it ended with.

        Args:
            code: Python source.
            inputs: Global names that the code finds set, and their values.
            filename: What tracebacks call the code.

        Returns:
            Value, output and, if the code raised, its error: an exception of the code is not raised here.

        Raises:
            PolicyError: `code` is no text, holds NUL or lone surrogates, or is too long; an input has no name.
            ValueNotSendableError: An input cannot cross.
            LimitError: The run passed a limit; `result` has what it wrote until then.
            GuestCrashError: The code killed its interpreter.
            SandboxBusyError, SandboxClosedError, SandboxPoisonedError: The sandbox cannot run now.
        """
        self._check_code(code)
        if not isinstance(filename, str):
            raise PolicyError(f"filename must be str, got {type(filename).__name__}")
        given = self._check_inputs(inputs)
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; use one sandbox for each thread")
        try:
            self._check_usable()
            return self._run(code, filename, given)
        finally:
            self._running.release()

    def reset(self) -> None:
        """Drops kept state; the next run starts as the image does.

        Raises:
            SandboxClosedError: The sandbox was closed.
            SandboxBusyError: Something runs in it.
        """
        if not self._running.acquire(blocking=False):
            raise SandboxBusyError("this sandbox runs something already; it cannot be reset now")
        try:
            if self._closed:
                raise SandboxClosedError("this sandbox was closed")
            self._native.reset()
            self._lost = None
        finally:
            self._running.release()

    def cancel(self) -> bool:
        """Stops the run that is going on, from any thread; `run` then raises `RunCancelledError`.

        Returns:
            Whether a run was going on.
        """
        return bool(self._native.interrupt("cancelled by the caller"))

    def close(self) -> None:
        """Ends the sandbox and any run in it. May be called again."""
        self._closed = True
        self._native.interrupt("the sandbox was closed")
        self._native.close()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def __enter__(self) -> Sandbox:
        if self._closed:
            raise SandboxClosedError("this sandbox was closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._running.locked() else "ready"
        return f"<hypercell.Sandbox {state}, tools {list(self._tools)}>"

    def _check_code(self, code: str) -> None:
        if not isinstance(code, str):
            raise PolicyError(f"code must be str, got {type(code).__name__}")
        if "\0" in code:
            raise PolicyError(f"code holds a NUL character at position {code.index(chr(0))}")
        try:
            size = len(code.encode())
        except UnicodeEncodeError as error:
            raise PolicyError(f"code holds a lone surrogate at position {error.start}") from None
        if size > self._limits.code_bytes:
            raise PolicyError(f"code of {size} bytes exceeds {self._limits.code_bytes}")

    def _check_inputs(self, inputs: Mapping[str, Any] | None) -> dict[str, Any]:
        if inputs is None:
            return {}
        if not isinstance(inputs, Mapping):
            raise PolicyError(f"inputs must be a mapping of names to values, got {type(inputs).__name__}")
        for name in inputs:
            if not isinstance(name, str):
                raise PolicyError(f"inputs must have names of type str, got {name!r}")
        return dict(inputs)

    def _check_usable(self) -> None:
        if self._closed:
            raise SandboxClosedError("this sandbox was closed")
        if self._lost is not None:
            raise SandboxPoisonedError(f"the kept state of this sandbox was lost ({self._lost}); call reset()")

    def _run(self, code: str, filename: str, inputs: dict[str, Any]) -> RunResult:
        job = Job(lambda job: self._drive(job, code, filename, inputs))
        wall_time_s = self._limits.wall_time_s
        started = time.monotonic()
        worker = self._ready_worker()
        worker.submit(job)
        try:
            while not job.wait(None if wall_time_s is None else started + wall_time_s + _GRACE_S - time.monotonic()):
                # Past the deadline: the native side stops a guest, but a tool has to be left behind.
                self._native.interrupt("the wall time is over")
                if job.tool is None and job.wait(_STOP_S):
                    break
                if self._leave_behind(job):
                    raise self._time_limit(job, time.monotonic() - started)
        except BaseException:
            if not job.wait(0):
                self._native.interrupt("the caller was interrupted")
                if job.tool is not None or not job.wait(_STOP_S):
                    self._leave_behind(job)
            if self._keep_state:
                self._lost = "the run was interrupted"
            raise
        return self._outcome(job)

    def _outcome(self, job: Job) -> RunResult:
        error = job.error
        if error is None:
            result = result_of(job.value)
            if self._keep_state and result.error is not None and result.error.message.startswith("os._exit("):
                self._lost = "the interpreter exited"
            return result
        if not isinstance(error, (PolicyError, ValueNotSendableError)) and self._keep_state:
            self._lost = str(error)
        if isinstance(error, (LimitError, GuestCrashError, RunCancelledError, ProtocolError)):
            error.result = self._partial()
        if self._closed:
            raise SandboxClosedError("this sandbox was closed while it ran something") from error
        raise error

    def _leave_behind(self, job: Job) -> bool:
        left = job.abandon()
        if left:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.stop()
        return left

    def _time_limit(self, job: Job, used: float) -> TimeLimitError:
        maximum = self._limits.wall_time_s or 0.0
        where = f"tool {job.tool!r} had not returned" if job.tool is not None else "the guest did not stop"
        error = TimeLimitError(
            f"the run took {used:.2f} s, more than {maximum:g} s: {where}",
            limit="wall_time_s",
            used=used,
            maximum=maximum,
            unit="s",
        )
        error.tool = job.tool
        error.result = self._partial()
        return error

    def _partial(self) -> RunResult | None:
        done = self._native.partial()
        return None if done is None else result_of(done)

    def _ready_worker(self) -> Worker:
        worker = self._worker
        if worker is None or not worker.is_ours:
            worker = self._worker = Worker("hypercell-worker")
            weakref.finalize(self, worker.stop).atexit = False
        return worker

    def _drive(self, job: Job, code: str, filename: str, inputs: dict[str, Any]) -> Any:
        """Takes the run from tool call to tool call to its end. Runs on the worker."""
        call_class = native().ToolCall
        step = self._native.start(code, filename, inputs)
        while isinstance(step, call_class):
            step = self._answer(job, step)
        return step

    def _answer(self, job: Job, call: Any) -> Any:
        job.tool = call.name
        try:
            value = self._call_tool(job, call)
        except ArgumentError as error:
            reply = ("ArgumentError", str(error))
        except Exception as error:
            reply = (type(error).__name__, _text_of(error))
        except BaseException:
            self._native.interrupt(f"tool {call.name} stopped the run")
            raise
        else:
            job.tool = None
            if job.is_abandoned:
                raise RunCancelledError("the run was left behind")
            try:
                return self._native.resume_ok(call.id, value)
            except ValueNotSendableError as error:
                reply = ("ValueNotSendableError", str(error))
        job.tool = None
        if job.is_abandoned:
            raise RunCancelledError("the run was left behind")
        return self._native.resume_err(call.id, *reply)

    def _call_tool(self, job: Job, call: Any) -> Any:
        tool = self._tools[call.name]
        returned = tool.function(**tool.bind(call.args))
        return job.run_async(returned) if inspect.iscoroutine(returned) else returned


def _text_of(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:
        return "<exception str() failed>"
    return text.encode("utf-8", "backslashreplace").decode()
