"""pyeryx: CPython compiled to WebAssembly, started from the memory image that the package carries."""

from collections.abc import Callable
from typing import Any

import eryx
from _harness import MARK, Outcome, Peer, Run, serve
from _work import Program

VARIABLE = "result"


class Pyeryx(Peer):
    name = "pyeryx"
    isolation = "WebAssembly (wasmtime) in the caller's process"
    language = "CPython 3.14 on WASI, with top-level await"
    new_is = "`Sandbox()`, execute, drop"
    ready_is = "a sandbox of a factory with the tools baked in; it keeps one fresh instance ready by itself"

    def version(self) -> str:
        return str(eryx.__version__)

    def run_new(self, program: Program) -> Outcome:
        return outcome(eryx.Sandbox(callbacks=callbacks(program)), source(program))

    def ready(self, program: Program) -> Run:
        # Tools given to a Sandbox are set up again in each run, about 5 ms; a factory bakes them in.
        given = callbacks(program)
        box = eryx.SandboxFactory(callbacks=given).create_sandbox() if given else eryx.Sandbox()
        code = source(program)
        return lambda: outcome(box, code)

    def keep(self) -> Callable[[str], Any]:
        session = eryx.Session()
        self.stack.callback(session.reset)
        session.execute(f"mark = {MARK}")
        return lambda expression: session.execute(f"{VARIABLE} = {expression}").result


def source(program: Program) -> str:
    return f"{program.awaited()}\n{VARIABLE} = {program.answer}\n"


def callbacks(program: Program) -> list[Any]:
    return [{"name": t.__name__, "fn": t, "description": t.__doc__ or ""} for t in program.tools]


def outcome(box: eryx.Sandbox, code: str) -> Outcome:
    result = box.execute(code)
    if result.result_error:
        raise RuntimeError(result.result_error)
    return result.result, result.stdout_text


if __name__ == "__main__":
    serve(Pyeryx())
