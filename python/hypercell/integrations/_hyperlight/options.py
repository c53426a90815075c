"""The options of hyperlight-sandbox 0.8.0, and what they are in hypercell."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..._domains import Domain
from ..._limits import MIB, Limits

DEFAULT_MODULE_REF = "python_guest.path"
DEFAULT_HEAP_SIZE = "25Mi"
DEFAULT_STACK_SIZE = "35Mi"
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
# Upstream counts heap and stack of a module that holds the interpreter; here the interpreter counts as well.
_INTERPRETER_BYTES = 68 * MIB
_DEFAULT_QUOTA = (5 * MIB, 20 * MIB, 20)
_UNLIMITED_QUOTA = (1 << 30, 1 << 30, 100_000)
_QUOTA_NAMES = ("output_file_bytes", "output_total_bytes", "output_file_count")

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
# Names that upstream knows and never allows.
_BLOCKED_METHODS = frozenset({"CONNECT", "TRACE"})
_MAX_METHODS = 16
MAX_PERMISSIONS = 1024


def check_quota(unlimited: object, sizes: dict[str, object], count: object) -> None:
    """Checks the options of a quota as 0.8.0 does, with its messages.

    Raises:
        ValueError: They cannot be together, or the count is negative.
        TypeError: One of them is of the wrong type.
    """
    if unlimited is not None and unlimited != "unlimited":
        raise ValueError("filesystem_limits must be 'unlimited' when provided")
    if unlimited is not None and any(value is not None for value in (*sizes.values(), count)):
        raise ValueError(
            "filesystem_limits='unlimited' cannot be combined with max_file_size, max_total_size, or max_file_count"
        )
    for name, value in sizes.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a size string")
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError("max_file_count must be an integer")
    if count < 0:
        raise ValueError("max_file_count must be non-negative")


def check_backend(backend: str) -> None:
    """Refuses what does not run Python.

    Raises:
        ValueError: There is no such backend.
        ImportError: It is that of JavaScript.
    """
    normalized = backend.strip().lower().replace("_", "-")
    if normalized in {"javascript", "js", "hyperlight-js"}:
        raise ImportError("The HyperlightJS backend is not installed: hypercell runs Python.")
    if normalized != "wasm":
        raise ValueError(f"Unknown backend '{backend}'. Expected 'wasm' or 'hyperlight-js'.")


def check_module(module: str | None, module_path: str | None) -> None:
    """Refuses a guest module other than the packaged Python: what runs is CPython itself.

    Raises:
        ValueError: Both are given, or one is empty.
        FileNotFoundError: There is no such file.
        ImportError: There is no such module, or it cannot run here.
    """
    if module_path is not None and module == DEFAULT_MODULE_REF:
        module = None
    if module and module_path:
        raise ValueError("Pass either 'module' or 'module_path', not both.")
    given = module if module is not None else module_path
    wanted = DEFAULT_MODULE_REF if given is None else given.strip()
    if not wanted:
        raise ValueError("A module reference or module_path is required.")
    if wanted == DEFAULT_MODULE_REF:
        return
    if Path(wanted).expanduser().exists():
        raise ImportError(
            f"hypercell runs CPython, not the module {wanted}: leave module and module_path out"
        )
    if os.sep in wanted or wanted.endswith((".aot", ".wasm")):
        raise FileNotFoundError(f"Sandbox module path does not exist: {wanted}")
    raise ImportError(
        f"Unable to resolve sandbox module '{wanted}': hypercell runs {DEFAULT_MODULE_REF} alone"
    )


def limits_of(
    base: Limits,
    heap_size: str,
    stack_size: str,
    unlimited: bool,
    quota: tuple[str | None, str | None, int | None],
) -> Limits:
    """Returns the limits of a sandbox. Memory is that of `base`, unless heap or stack are not the default.

    Raises:
        RuntimeError: A size is none.
        PolicyError: A size is more than hypercell allows.
    """
    changed: dict[str, Any] = {}
    if (heap_size, stack_size) != (DEFAULT_HEAP_SIZE, DEFAULT_STACK_SIZE):
        changed["memory_bytes"] = _INTERPRETER_BYTES + parse_size(heap_size) + parse_size(stack_size)
    given = (*(None if size is None else parse_size(size) for size in quota[:2]), quota[2])
    defaults = _UNLIMITED_QUOTA if unlimited else _DEFAULT_QUOTA
    for name, value, default in zip(_QUOTA_NAMES, given, defaults, strict=True):
        changed[name] = default if value is None else value
    return dataclasses.replace(base, **changed)


def parse_size(size: str) -> int:
    """Returns the bytes of a size such as `"64Mi"` or `"1024"`.

    Raises:
        RuntimeError: It is none.
    """
    text = size.strip()
    unit = _UNITS.get(text[-2:], 1)
    digits = text[:-2] if unit > 1 else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise RuntimeError(f"invalid size: {size!r}")
    return int(digits) * unit


def domain_of(target: str, methods: list[str] | None) -> Domain | None:
    """Returns the rule of `allow_domain`, or None where it allows nothing.

    Raises:
        RuntimeError: The target is no URL, or a method is none of HTTP.
    """
    if methods is not None and len(methods) > _MAX_METHODS:
        raise RuntimeError(f"too many HTTP methods ({len(methods)}, max {_MAX_METHODS})")
    named = None if methods is None else [method.upper() for method in methods]
    for method in named or ():
        if method not in _METHODS | _BLOCKED_METHODS:
            raise RuntimeError(f"invalid HTTP method: {method}")
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise RuntimeError(f"invalid URL for network permission: {error}") from error
    # What is before the colon of `host:8000` is no scheme.
    if "://" not in target:
        raise RuntimeError("invalid URL for network permission: relative URL without a base")
    if not parts.hostname:
        raise RuntimeError(f"URL has no host: {target}")
    allowed = None if named is None else [method for method in named if method in _METHODS]
    return None if allowed == [] else Domain(target, allowed)
