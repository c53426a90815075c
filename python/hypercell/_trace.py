"""System calls of the submitted code, as the guest's kernel tells of them: for whoever debugs it.

Guarantees: what a `Syscall` is printed as has one line and no control characters, whatever the guest says; a caller's
function that raises is reported as Python reports exceptions it cannot raise, and the run goes on.
Never: keeps a call.

Before: `_hooks`, the native module. After: the caller's function, or standard error.
"""

from __future__ import annotations

import errno
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ._errors import PolicyError

# Numbers from here on are shown in hexadecimal digits: addresses and flags, rather than sizes and descriptors.
_FIRST_HEX = 1 << 20
# Largest number of an error, as Linux' C libraries take it.
_MAX_ERRNO = 4095
# Bytes that the guest sends of a path: `MAX_SYSCALL_TEXT_BYTES` of the wire.
_MAX_TEXT_BYTES = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Syscall:
    """One system call of the submitted code or its interpreter. All but `run` is what the guest says.

    `str()` of it is a line in the manner of strace.

    Attributes:
        run: Which run of the sandbox, from 1.
        thread: Which thread; 1 is the first.
        number: Linux' number of the call.
        name: Linux' name of it, or `syscall_` and the number.
        arguments: The registers, each as a number without sign; in place of one that points to a path or a name, the
            first 256 bytes of that.
        result: What it returned, an error as a negative number; None for a call that does not return.
        time: When it began, by the clock of the guest.
        took_s: How long it took, in seconds, with the time that other threads had meanwhile.
    """

    run: int
    thread: int
    number: int
    name: str
    arguments: tuple[int | bytes, ...]
    result: int | None
    time: datetime
    took_s: float

    @property
    def error(self) -> str | None:
        """Name of the error that it returned, such as "ENOENT"; None if it returned none."""
        if self.result is None or not -_MAX_ERRNO <= self.result < 0:
            return None
        return errno.errorcode.get(-self.result, f"errno {-self.result}")

    def __str__(self) -> str:
        arguments = ", ".join(_shown(argument) for argument in self.arguments)
        if self.result is None:
            result = "?"
        elif self.error is not None:
            result = f"-1 {self.error}"
        else:
            result = _shown(self.result)
        return f"[{self.thread}] {self.name}({arguments}) = {result} <{self.took_s:.6f}>"


def _shown(argument: int | bytes) -> str:
    if isinstance(argument, bytes):
        cut = "..." if len(argument) >= _MAX_TEXT_BYTES else ""
        return f'"{"".join(map(_shown_byte, argument))}"{cut}'
    for bits in (64, 32):
        # A small negative number, such as AT_FDCWD, in a register of which all or half is used.
        if 0 < (1 << bits) - argument <= _MAX_ERRNO:
            return str(argument - (1 << bits))
    return str(argument) if abs(argument) < _FIRST_HEX else hex(argument)


def _shown_byte(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\x{byte:02x}"


OnSyscall = Callable[[Syscall], object]


def check_trace(trace_syscalls: object) -> None:
    """Checks what a sandbox is to do with system calls.

    Raises:
        PolicyError: It is no bool, and no sync function either.
    """
    if isinstance(trace_syscalls, bool):
        return
    if not callable(trace_syscalls):
        raise PolicyError(f"trace_syscalls must be bool or callable, got {type(trace_syscalls).__name__}")
    if inspect.iscoroutinefunction(trace_syscalls):
        raise PolicyError("trace_syscalls must be a sync function, got an async one")


def trace_of(trace_syscalls: bool | OnSyscall) -> SyscallLog | None:
    """Returns what hears of system calls, None for nobody."""
    if trace_syscalls is False:
        return None
    return SyscallLog(None if trace_syscalls is True else trace_syscalls)


class SyscallLog:
    """The system calls of one sandbox, on their way to the caller's function, or to standard error if there is none."""

    def __init__(self, on_syscall: OnSyscall | None) -> None:
        self._on_syscall = on_syscall

    def call(
        self,
        run: int,
        thread: int,
        number: int,
        name: str,
        arguments: tuple[int | bytes, ...],
        result: int | None,
        time_ns: int,
        took_ns: int,
    ) -> None:
        """Hears of a call, from the native module."""
        time = _EPOCH + timedelta(microseconds=time_ns // 1000)
        call = Syscall(run, thread, number, name, arguments, result, time, took_ns / 1e9)
        if self._on_syscall is not None:
            self._on_syscall(call)
        else:
            _print(str(call))

    def limit_reached(self, maximum: int) -> None:
        """Hears that a run has made as many calls as are told of."""
        if self._on_syscall is None:
            _print(f"hypercell: the run made {maximum} system calls; the next ones are not traced")


def _print(line: str) -> None:
    # A process may have no standard error.
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")
