"""What submitted code may reach by HTTP.

Before: `_sandbox`, `_cli`. After: the native module, which reads the patterns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ._errors import PolicyError

_MAX_CA_BYTES = 4 << 20

Native: TypeAlias = "tuple[str, list[str] | None, list[tuple[str, bytes]], bool, bytes | None]"


@dataclass(frozen=True)
class Domain:
    """One rule of what submitted code may reach.

    Args:
        pattern: A host, `"api.github.com"`; all names below one, `"*.example.org"`; or more of a URL,
            `"http://localhost:8000"`, `"https://host:8443/prefix"`. Without a scheme it is https, without a port the
            scheme's own. A path allows itself and what is below it.
        methods: Such as `("GET", "HEAD")`, or one; all unless given. CONNECT and TRACE never are.
        headers: Headers that the host sets in each request, in place of the guest's own, such as
            `{"Authorization": "Bearer ..."}`. The guest never sees them, unless the server sends them back.
        allow_private: Whether the name may lead to a loopback or private address. An address that the pattern names is
            allowed anyway, and so is loopback for `localhost`; link-local addresses and those of metadata services are
            allowed by naming them alone.
        ca_file: A file of certificates in PEM to trust in place of the system's, which the environment variables
            SSL_CERT_FILE and SSL_CERT_DIR may name.

    Raises:
        PolicyError: A value is of the wrong type. A pattern that cannot be is found when the sandbox is made.
    """

    pattern: str
    methods: str | Iterable[str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_private: bool = False
    ca_file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str):
            raise PolicyError(f"a domain must be a str, got {type(self.pattern).__name__}")
        _check_text(self.pattern, self.pattern)
        methods = (self.methods,) if isinstance(self.methods, str) else self.methods
        if methods is not None:
            if not isinstance(methods, Iterable):
                raise PolicyError(
                    f"domain {self.pattern!r}: methods must be str or several, got {type(methods).__name__}"
                )
            methods = tuple(methods)
            for method in methods:
                if not isinstance(method, str):
                    raise PolicyError(f"domain {self.pattern!r}: a method must be a str, got {method!r}")
                _check_text(self.pattern, method)
        object.__setattr__(self, "methods", methods)
        if not isinstance(self.headers, Mapping):
            raise PolicyError(
                f"domain {self.pattern!r}: headers must be a mapping, got {type(self.headers).__name__}"
            )
        for name, value in self.headers.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise PolicyError(f"domain {self.pattern!r}: names and values of headers must be str")
            _check_text(self.pattern, name)
        object.__setattr__(self, "headers", dict(self.headers))
        if not isinstance(self.allow_private, bool):
            raise PolicyError(
                f"domain {self.pattern!r}: allow_private must be bool, got {type(self.allow_private).__name__}"
            )
        if self.ca_file is not None and not isinstance(self.ca_file, (str, os.PathLike)):
            raise PolicyError(
                f"domain {self.pattern!r}: ca_file must be a path, got {type(self.ca_file).__name__}"
            )

    def __repr__(self) -> str:
        shown = [repr(self.pattern)]
        if self.methods is not None:
            shown.append(f"methods={self.methods!r}")
        if self.headers:
            shown.append(f"headers={dict.fromkeys(self.headers, '***')!r}")
        if self.allow_private:
            shown.append("allow_private=True")
        if self.ca_file is not None:
            shown.append(f"ca_file={os.fspath(self.ca_file)!r}")
        return f"Domain({', '.join(shown)})"

    def __hash__(self) -> int:
        return hash((self.pattern, self.methods))


Domains: TypeAlias = "Iterable[str | tuple[str, str | Iterable[str]] | Domain]"


def collect_domains(domains: Domains) -> list[Domain]:
    """Makes rules of what `Sandbox(domains=...)` takes.

    Raises:
        PolicyError: One of them is no rule.
    """
    if isinstance(domains, (str, Domain)) or not isinstance(domains, Iterable):
        raise PolicyError(f"domains must be several, as in domains=[{domains!r}]")
    rules = []
    for domain in domains:
        if isinstance(domain, Domain):
            rules.append(domain)
        elif isinstance(domain, str):
            rules.append(Domain(domain))
        elif isinstance(domain, tuple) and len(domain) == 2:
            rules.append(Domain(*domain))
        else:
            raise PolicyError(f"a domain must be a str, a pair with methods, or a Domain, got {domain!r}")
    return rules


def native_domains(rules: Iterable[Domain]) -> list[Native]:
    """Returns rules as the native module takes them.

    Raises:
        PolicyError: A file of certificates cannot be read, or a header cannot be sent.
    """
    return [
        (
            rule.pattern,
            None if rule.methods is None else list(rule.methods),
            [(name, _encoded(rule, name, value)) for name, value in rule.headers.items()],
            rule.allow_private,
            None if rule.ca_file is None else _certificates(rule),
        )
        for rule in rules
    ]


def _check_text(pattern: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PolicyError(f"domain {pattern!r}: {text!r} holds a lone surrogate") from None


def _encoded(rule: Domain, name: str, value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise PolicyError(f"domain {rule.pattern!r}: the value of {name!r} is not Latin-1") from None


def _certificates(rule: Domain) -> bytes:
    try:
        with Path(rule.ca_file or "").open("rb") as file:
            data = file.read(_MAX_CA_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PolicyError(f"domain {rule.pattern!r}: ca_file cannot be read: {error}") from error
    if len(data) > _MAX_CA_BYTES:
        raise PolicyError(f"domain {rule.pattern!r}: ca_file has more than {_MAX_CA_BYTES} bytes")
    return data
