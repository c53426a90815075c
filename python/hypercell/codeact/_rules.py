"""Policies as files: rules, of which the first that fits decides.

Guarantees: a file with a key, a point or a decision that is not known is refused as a whole; a call that no rule names
gets the default, which denies unless the file says otherwise. So does a request of HTTP, if there are rules about
those.

Before: the caller. After: `_policy`, PyYAML.
"""

from __future__ import annotations

import fnmatch
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from .._errors import PolicyError
from .._hooks import HttpRequest
from ._policy import DECISIONS, POINTS, InterventionPoint, Policy, PolicyContext, Verdict
from ._result import CodeResult

_MAX_FILE_BYTES = 1 << 20
_VERSION = 1
_FILE_KEYS = {"hypercell_policy", "default", "rules"}
_RULE_KEYS = {
    "point",
    "tool",
    "arguments",
    "calls",
    "domain",
    "method",
    "code",
    "status",
    "decision",
    "reason",
    "set",
}
# What a rule may look at, by point.
_CONDITIONS: dict[InterventionPoint, set[str]] = {
    "agent_startup": set(),
    "input": {"code"},
    "pre_tool_call": {"tool", "arguments", "calls", "code"},
    "post_tool_call": {"tool", "arguments", "calls", "code"},
    "pre_http_request": {"domain", "method", "code"},
    "output": {"code", "status"},
    "agent_shutdown": set(),
}
_Default: TypeAlias = Literal["allow", "deny", "escalate"]
_NO_RULE = "no rule allows it"

_Condition: TypeAlias = Callable[[Any], bool]


@dataclass(frozen=True)
class _Rule:
    point: InterventionPoint
    tools: tuple[str, ...]
    arguments: Mapping[str, _Condition]
    calls: _Condition | None
    code: _Condition | None
    status: _Condition | None
    domain: _Condition | None
    method: _Condition | None
    verdict: Verdict
    set: Mapping[str, Any]

    def fits(self, context: PolicyContext) -> bool:
        if not self.fits_tool(context.tool):
            return False
        if self.calls is not None and not self.calls(context.calls.get(context.tool or "", 0)):
            return False
        if self.code is not None and not self.code(context.code):
            return False
        if self.status is not None:
            result = context.target
            if not isinstance(result, CodeResult) or not self.status(result.status):
                return False
        request = context.target
        if isinstance(request, HttpRequest):
            if self.domain is not None and not self.domain(urllib.parse.urlsplit(request.url).hostname):
                return False
            if self.method is not None and not self.method(request.method):
                return False
        given = context.arguments
        return all(name in given and holds(given[name]) for name, holds in self.arguments.items())

    def fits_tool(self, tool: str | None) -> bool:
        return not self.tools or any(fnmatch.fnmatchcase(tool or "", pattern) for pattern in self.tools)

    def decide(self, context: PolicyContext) -> Verdict:
        if self.verdict.decision == "transform":
            return Verdict.transform({**context.arguments, **self.set}, self.verdict.reason)
        return self.verdict


