"""What a CodeAct block is granted: tools, mounts, domains, as values that can be added, listed and removed.

`Grants` never changes: a block keeps the one that it began with, and whoever adds or removes makes another.

Before: `_execute`. After: `_tools`, `hypercell._mounts`, `hypercell._domains`.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from .._domains import Domain, collect_domains
from .._errors import PolicyError
from .._mounts import Mount, collect_mounts
from .._process import ForkSafeLock
from .._tools import MAX_TOOLS
from ._tools import CodeActTool, ToolsInput, collect_codeact_tools

_Path: TypeAlias = "str | os.PathLike[str]"


class FileMount(NamedTuple):
    """A directory of the host in the guest.

    Attributes:
        host_path: The directory.
        mount_path: Where the code finds it, an absolute path; the same as on the host unless given.
        mode: `"ro"` to read, `"rw"` to change as well.
    """

    host_path: _Path
    mount_path: str | None = None
    mode: Literal["ro", "rw"] = "ro"


class AllowedDomain(NamedTuple):
    """What code may reach by HTTP.

    Attributes:
        target: A host, or more of a URL, as `hypercell.Domain` takes it.
        methods: Such as `("GET", "HEAD")`; all unless given.
    """

    target: str
    methods: tuple[str, ...] | None = None


FileMountInput: TypeAlias = "_Path | tuple[_Path, str] | FileMount | Mount"
FileMountsInput: TypeAlias = "FileMountInput | Iterable[FileMountInput]"
AllowedDomainInput: TypeAlias = "str | tuple[str, str | Iterable[str]] | AllowedDomain | Domain"
AllowedDomainsInput: TypeAlias = "AllowedDomainInput | Iterable[AllowedDomainInput]"


@dataclass(frozen=True)
class Grants:
    """What one block may use.

    Attributes:
        tools: By name.
        mounts: By their place in the guest.
        domains: By their pattern.
    """

    tools: Mapping[str, CodeActTool] = field(default_factory=dict)
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    domains: Mapping[str, Domain] = field(default_factory=dict)

    @property
    def requires_approval(self) -> bool:
        """Whether one of the tools has the whole block approved."""
        return any(tool.approval == "always_require" for tool in self.tools.values())


class Registry:
    """Grants that change: what is added or removed holds from the next block on. Any thread may use it.

    Adding what is there already, by name, place or target, takes its place.
    """

    def __init__(
        self,
        tools: ToolsInput = (),
        file_mounts: FileMountsInput = (),
        allowed_domains: AllowedDomainsInput = (),
    ) -> None:
        self._lock = ForkSafeLock()
        self._grants = Grants()
        self.add_tools(tools)
        self.add_file_mounts(file_mounts)
        self.add_allowed_domains(allowed_domains)

    def add_tools(self, tools: ToolsInput) -> None:
        """Adds tools, from the next block on.

        Args:
            tools: A function or `Tool`, several of them, or a mapping of names to them.

        Raises:
            PolicyError: One of them is no tool, or there are more than 1024.
        """
        added = {tool.name: tool for tool in collect_codeact_tools(tools)}
        with self._lock:
            merged = {**self._grants.tools, **added}
            if len(merged) > MAX_TOOLS:
                raise PolicyError(f"there are more than {MAX_TOOLS} tools")
            self._change(tools=merged)

    def get_tools(self) -> list[CodeActTool]:
        """Returns the tools."""
        return list(self._grants.tools.values())

    def remove_tool(self, name: str) -> None:
        """Removes a tool, from the next block on.

        Raises:
            KeyError: There is none of this name.
        """
        self._remove("tools", name)

    def clear_tools(self) -> None:
        """Removes all tools, from the next block on."""
        with self._lock:
            self._change(tools={})

    def add_file_mounts(self, file_mounts: FileMountsInput) -> None:
        """Adds directories of the host, from the next block on.

        Args:
            file_mounts: A path, which is the same in the guest; a pair of host and guest path; a `FileMount` or
                `hypercell.Mount`; or several of these.

        Raises:
            PolicyError: One of them is no mount.
        """
        added = {str(mount.guest): mount for mount in _mounts_of(file_mounts)}
        with self._lock:
            self._change(mounts={**self._grants.mounts, **added})

    def get_file_mounts(self) -> list[FileMount]:
        """Returns the directories of the host that code may use."""
        return [FileMount(mount.host, place, mount.mode) for place, mount in self._grants.mounts.items()]

    def remove_file_mount(self, mount_path: str) -> None:
        """Removes a directory, from the next block on.

        Raises:
            KeyError: None is mounted there.
        """
        self._remove("mounts", posixpath.normpath(mount_path))

    def clear_file_mounts(self) -> None:
        """Removes all directories, from the next block on."""
        with self._lock:
            self._change(mounts={})

    def add_allowed_domains(self, domains: AllowedDomainsInput) -> None:
        """Adds what code may reach by HTTP, from the next block on.

        Args:
            domains: A pattern, for all methods; a pair of one with a method or several; an `AllowedDomain` or
                `hypercell.Domain`; or several of these.

        Raises:
            PolicyError: One of them is no rule.
        """
        added = {domain.pattern: domain for domain in _domains_of(domains)}
        with self._lock:
            self._change(domains={**self._grants.domains, **added})

    def get_allowed_domains(self) -> list[AllowedDomain]:
        """Returns what code may reach by HTTP, without the headers that the host sets."""
        return [allowed(domain) for domain in self._grants.domains.values()]

    def remove_allowed_domain(self, target: str) -> None:
        """Removes what code may reach, from the next block on.

        Raises:
            KeyError: There is no such target.
        """
        self._remove("domains", target)

    def clear_allowed_domains(self) -> None:
        """Removes all that code may reach by HTTP, from the next block on."""
        with self._lock:
            self._change(domains={})

    def _remove(self, kind: str, key: str) -> None:
        with self._lock:
            kept = dict(getattr(self._grants, kind))
            if key not in kept:
                raise KeyError(f"none of the {kind} is {key!r}; there are {list(kept)}")
            del kept[key]
            self._change(**{kind: kept})

    def _change(self, **changes: dict[str, Any]) -> None:
        """Takes other grants in place of the ones there are. Called with the lock held."""
        now = self._grants
        kinds = {"tools": now.tools, "mounts": now.mounts, "domains": now.domains, **changes}
        self._grants = Grants(**{kind: MappingProxyType(dict(of)) for kind, of in kinds.items()})


def allowed(domain: Domain) -> AllowedDomain:
    """Returns a rule as it is shown, without its secrets."""
    methods = None if domain.methods is None else tuple(domain.methods)
    return AllowedDomain(domain.pattern, methods)


def _mounts_of(given: FileMountsInput) -> list[Mount]:
    is_one = isinstance(given, (str, os.PathLike, FileMount, Mount)) or _is_pair(given, (str, os.PathLike))
    several: Any = [given] if is_one else given
    if not isinstance(several, Iterable):
        raise PolicyError(f"file_mounts must be directories, got {type(several).__name__}")
    mounts = [
        Mount(one.host_path, one.mount_path, one.mode) if isinstance(one, FileMount) else one
        for one in several
    ]
    return [_normal(mount) for mount in collect_mounts(mounts)]


def _normal(mount: Mount) -> Mount:
    place = posixpath.normpath(os.fspath(mount.guest or mount.host))
    return Mount(mount.host, place, mount.mode, mount.max_bytes)


def _domains_of(given: AllowedDomainsInput) -> list[Domain]:
    is_one = isinstance(given, (str, AllowedDomain, Domain)) or _is_methods_pair(given)
    several: Any = [given] if is_one else given
    return collect_domains(several)


def _is_pair(given: object, kinds: tuple[type, ...]) -> bool:
    """Whether this is one pair of paths, and not two paths, which come in a list."""
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, kinds) for part in given)


def _is_methods_pair(given: object) -> bool:
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        return False
    methods = given[1]
    return isinstance(methods, (list, tuple, set, frozenset)) or (
        isinstance(methods, str) and methods.isalpha() and methods.isupper()
    )
