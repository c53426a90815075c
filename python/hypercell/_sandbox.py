"""The sandbox: one `run()` from the caller into the VM and back.

What a caller gives is checked and collected here; how a run goes is said in `_runner`.

Before: the caller. After: `_runner`, `_tools`, `_snapshot`, the native module.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from ._audit import OnAudit
from ._checks import (
    NOT_GIVEN,
    check_on_output,
    check_options,
    check_snapshot,
    checked_inputs,
    checked_pauses,
    checked_reply,
    granted,
)
from ._domains import Domains
from ._drive import OnOutput
from ._errors import HypercellError, PolicyError, SandboxClosedError
from ._hooks import BeforeFileOpen, BeforeHttpRequest, BeforeToolCall, Hooks
from ._image import Image, default_image, native
from ._limits import Limits
from ._mounts import Mounts
from ._pool import Pool, default_pool
from ._result import PendingCall, RunResult
from ._runner import Runner
from ._snapshot import Snapshot
from ._stops import CANCELLED
from ._tools import Tool, Tools, collect_tools
from ._trace import OnSyscall


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
        domains: What submitted code may reach by HTTP; nothing unless given. Each is a pattern as `Domain` takes it, a
            pair of one with a method or several, or a `Domain`.
        limits: Ceilings for each run; `Limits()` unless given.
        image: The interpreter to run; this one, without packages, unless given.
        keep_state: Whether globals stay from run to run, until `reset()`.
        prepared: VMs kept ready for this sandbox alone. 0 makes a VM when a run needs it, and restores it at the next
            run. Unless given, all sandboxes on an image share one pool of the process.
        pool: The pool to take VMs from; its image is the sandbox's.
        pause_on: Names of tools at whose calls a run pauses, for somebody to decide: `run` then returns with
            `RunResult.pending` set, no time passes, and `resume` goes on.
        on_audit: Called with an `AuditEvent` for each decision and each step: what was allowed and denied, runs,
            snapshots. `audit_to_file` and `audit_to_logging` make functions for it.
        before_tool_call: Called with a `ToolRequest` before each tool call, on a thread of the sandbox. It returns None
            to go on, or other arguments as a dict, or raises `DeniedError`. What else it raises ends the run.
        before_http_request: Called with an `HttpRequest` before each request that `domains` allow is sent, and at each
            redirect, in the same way. It may return another request, which `domains` must allow too.
        before_file_open: Called with a `FileRequest` before each file of `mounts` is opened, in the same way. It may
            return one with another path, which `mounts` must allow too. Files of the guest itself, as in `/tmp` and
            `/output`, and what is no opening (names, sizes, renaming, removing) are not asked about.
        trace_syscalls: True prints each system call of the guest to standard error, as strace does; a function gets a
            `Syscall` for each instead, on a thread of the sandbox. Slow: docs/diagnostics.md.
        mounts: Directories of the host that submitted code may use: a path, which is the same in the guest, a pair of
            host and guest path, or a `Mount`. Read-only unless that says otherwise.
        output_dir: Directory that gets the files of `/output`, in place of those of the same names; without it they are
            in `RunResult.files` with their contents.

    Raises:
        PolicyError: A tool, a domain or an option cannot be, or a directory cannot be opened.
        SandboxUnavailableError: This machine cannot start micro-VMs; the message says what to do.
        ImageError: The image of this interpreter cannot be made.
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
        hooks = Hooks(on_audit, before_tool_call, before_http_request, before_file_open, trace_syscalls)
        limits = limits if limits is not None else Limits()
        needed = limits.memory_bytes
        if pool is not None:
            if not isinstance(pool.image, Image):
                raise PolicyError("pool is of a snapshot; use Sandbox.from_snapshot(snapshot, pool=pool)")
            image = pool.image
        elif image is None:
            image = default_image(needed)
        if needed > image.memory_bytes:
            raise PolicyError(
                f"memory_bytes of {needed} exceeds {image.memory_bytes}, what the image was made for; "
                "make it with Image.from_environment(memory_bytes=...)"
            )
        self._set_up(
            image,
            collect_tools(tools),
            granted(domains, mounts, output_dir),
            hooks,
            limits,
            keep_state,
            prepared,
            pool,
            pause_on,
        )

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
    ) -> Sandbox:
        """Makes a sandbox that goes on from a snapshot.

        Each run starts from the snapshot, or from where the last run ended if `keep_state` is set. If the snapshot was
        taken in the middle of a run, the sandbox has that run, paused (`pending`), and `resume` goes on with it.

        Args:
            snapshot: Where to go on from.
            tools: As for `Sandbox`. Those that the snapshot was taken with must be there, with the same parameters; in
                the middle of a run there may be no other.
            domains: As for `Sandbox`. In the middle of a run, those that it began with; only their secrets may differ.
            limits: Ceilings for each run; those of the snapshot unless given. In the middle of a run they are those.
            keep_state: Whether globals stay from run to run; not unless given. In the middle of a run, as it began.
            prepared: As for `Sandbox`. Nothing can be prepared in the middle of a run.
            pool: The pool to take VMs from, one of this snapshot.
            pause_on: As for `Sandbox`; as the snapshot was taken with unless given.
            on_audit: As for `Sandbox`.
            before_tool_call: As for `Sandbox`.
            before_http_request: As for `Sandbox`.
            before_file_open: As for `Sandbox`.
            trace_syscalls: As for `Sandbox`.
            mounts: As for `Sandbox`. In the middle of a run, at the same places. Files that were open are not any more.
            output_dir: As for `Sandbox`.

        Raises:
            PolicyError: What is given differs from what the snapshot needs; the message says where.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        check_snapshot(snapshot, prepared, pool)
        pending = snapshot.pending
        if keep_state is None:
            keep_state = pending is not None and snapshot.keep_state
        check_options(limits, None, keep_state, prepared, pool)
        hooks = Hooks(on_audit, before_tool_call, before_http_request, before_file_open, trace_syscalls)
        box = cls.__new__(cls)
        given = collect_tools(tools)
        if pause_on is None:
            pause_on = [name for name in snapshot.pause_on if name in given]
        box._set_up(
            snapshot,
            given,
            granted(domains, mounts, output_dir),
            hooks,
            limits if limits is not None else snapshot.limits,
            keep_state,
            0 if pending is not None else prepared,
            pool,
            pause_on,
        )
        return box

    def _set_up(
        self,
        base: Image | Snapshot,
        tools: dict[str, Tool],
        grants: dict[str, Any],
        hooks: Hooks,
        limits: Limits,
        keep_state: bool,
        prepared: int | None,
        pool: Pool | None,
        pause_on: Iterable[str],
    ) -> None:
        self._limits, self._keep_state, self._hooks, self._names = limits, keep_state, hooks, list(tools)
        paused = checked_pauses(pause_on, tools)
        self._own_pool = Pool(base, prepared=prepared, max_prepared=prepared) if prepared else None
        if pool is None:
            pool = default_pool(base) if prepared is None else self._own_pool
        options = {
            "pool": pool._native if pool is not None else None,
            "tools": [
                (name, tool.description, repr(tool.schema), name in paused) for name, tool in tools.items()
            ],
            "keep_state": keep_state,
            "audit": hooks.log,
            "trace": hooks.trace,
            **grants,
            **{name: getattr(limits, name) for name in limits.__dataclass_fields__},
        }
        self._runner = Runner(
            functools.partial(native().Sandbox, base._native, **options),
            tools,
            hooks,
            limits,
            keep_state=keep_state,
            starts_paused=isinstance(base, Snapshot) and base.pending is not None,
        )
        hooks.record("sandbox_made")

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._runner.is_closed

    @property
    def pending(self) -> PendingCall | None:
        """The call at which the run is paused, if it is."""
        return self._runner.pending

    def run(
        self,
        code: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        filename: str = "<code>",
        on_output: OnOutput | None = None,
    ) -> RunResult:
        """Runs code to its end and returns what it ended with.

        Ctrl-C stops the run and raises KeyboardInterrupt as usual. A tool that has not returned when the run must end
        is left behind with its thread; Python cannot stop it. What a tool raises beyond `Exception`, such as
        KeyboardInterrupt, stops the run and is raised here.

        Args:
            code: Python source.
            inputs: Global names that the code finds set, and their values; none unless given.
            filename: What tracebacks call the code.
            on_output: Called with an `OutputEvent` for what the code writes, as it is written, on a thread of the
                sandbox. The run waits for it meanwhile; what it raises ends the run and is raised here.

        Returns:
            Value, output and, if the code raised, its error: an exception of the code is not raised here. If the run
            paused (`pause_on`), the call that waits, and what there is until then.

        Raises:
            PolicyError: `code` is no text, holds NUL or lone surrogates, or is too long; a name of `inputs` is none.
            ValueNotSendableError: An input cannot cross.
            LimitError: The run passed a limit; `result` has what it wrote until then.
            GuestCrashError: The code killed its interpreter.
            ProtocolError: The guest broke the rules of the wire.
            OutputDirError: A file of `/output` cannot be written to `output_dir`.
            RunCancelledError: `cancel()` was called, or had been while the last run was paused, and kept state is lost
                with that.
            SandboxBusyError: Another thread runs something in this sandbox, one of its own tools called this, or the
                last run is paused.
            SandboxClosedError: The sandbox is closed, or was closed meanwhile.
            SandboxPoisonedError: `keep_state` is set and the last run lost the state.
            SandboxUnavailableError: No VM can be started.
        """
        given = checked_inputs(self._limits, code, inputs, filename)
        check_on_output(on_output)
        runner = self._runner
        runner.acquire()
        try:
            return runner.run(runner.start_of(code, filename, given, on_output), self._limits.wall_time_s)
        finally:
            runner.release()

    def resume(
        self,
        value: Any = NOT_GIVEN,
        /,
        *,
        error: BaseException | None = None,
        arguments: Mapping[str, Any] | None = None,
        on_output: OnOutput | None = None,
    ) -> RunResult:
        """Goes on with a run that is paused, and returns as `run` does.

        The call that waits gets one of three things: a value, an exception, or what its tool answers.

            box.resume(True)
            box.resume(error=PermissionError("not today"))
            box.resume(arguments=box.pending.arguments)

        Args:
            value: What the call returns.
            error: What the call raises: `ToolError` in the guest, with the class name and the text of this.
            arguments: What to call the tool of this sandbox with, as they were or edited.
            on_output: As for `run`.

        Raises:
            PolicyError: No run is paused here, or not exactly one answer was given.
            ValueNotSendableError: The value cannot cross; the run is still paused.
            LimitError, GuestCrashError, ProtocolError, RunCancelledError, SandboxBusyError, SandboxClosedError,
            SandboxUnavailableError: As for `run`.
        """
        reply = checked_reply(value, error, arguments)
        check_on_output(on_output)
        runner = self._runner
        runner.acquire()
        try:
            return runner.run(runner.rest_of(reply, on_output), runner.native.time_left_s())
        finally:
            runner.release()

    def snapshot(self) -> Snapshot:
        """Takes a snapshot: of kept globals, or of the run that is paused.

        The sandbox goes on as if none had been taken. It takes a fifth of a second, and as much memory as the image,
        about 50 MB.

        Raises:
            PolicyError: There is nothing to take one of: no state is kept, and no run is paused.
            RunCancelledError: The run that was paused was cancelled.
            SandboxBusyError: Something runs in it.
            SandboxClosedError: The sandbox is closed.
            SandboxPoisonedError: `keep_state` is set and the last run lost the state.
            SnapshotError, GuestCrashError, ProtocolError: The VM does not come to rest; its state is lost.
        """
        runner = self._runner
        runner.acquire()
        try:
            snapshot = Snapshot(runner.native.snapshot())
            self._hooks.record("snapshot_taken")
            return snapshot
        except PolicyError:
            raise
        except HypercellError as error:
            runner.lose(str(error))
            raise
        finally:
            runner.release()

    def reset(self) -> None:
        """Drops kept state and a paused run; the next run starts as the image or the snapshot does.

        Raises:
            SandboxClosedError: The sandbox is closed.
            SandboxBusyError: Something runs in it.
        """
        self._runner.reset()

    def cancel(self) -> bool:
        """Stops the run that is going on or paused, from any thread; `run` or `resume` then raises `RunCancelledError`.

        Returns:
            Whether there was one. One that ends at this moment may still return its result.
        """
        return self._runner.stop(CANCELLED)

    def close(self) -> None:
        """Ends the sandbox and any run in it, which then raises `SandboxClosedError`. May be called again."""
        was_closed = self.closed
        self._runner.close()
        if self._own_pool is not None:
            self._own_pool.close()
        if not was_closed:
            self._hooks.record("sandbox_closed")

    def __enter__(self) -> Sandbox:
        if self.closed:
            raise SandboxClosedError("the sandbox is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ready" if self.pending is None else "paused"
        state = "closed" if self.closed else "running" if self._runner.is_running else state
        return f"<hypercell.Sandbox {state}, tools {self._names}>"
