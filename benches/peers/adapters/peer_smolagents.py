"""smolagents' LocalPythonExecutor: an interpreter of syntax trees, written in Python, inside the caller's process."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from _harness import NotSupportedError, Outcome, Peer, serve
from _work import Program
from smolagents.local_python_executor import LocalPythonExecutor


class Smolagents(Peer):
    name = "smolagents local executor"
    isolation = "none: the caller's process, its authors call it no security boundary"
    language = "a subset of Python, interpreted by Python"
    new_is = "`LocalPythonExecutor()`, its tools, run"

    def version(self) -> str:
        return version("smolagents")

    def run_new(self, program: Program) -> Outcome:
        executor = LocalPythonExecutor(additional_authorized_imports=list(program.modules))
        executor.send_tools({tool.__name__: tool for tool in program.tools})
        result = executor(program.as_expression())
        return result.output, result.logs

    def keep(self) -> Callable[[str], Any]:
        raise NotSupportedError("no meaning: an executor is a dictionary in the caller's process")


if __name__ == "__main__":
    serve(Smolagents())
