"""What `execute_code` costs over `Sandbox.run`, and how many tokens its instructions take.

    python benches/codeact.py            # rounds of each case: --rounds 300

Each round runs every case once, one after the other, so that all see the same machine. Tokens are estimated: characters
of the text divided by 4, rounded up, which needs no vocabulary; with tiktoken installed its `o200k_base` counts too.

Before: nobody. After: the installed package.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable

import hypercell
from hypercell.codeact import CodeActTool, ExecuteCodeTool, Policy, Verdict

CODE = "1+1"
CALL = "ping(n=1)"
# Beyond this much over `Sandbox.run` something is wrong.
BUDGET_MS = 0.3
WAIT_S = 0.2


def ping(n: int) -> int:
    """Answers."""
    return n


def allow(_: object) -> Verdict:
    """Lets everything go on."""
    return Verdict.allow()


def measure(
    pool: hypercell.Pool, cases: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Returns the times of each case, in milliseconds, each with a VM that is ready."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 10):
        for name, run in cases.items():
            pool.wait_ready()
            started = time.perf_counter()
            run()
            if number >= 10:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def sync_cases(
    pool: hypercell.Pool, box: hypercell.Sandbox, pausing: hypercell.Sandbox
) -> dict[str, Callable[[], object]]:
    """Returns what is compared without an event loop."""
    plain = ExecuteCodeTool([ping], pool=pool)
    watched = ExecuteCodeTool([ping], policy=Policy(allow, escalates=()), pool=pool)
    asking = ExecuteCodeTool([CodeActTool(ping, approval="ask")], approve=lambda _: True, pool=pool)

    def paused() -> None:
        pending = pausing.run(CALL).pending
        assert pending is not None
        pausing.resume(arguments=pending.arguments)

    return {
        "Sandbox.run, no call": lambda: box.run(CODE),
        "execute_code_sync, no call": lambda: plain.execute_code_sync(CODE),
        "Sandbox.run, a call": lambda: box.run(CALL),
        "execute_code_sync, a call": lambda: plain.execute_code_sync(CALL),
        "  and a policy at each point": lambda: watched.execute_code_sync(CALL),
        "Sandbox.run and resume, a call": paused,
        "  and an approval": lambda: asking.execute_code_sync(CALL),
    }


def async_cases(
    pool: hypercell.Pool, loop: asyncio.AbstractEventLoop, box: hypercell.AsyncSandbox
) -> dict[str, Callable[[], object]]:
    """Returns what is compared on an event loop."""
    plain = ExecuteCodeTool([ping], pool=pool)
    return {
        "AsyncSandbox.run, a call": lambda: loop.run_until_complete(box.run(CALL)),
        "execute_code, a call": lambda: loop.run_until_complete(plain.execute_code(CALL)),
    }


def show(times: dict[str, list[float]]) -> bool:
    """Prints a line for each case, and what it costs over the one it is compared with; returns whether that fits.

    The budget holds for the medians of plain blocks; a policy and an approver are the caller's own functions.
    """
    fits, base, least_base = True, 0.0, 0.0
    for name, all_times in times.items():
        median, least = statistics.median(all_times), min(all_times)
        text = f"{name:34} median {median:6.3f} ms, least {least:6.3f}"
        if "Sandbox" in name:
            base, least_base = median, least
            print(text)
            continue
        fits = fits and (name.startswith(" ") or median - base < BUDGET_MS)
        print(f"{text};  over Sandbox {median - base:+.3f}, {least - least_base:+.3f}")
    return fits


async def overlap() -> float:
    """Returns the seconds that four blocks take together whose tools wait 0.2 s each."""

    async def wait() -> None:
        await asyncio.sleep(WAIT_S)

    tool = ExecuteCodeTool([wait])
    await asyncio.gather(*[tool.execute_code("1") for _ in range(4)])
    started = time.perf_counter()
    await asyncio.gather(*[tool.execute_code("wait()") for _ in range(4)])
    return time.perf_counter() - started


def show_tokens() -> None:
    """Prints how long the instructions of 1, 5 and 20 tools are."""

    def lookup(customer: str, since: str | None = None, limit: int = 10) -> list[dict[str, float]]:
        """Finds what a customer ordered. The newest come first.

        Args:
            customer: Name or number of the customer.
            since: Day, as 2024-05-01.
            limit: How many at most.
        """
        return [{customer: 0.0}] if since else [{}] * limit

    counters: dict[str, Callable[[str], int]] = {"characters/4": lambda text: -(-len(text) // 4)}
    with contextlib.suppress(ImportError, OSError):
        import tiktoken  # type: ignore[import-not-found,unused-ignore]

        encoding = tiktoken.get_encoding("o200k_base")
        counters["o200k_base"] = lambda text: len(encoding.encode(text))
    for count in (1, 5, 20):
        tool = ExecuteCodeTool({f"lookup_{n}": lookup for n in range(count)})
        for form in ("short", "long"):
            text = tool.instructions(form)  # type: ignore[arg-type]
            shown = ", ".join(f"{counter(text)} tokens by {name}" for name, counter in counters.items())
            print(f"instructions, {count:2} tools, {form:5}  {shown}")


def main() -> int:
    """Prints all of it; returns 1 if a block costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    loop = asyncio.new_event_loop()
    with (
        hypercell.Pool(prepared=2) as pool,
        hypercell.Sandbox([ping], pool=pool) as box,
        hypercell.Sandbox([ping], pool=pool, pause_on=["ping"]) as pausing,
    ):
        async_box = hypercell.AsyncSandbox([ping], pool=pool)
        fits = show(measure(pool, sync_cases(pool, box, pausing), rounds))
        fits = show(measure(pool, async_cases(pool, loop, async_box), rounds)) and fits
        loop.run_until_complete(async_box.aclose())
    print(f"four blocks whose tools wait {WAIT_S} s   {loop.run_until_complete(overlap()):.3f} s")
    loop.close()
    show_tokens()
    return 0 if fits else 1


if __name__ == "__main__":
    raise SystemExit(main())
