"""The host's end of the pipes to an interpreter that runs `_pipe_child.py`, for peers with no channel of their own."""

import json
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from _harness import MARK, Outcome, Peer
from _work import Program

CHILD = Path(__file__).with_name("_pipe_child.py").read_text(encoding="utf-8")


class PipedPeer(Peer):
    """A peer whose interpreters run `_pipe_child.py`."""

    @abstractmethod
    def interpreter(self) -> AbstractContextManager[tuple[IO[str], IO[str]]]:
        """Starts an interpreter; returns the pipes to it and from it."""

    def run_new(self, program: Program) -> Outcome:
        with self.interpreter() as pipes:
            return run_program(*pipes, program)

    def keep(self) -> Callable[[str], Any]:
        pipes = self.stack.enter_context(self.interpreter())
        evaluate(*pipes, f"mark = {MARK}", "0")
        return lambda expression: evaluate(*pipes, "", expression)


def run_program(to_child: IO[str], from_child: IO[str], program: Program) -> Outcome:
    """Sends the program and serves its tool calls until it gives its answer."""
    tools = {tool.__name__: tool for tool in program.tools}
    send(to_child, {"body": program.body, "answer": program.answer, "tools": list(tools)})
    while True:
        line = from_child.readline()
        if not line:
            raise RuntimeError("the interpreter ended without an answer")
        message = json.loads(line)
        if "call" not in message:
            break
        send(to_child, {"value": tools[message["call"]](**message["arguments"])})
    if "failed" in message:
        raise RuntimeError(message["failed"])
    return message["value"], message["stdout"]


def evaluate(to_child: IO[str], from_child: IO[str], body: str, expression: str) -> Any:
    """Runs `body` and returns the value of `expression`, in the state that the interpreter has by now."""
    return run_program(to_child, from_child, Program(body=body, answer=expression, expected=None))[0]


def send(to_child: IO[str], message: dict[str, Any]) -> None:
    to_child.write(json.dumps(message) + "\n")
    to_child.flush()
