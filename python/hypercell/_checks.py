"""Checks of what the caller gives to a sandbox, early and with the value in the message.

Before: `_sandbox`, `_async`. After: nothing.
"""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ._domains import Domains, collect_domains, native_domains
from ._drive import Reply
from ._errors import CodeLimitError, CodeTypeError, PolicyError
from ._image import Image
from ._limits import Limits
from ._mounts import Mounts, check_output_dir, collect_mounts, native_mounts
from ._pool import Pool
from ._snapshot import Snapshot
from ._tools import Tool

#: In place of an argument that was not given.
NOT_GIVEN: Any = object()


def check_options(
    limits: object,
    image: object,
    keep_state: object,
    prepared: object,
    pool: object,
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
    if pool is not None and not isinstance(pool, Pool):
        raise PolicyError(f"pool must be a Pool, got {type(pool).__name__}")
    if pool is not None and (prepared is not None or image not in (None, pool.image)):
        raise PolicyError("pool brings its own image and prepared VMs; give it alone")


def granted(
    domains: Domains,
    mounts: Mounts,
    output_dir: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Returns what submitted code may reach, as the native module takes it.

    Raises:
        PolicyError: One of them cannot be.
    """
    return {
        "domains": native_domains(collect_domains(domains)),
        "mounts": native_mounts(collect_mounts(mounts)),
        "output_dir": check_output_dir(output_dir),
    }


def check_snapshot(snapshot: object, prepared: object, pool: Pool | None) -> None:
    """Checks a snapshot to go on from, and where VMs of it shall come from.

    Raises:
        PolicyError: It is none, or they do not go together.
    """
    if not isinstance(snapshot, Snapshot):
        raise PolicyError(f"snapshot must be a Snapshot, got {type(snapshot).__name__}")
    if isinstance(pool, Pool) and pool.image is not snapshot:
        raise PolicyError("pool is not of this snapshot; make it with Pool(snapshot)")
    if snapshot.pending is not None and (prepared or pool is not None):
        raise PolicyError("the snapshot was taken in the middle of a run; nothing can be prepared from it")


def check_on_output(on_output: object) -> None:
    """Checks who is to hear of output.

    Raises:
        PolicyError: It cannot be called.
    """
    if on_output is not None and not callable(on_output):
        raise PolicyError(f"on_output must be callable, got {type(on_output).__name__}")


def checked_pauses(pause_on: Iterable[str], tools: Mapping[str, Tool]) -> frozenset[str]:
    """Checks the names of tools at whose calls a run pauses.

    Raises:
        PolicyError: One of them is no tool.
    """
    if isinstance(pause_on, str) or not isinstance(pause_on, Iterable):
        raise PolicyError(f"pause_on must be a list of names of tools, got {pause_on!r}")
    names = list(pause_on)
    for name in names:
        if not isinstance(name, str) or name not in tools:
            raise PolicyError(f"pause_on names {name!r}, which is no tool of this sandbox")
    return frozenset(names)


def checked_reply(value: Any, error: BaseException | None, arguments: Mapping[str, Any] | None) -> Reply:
    """Checks the arguments of `resume`.

    Raises:
        PolicyError: Not exactly one of them is given, or one cannot be.
    """
    given = (value is not NOT_GIVEN) + (error is not None) + (arguments is not None)
    if given != 1:
        raise PolicyError(f"resume takes one of a value, error= and arguments=, got {given}")
    if error is not None:
        if not isinstance(error, BaseException):
            raise PolicyError(f"error must be an exception, got {type(error).__name__}")
        return Reply(error=(type(error).__name__, str(error)))
    if arguments is not None:
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            raise PolicyError(f"arguments must be a mapping with names, got {type(arguments).__name__}")
        return Reply(arguments=arguments)
    return Reply(value)


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
