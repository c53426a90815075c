"""pydantic-monty: sessions in the worker processes of its pool, with host functions given by `external_lookup`."""

from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

from _harness import MARK, Outcome, Peer, Run, serve
from _work import Program
from pydantic_monty import CollectString, Monty, ResourceLimits

# The default of 1000 counts the lookup of a tool's name too, so it ends 1000 calls one too early.
LIMITS: ResourceLimits = {"max_suspensions": 10_000}
MAX_LIVE = 1000


class PydanticMonty(Peer):
    name = "pydantic-monty"
    isolation = "a worker process; its interpreter has no way to the operating system"
    language = "a subset of Python, its own interpreter in Rust"
    new_is = "a pool with its worker process, a session, run, end of both"
    ready_is = "a session in the warm pool; the worker process is used again, its state is not"

    def __init__(self) -> None:
        self._pool: Monty | None = None

    def version(self) -> str:
        return version("pydantic-monty")

    def run_new(self, program: Program) -> Outcome:
        with Monty() as pool:
            return outcome(pool, program)

    def ready(self, program: Program, stack: ExitStack) -> Run:
        pool = stack.enter_context(Monty())
        return lambda: outcome(pool, program)

    def keep(self, stack: ExitStack) -> Callable[[str], Any]:
        if self._pool is None:
            self._pool = stack.enter_context(Monty(max_processes=MAX_LIVE))
        session = stack.enter_context(self._pool.checkout())
        session.feed_run(f"mark = {MARK}")
        return session.feed_run


def outcome(pool: Monty, program: Program) -> Outcome:
    printed = CollectString()
    with pool.checkout(limits=LIMITS) as session:
        value = session.feed_run(
            program.as_expression(),
            external_lookup={tool.__name__: tool for tool in program.tools},
            print_callback=printed,
        )
    return value, printed.output


if __name__ == "__main__":
    serve(PydanticMonty())
