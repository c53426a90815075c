"""hyperlight-sandbox: CPython on WASI in a Hyperlight micro-VM."""

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from _harness import MARK, Outcome, Peer, Run, serve
from _work import ONE_PLUS_ONE, Program
from hyperlight_sandbox import Sandbox


class HyperlightSandbox(Peer):
    name = "hyperlight-sandbox"
    isolation = "a virtual machine (KVM), and WebAssembly inside it"
    language = "CPython on WASI"
    new_is = "`Sandbox()`, run, drop; the answer printed as JSON"
    ready_is = "a sandbox restored to its snapshot before each run"

    def version(self) -> str:
        return version("hyperlight-sandbox")

    def run_new(self, program: Program) -> Outcome:
        return outcome(new_sandbox(program), program)

    def ready(self, program: Program) -> Run:
        box = new_sandbox(program)
        outcome(box, ONE_PLUS_ONE)
        snapshot = box.snapshot()

        def run() -> Outcome:
            box.restore(snapshot)
            return outcome(box, program)

        return run

    def keep(self) -> Callable[[str], Any]:
        box = Sandbox()
        box.run(f"mark = {MARK}")
        return lambda expression: json.loads(box.run(f"print({expression})").stdout)


def new_sandbox(program: Program) -> Sandbox:
    box = Sandbox(backend="wasm", module="python_guest.path")
    for tool in program.tools:
        box.register_tool(tool.__name__, tool)
    return box


def outcome(box: Sandbox, program: Program) -> Outcome:
    tools = "".join(
        f"def {tool.__name__}(**arguments): return call_tool({tool.__name__!r}, **arguments)\n"
        for tool in program.tools
    )
    result = box.run(f"{tools}{program.body}\nimport json\nprint(json.dumps({program.answer}))\n")
    if not result.success:
        raise RuntimeError(result.stderr)
    printed, _, answer = result.stdout.rstrip("\n").rpartition("\n")
    return json.loads(answer), printed + "\n" if printed else ""


if __name__ == "__main__":
    serve(HyperlightSandbox())
