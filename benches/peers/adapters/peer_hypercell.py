"""hypercell: VMs made when a run needs them and, where this version can, VMs prepared ahead."""

import inspect
from collections.abc import Callable
from typing import Any

from _harness import MARK, Outcome, Peer, Run, serve
from _work import Program

import hypercell

CAN_PREPARE = "prepared" in inspect.signature(hypercell.Sandbox).parameters
UNPREPARED: dict[str, Any] = {"prepared": 0} if CAN_PREPARE else {}
PREPARED: dict[str, Any] = {"prepared": 2} if CAN_PREPARE else {}


class Hypercell(Peer):
    name = "hypercell"
    isolation = "a virtual machine (KVM) with a library OS of its own"
    language = "the caller's CPython"
    new_is = "`Sandbox(prepared=0)`, run, close" if CAN_PREPARE else "`Sandbox()`, run, close"
    ready_is = (
        "a sandbox with two prepared VMs"
        if CAN_PREPARE
        else "a sandbox; none prepared, a VM restored at each run"
    )

    def version(self) -> str:
        return str(hypercell.__version__)

    def run_new(self, program: Program) -> Outcome:
        with hypercell.Sandbox(tools=program.tools, **UNPREPARED) as box:
            return outcome(box, program.as_expression())

    def ready(self, program: Program) -> Run:
        box = self.stack.enter_context(hypercell.Sandbox(tools=program.tools, **PREPARED))
        code = program.as_expression()
        return lambda: outcome(box, code)

    def keep(self) -> Callable[[str], Any]:
        box = self.stack.enter_context(hypercell.Sandbox(keep_state=True, **UNPREPARED))
        box.run(f"mark = {MARK}").raise_for_error()
        return lambda expression: box.run(expression).value


def outcome(box: hypercell.Sandbox, code: str) -> Outcome:
    result = box.run(code)
    result.raise_for_error()
    return result.value, result.stdout


if __name__ == "__main__":
    serve(Hypercell())