class RulePolicy(Policy):
    """A policy that is a list of rules, such as a file holds; `docs/codeact.md` has all they can say.

    Only calls of tools for which a rule may escalate pause the block.

    Args:
        rules: What the file holds, as dicts and lists.

    Raises:
        PolicyError: They are no policy; the message names the rule.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        default, self._rules = _read(rules)
        self._default: _Default = default
        points: set[InterventionPoint] = {"pre_tool_call", *(rule.point for rule in self._rules)}
        super().__init__(self._decide, points=points)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RulePolicy:
        """Reads a policy from a file of YAML. Needs `pip install hypercell[codeact]`.

        Args:
            path: The file, at most 1 MiB.

        Raises:
            PolicyError: It cannot be read, or holds no policy.
            ImportError: PyYAML is not installed.
        """
        try:
            import yaml
        except ImportError as error:
            raise ImportError("policies as YAML need PyYAML: pip install hypercell[codeact]") from error
        try:
            with Path(path).open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
            if len(data) > _MAX_FILE_BYTES:
                raise PolicyError(f"the policy {os.fspath(path)!r} has more than {_MAX_FILE_BYTES} bytes")
            return cls(yaml.safe_load(data))
        except (OSError, yaml.YAMLError, PolicyError) as error:
            raise PolicyError(f"the policy {os.fspath(path)!r} cannot be used: {error}") from error

    def pauses(self, tool: str) -> bool:
        """Whether a block pauses at each call of a tool for this policy."""
        return self._default == "escalate" or any(
            rule.point == "pre_tool_call" and rule.verdict.decision == "escalate" and rule.fits_tool(tool)
            for rule in self._rules
        )

    def _decide(self, context: PolicyContext) -> Verdict:
        for rule in self._rules:
            if rule.point == context.point and rule.fits(context):
                return rule.decide(context)
        if context.point not in ("pre_tool_call", "pre_http_request") or self._default == "allow":
            return Verdict.allow()
        return Verdict.escalate() if self._default == "escalate" else Verdict.deny(_NO_RULE)


def _read(given: object) -> tuple[_Default, list[_Rule]]:
    if not isinstance(given, Mapping):
        raise PolicyError(f"a policy must be a mapping, got {type(given).__name__}")
    _check_keys("a policy", given, _FILE_KEYS)
    if given.get("hypercell_policy") != _VERSION:
        raise PolicyError(f"hypercell_policy must be {_VERSION}, got {given.get('hypercell_policy')!r}")
    default = given.get("default", "deny")
    if default not in get_args(_Default):
        raise PolicyError(f"default must be one of {', '.join(get_args(_Default))}, got {default!r}")
    rules = given.get("rules", [])
    if not isinstance(rules, list):
        raise PolicyError(f"rules must be a list, got {type(rules).__name__}")
    return cast(_Default, default), [_rule(number, rule) for number, rule in enumerate(rules, 1)]


def _rule(number: int, given: object) -> _Rule:
    where = f"rule {number}"
    if not isinstance(given, Mapping):
        raise PolicyError(f"{where} must be a mapping, got {type(given).__name__}")
    _check_keys(where, given, _RULE_KEYS)
    point = given.get("point", "pre_tool_call")
    if point not in POINTS:
        raise PolicyError(f"{where}: point must be one of {', '.join(POINTS)}, got {point!r}")
    for key in ("tool", "arguments", "calls", "domain", "method", "code", "status"):
        if key in given and key not in _CONDITIONS[point]:
            raise PolicyError(f"{where}: {key} says nothing at {point}")
    arguments = given.get("arguments", {})
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise PolicyError(f"{where}: arguments must be conditions by name, got {arguments!r}")

    def condition(key: str) -> _Condition | None:
        return _condition(f"{where}: {key}", given[key]) if key in given else None

    return _Rule(
        point,
        _patterns(where, given.get("tool", [])),
        {name: _condition(f"{where}: {name}", of) for name, of in arguments.items()},
        condition("calls"),
        condition("code"),
        condition("status"),
        condition("domain"),
        condition("method"),
        _verdict(where, given, point),
        given.get("set", {}),
    )


def _verdict(where: str, given: Mapping[str, Any], point: InterventionPoint) -> Verdict:
    decision, reason = given.get("decision"), given.get("reason")
    if decision not in DECISIONS:
        raise PolicyError(f"{where}: decision must be one of {', '.join(DECISIONS)}, got {decision!r}")
    if reason is not None and not isinstance(reason, str):
        raise PolicyError(f"{where}: reason must be a text, got {type(reason).__name__}")
    if decision == "escalate" and point in ("post_tool_call", "pre_http_request", "agent_shutdown"):
        raise PolicyError(f"{where}: nobody can be asked at {point}")
    if (decision == "transform") != ("set" in given):
        raise PolicyError(f"{where}: transform and set go together")
    if decision == "transform":
        if point != "pre_tool_call":
            raise PolicyError(f"{where}: a file transforms arguments alone, not at {point}")
        changed = given["set"]
        if not isinstance(changed, Mapping) or not all(isinstance(name, str) for name in changed):
            raise PolicyError(f"{where}: set must be values by name, got {changed!r}")
    return Verdict(decision, reason if reason is not None or decision != "deny" else f"denied by {where}")


def _patterns(where: str, given: object) -> tuple[str, ...]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise PolicyError(f"{where}: tool must be a name or several, got {given!r}")
    return tuple(patterns)


def _condition(where: str, given: Any) -> _Condition:
    """Returns what a value is held against: a value, one of a list, or a mapping of tests that must all hold."""
    if isinstance(given, Mapping):
        _check_keys(where, given, set(_TESTS))
        tests = [(_TESTS[name], _operand(where, name, operand)) for name, operand in given.items()]
        return lambda value: all(test(value, operand) for test, operand in tests)
    if isinstance(given, list):
        return lambda value: _is_in(value, given)
    return lambda value: _equals(value, given)


def _operand(where: str, test: str, operand: Any) -> Any:
    if test in ("min", "max") and not _is_number(operand):
        raise PolicyError(f"{where}: {test} must be a number, got {operand!r}")
    if test in ("in", "not_in") and not isinstance(operand, list):
        raise PolicyError(f"{where}: {test} must be a list, got {operand!r}")
    if test == "matches" and not isinstance(operand, str):
        raise PolicyError(f"{where}: matches must be a pattern, got {operand!r}")
    return operand


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _equals(value: object, expected: object) -> bool:
    # 1 and True are equal to Python, and not to a reader of a policy.
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)


def _is_in(value: object, several: Sequence[Any]) -> bool:
    return any(_equals(value, one) for one in several)


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _equals,
    "in": _is_in,
    "not_in": lambda value, several: not _is_in(value, several),
    "min": lambda value, least: _is_number(value) and value >= least,
    "max": lambda value, most: _is_number(value) and value <= most,
    "matches": lambda value, pattern: isinstance(value, str) and fnmatch.fnmatchcase(value, pattern),
}


def _check_keys(where: str, given: Mapping[Any, Any], known: set[str]) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise PolicyError(f"{where} has {unknown[0]!r}, which is none of {', '.join(sorted(known))}")
