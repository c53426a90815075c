"""pydantic-monty as its documentation shows it first: `feed_run` calls the tools itself, more slowly."""

from typing import Any

from _harness import serve
from _work import Program
from peer_pydantic_monty import PydanticMonty
from pydantic_monty import CollectString, MontySession


class PydanticMontyFeedRun(PydanticMonty):
    name = "pydantic-monty, `feed_run`"

    def feed(self, session: MontySession, program: Program, printed: CollectString) -> Any:
        return session.feed_run(
            program.as_expression(),
            external_lookup={tool.__name__: tool for tool in program.tools},
            print_callback=printed,
        )


if __name__ == "__main__":
    serve(PydanticMontyFeedRun())
