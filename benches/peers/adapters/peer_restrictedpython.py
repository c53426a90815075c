"""RestrictedPython: rewritten source that the caller's own interpreter runs, with guards around each access."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from _harness import NotSupportedError, Outcome, Peer, serve
from _work import Program
from RestrictedPython import PrintCollector, compile_restricted_exec, safe_globals, utility_builtins
from RestrictedPython.Eval import default_guarded_getitem, default_guarded_getiter
from RestrictedPython.Guards import full_write_guard, guarded_iter_unpack_sequence, safer_getattr

VARIABLE = "result"


class RestrictedPython(Peer):
    name = "RestrictedPython"
    isolation = "none: the caller's interpreter, its authors call it no sandbox"
    language = "a subset of Python, the caller's CPython"
    new_is = "compile with the policy, new globals, exec"

    def version(self) -> str:
        return version("RestrictedPython")

    def run_new(self, program: Program) -> Outcome:
        compiled = compile_restricted_exec(program.as_variable(VARIABLE))
        if compiled.errors:
            raise NotSupportedError("; ".join(compiled.errors))
        scope = new_globals(program)
        exec(compiled.code, scope)
        printed = scope.get("_print")
        return scope[VARIABLE], printed() if printed else ""

    def keep(self) -> Callable[[str], Any]:
        raise NotSupportedError("no meaning: state is a dictionary in the caller's process")


def new_globals(program: Program) -> dict[str, Any]:
    def import_allowed(name: str, *rest: Any) -> Any:
        if name not in program.modules:
            raise ImportError(f"{name} is not allowed")
        return __import__(name, *rest)

    return {
        **safe_globals,
        "__builtins__": {
            **safe_globals["__builtins__"],
            **utility_builtins,
            "list": list,
            "sum": sum,
            "__import__": import_allowed,
        },
        "__name__": "submitted",
        "__metaclass__": type,
        "_getattr_": safer_getattr,
        "_getitem_": default_guarded_getitem,
        "_getiter_": default_guarded_getiter,
        "_inplacevar_": add_in_place,
        "_iter_unpack_sequence_": guarded_iter_unpack_sequence,
        "_print_": PrintCollector,
        "_write_": full_write_guard,
        **{tool.__name__: tool for tool in program.tools},
    }


def add_in_place(operator: str, left: Any, right: Any) -> Any:
    """Does the one augmented assignment that the programs use."""
    if operator != "+=":
        raise NotSupportedError(f"{operator} is not allowed")
    left += right
    return left


if __name__ == "__main__":
    serve(RestrictedPython())
