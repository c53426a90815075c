"""pydantic-monty: sessions in the worker processes of its pool, with tool calls answered one by one.

`feed_start` and `resume` are its fastest way to answer a tool call; `peer_pydantic_monty_feed_run.py` has the
plain one.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from _harness import MARK, Outcome, Peer, Run, serve
from _work import Program
from pydantic_monty import (
    CollectString,
    FunctionSnapshot,
    Monty,
    MontyComplete,
    MontySession,
    NameLookupSnapshot,
    ResourceLimits,
)

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
        super().__init__()
        self._pool: Monty | None = None

    def version(self) -> str:
        return version("pydantic-monty")

    def run_new(self, program: Program) -> Outcome:
        with Monty() as pool:
            return self.outcome(pool, program)

    def ready(self, program: Program) -> Run:
        pool = self.stack.enter_context(Monty())
        return lambda: self.outcome(pool, program)

    def keep(self) -> Callable[[str], Any]:
        if self._pool is None:
            self._pool = self.stack.enter_context(Monty(max_processes=MAX_LIVE))
        session = self.stack.enter_context(self._pool.checkout())
        session.feed_run(f"mark = {MARK}")
        return lambda expression: session.feed_run(expression)

    def outcome(self, pool: Monty, program: Program) -> Outcome:
        printed = CollectString()
        with pool.checkout(limits=LIMITS) as session:
            return self.feed(session, program, printed), printed.output

    def feed(self, session: MontySession, program: Program, printed: CollectString) -> Any:
        """Runs the program in the session and returns its answer."""
        tools = {tool.__name__: tool for tool in program.tools}
        step = session.feed_start(program.as_expression(), print_callback=printed)
        while not isinstance(step, MontyComplete):
            if isinstance(step, FunctionSnapshot):
                step = step.resume(
                    {"return_value": tools[str(step.function_name)](*step.args, **step.kwargs)}
                )
            elif isinstance(step, NameLookupSnapshot):
                step = step.resume(value=tools[step.variable_name])
            else:
                raise TypeError(f"the run stopped at a {type(step).__name__}")
        return step.output


if __name__ == "__main__":
    serve(PydanticMonty())
