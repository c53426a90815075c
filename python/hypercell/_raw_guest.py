"""Guests of an attacker's making, behind the whole host side of a sandbox.

Before: `hypercell.testing`. After: `_sandbox`, the native module.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._checks import granted
from ._errors import GuestCrashError, PolicyError
from ._hooks import Hooks
from ._image import native
from ._limits import Limits
from ._result import RunResult
from ._sandbox import Sandbox
from ._tools import collect_tools

_ENTER_BYTES = 64
_FRAME = struct.Struct("<IHHII")
_FRAME_MAGIC = 0x4C454348
_EXIT = struct.Struct("<IHHIIIIII48s")
_EXIT_MAGIC = 0x58454348
_ABI_VERSION = 1
# What a payload in Python finds defined.
_PRELUDE = '''
def exchange(frame, size=1 << 20):
    """Sends bytes as a frame, past guest Python; returns the host's answer, or the name of an errno."""
    import errno, os
    device = os.open("/dev/hypercell", os.O_RDWR)
    try:
        os.write(device, frame)
        return os.read(device, size)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    finally:
        os.close(device)

'''
_NOTHING = "0"


class RawGuest:
    """A hostile guest, of one of three kinds, that any options of a sandbox can be tried on.

        guest = RawGuest(elf="attack.elf")
        with guest.sandbox(limits=Limits(wall_time_s=1)) as box:
            guest.attack(box)

    Args:
        elf: A static ELF, a file or its bytes, that takes the place of our kernel and of all above it, in a real VM. It
            is entered at its entry point for each turn: docs/security-testing.md says with what. Dynamic and
            position-independent files are refused.
        python: Source that runs in the ordinary guest, in a real VM. `exchange(frame)` sends bytes as a frame, past
            guest Python, and returns the answer of the host, or the name of an errno where the kernel refuses.
        play: A function that is given each turn of the host and returns the guest's, kernel and program in one, without
            a VM: thousands of runs a second. `turn_number`, `frame_of` and `turn_of` help to make good ones. What it
            raises ends the run. A call of it that does not return cannot be stopped.

    Raises:
        PolicyError: Not one of the three is given.
    """

    def __init__(
        self,
        *,
        elf: bytes | str | os.PathLike[str] | None = None,
        python: str | None = None,
        play: Callable[[bytes], bytes] | None = None,
    ) -> None:
        if sum(given is not None for given in (elf, python, play)) != 1:
            raise PolicyError("RawGuest takes one of elf, python and play")
        self._elf = Path(elf).read_bytes() if isinstance(elf, str | os.PathLike) else elf
        self._python = python
        self._player = _Player(play) if play is not None else None

    def sandbox(self, **options: Any) -> Sandbox:
        """Makes a sandbox whose guest this is.

        Args:
            options: As for `Sandbox`. An ELF and a player have no `image`, `pool`, `prepared`, `keep_state` or
                `pause_on`.

        Raises:
            PolicyError: An option cannot be, or the ELF cannot be a guest; the message says why.
        """
        if self._python is not None:
            return Sandbox(**options)
        return _RawSandbox(self._native_for, **options)

    def attack(self, box: Sandbox, *, inputs: Mapping[str, Any] | None = None) -> RunResult:
        """Has the guest do its worst, in one run of a sandbox that `sandbox` made.

        A payload in Python attacks any sandbox. Raises what `Sandbox.run` raises, and what `play` raised.

        Args:
            box: The sandbox.
            inputs: As for `Sandbox.run`.
        """
        try:
            return box.run(_NOTHING if self._python is None else _PRELUDE + self._python, inputs=inputs)
        except GuestCrashError:
            raised = self._player.take_raised() if self._player is not None else None
            if raised is not None:
                raise raised from None
            raise

    def _native_for(self, limits: Limits) -> Any:
        if self._player is not None:
            return native().RawGuest.played(self._player)
        return native().RawGuest.elf(self._elf, limits.memory_bytes)


class _Player:
    """A function that plays a guest, and what it raised."""

    def __init__(self, play: Callable[[bytes], bytes]) -> None:
        self._play = play
        self._raised: BaseException | None = None

    def __call__(self, turn: bytes) -> bytes:
        try:
            return self._play(turn)
        except BaseException as error:
            self._raised = error
            raise

    def take_raised(self) -> BaseException | None:
        raised, self._raised = self._raised, None
        return raised


class _Base:
    """What a sandbox has in place of an image."""

    def __init__(self, guest: Any) -> None:
        self._native = guest


class _RawSandbox(Sandbox):
    """A sandbox on a raw guest."""

    def __init__(
        self,
        make: Callable[[Limits], Any],
        tools: Any = (),
        *,
        domains: Any = (),
        limits: Limits | None = None,
        on_audit: Any = None,
        before_tool_call: Any = None,
        before_http_request: Any = None,
        before_file_open: Any = None,
        trace_syscalls: Any = False,
        mounts: Any = (),
        output_dir: Any = None,
    ) -> None:
        limits = limits if limits is not None else Limits()
        grants = granted(domains, mounts, output_dir)
        hooks = Hooks(on_audit, before_tool_call, before_http_request, before_file_open, trace_syscalls)
        base: Any = _Base(make(limits))
        self._set_up(base, collect_tools(tools), grants, hooks, limits, False, 0, None, ())


def turn_number(turn: bytes) -> int:
    """Returns the number that the answer to a turn of the host must carry."""
    return int(_FRAME.unpack_from(turn, _ENTER_BYTES)[4])


def frame_of(kind: int, body: bytes, *, seq: int = 0) -> bytes:
    """Puts an honest header before the body of a frame.

    Args:
        kind: Code of the frame: docs/abi.md.
        body: CBOR, or any bytes.
        seq: Number of the host frame that it answers. The kernel in a VM puts in its own; a player needs `turn_number`.
    """
    return _FRAME.pack(_FRAME_MAGIC, _ABI_VERSION, kind, len(body), seq) + body


def turn_of(
    frame: bytes, *, counters: Sequence[int] = (0, 0, 0, 0), unsupported: int = 0, table: bytes = bytes(48)
) -> bytes:
    """Puts the header of the kernel before a frame.

    Args:
        frame: Any bytes.
        counters: Pages in use, most pages in use, page faults, system calls.
        unsupported: Entries of `table` that are said to count.
        table: System calls that the kernel does not have: 6 entries of number and count.
    """
    return _EXIT.pack(_EXIT_MAGIC, _ABI_VERSION, unsupported, len(frame), *counters, 0, table) + frame
