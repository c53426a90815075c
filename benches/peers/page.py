"""Writes docs/peers.md from `page.md` and the figures, and has docs/peers.svg drawn."""

import json
import math
import statistics
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from peers import HYPERCELL, PEERS, PLOT, ROOT, installed

DOCS = ROOT / "docs"
MONTY, MONTY_RUN, ERYX = "pydantic_monty", "pydantic_monty_feed_run", "pyeryx"


@dataclass(frozen=True)
class Work:
    """What a work is called in the page, and what exactly is measured."""

    title: str
    what: str
    unit: str = "ms"
    scale: float = 1e3


WORKS = {
    "new/paced": Work(
        "Fresh start, nothing prepared",
        "A sandbox is made from nothing, runs `1+1` and ends. 30 ms without work before each sample.",
    ),
    "ready/paced": Work(
        "Fresh start, prepared",
        "`1+1` in fresh state, with everything prepared that the peer can prepare. 30 ms without work before each "
        "sample, in which a peer may prepare the next.",
    ),
    "new/back_to_back": Work(
        "Fresh starts back to back, nothing prepared",
        "As above, 20 starts one after the other; a sample is their mean.",
    ),
    "ready/back_to_back": Work(
        "Fresh starts back to back, prepared",
        "As above, 20 starts one after the other, so what is prepared behind the caller's back counts; a sample is "
        "their mean.",
    ),
    "orders": Work(
        "Order totals, 36 tool calls",
        "`examples/order_totals.py` in fresh state: five tools, 36 calls, eight printed lines, a list as the answer.",
    ),
    "calls": Work(
        "1,000 tool calls",
        "A loop that calls `add_one(value=i)` 1,000 times, in fresh state; the start is included.",
    ),
    "loop": Work("Loop of 1,000,000 steps", "`total += i & 7` in a function, in fresh state."),
    "json": Work("json", "Writes and reads 2,000 objects, 140 kB of text, in fresh state."),
    "regex": Work("regex", "Six groups found 2,000 times and 14,000 numbers replaced, in fresh state."),
    "dataclass": Work(
        "dataclass",
        "5,000 instances of a class with a default and a method: made, sorted, summed and compared.",
    ),
    "memory": Work(
        "Memory of a further live sandbox",
        "100 sandboxes alive, each with state of its own: what each after the second adds to the PSS of the process "
        "and its children.",
        "MB",
        1e-6,
    ),
}


def write(report: dict[str, Any]) -> None:
    """Writes the page and the plot."""
    template = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))
    text = template.substitute(
        machine=machine_text(report["machine"]),
        quick="**These figures are of a quick run: few repeats.**\n\n" if report.get("quick") else "",
        peers=peers_table(report),
        ratios=ratio_table(report),
        targets=targets_table(report),
        figures="\n\n".join(work_section(report, work) for work in WORKS),
    )
    (DOCS / "peers.md").write_text(text, encoding="utf-8")
    draw(report)


def draw(report: dict[str, Any]) -> None:
    """Runs `plot.py` where matplotlib is installed."""
    panels = []
    for name, work in WORKS.items():
        bars = [
            [title(report, peer).replace("`", ""), median(report, name, peer), peer == HYPERCELL]
            for peer in shown_peers(report)
        ]
        panels.append({"title": f"{work.title}, {work.unit}", "scale": work.scale, "bars": bars})
    python = installed("plot", PLOT)
    script = Path(__file__).with_name("plot.py")
    subprocess.run(
        [str(python), str(script), str(DOCS / "peers.svg")], input=json.dumps(panels), text=True, check=True
    )


def machine_text(machine: dict[str, Any]) -> str:
    return (
        f"{machine['date']}: {machine['cpus']} cores ({machine['cpu_model']}), {machine['memory_gib']} GiB, Linux "
        f"{machine['kernel']}, CPython {machine['python']} for all\nthat does not bring another. Everything pinned "
        f"to CPU {machine['pinned_to_cpu']}. Load average before: {machine['load_before']}."
    )


def peers_table(report: dict[str, Any]) -> str:
    rows = ["| Peer | Version | What isolates it | What it runs |", "| --- | --- | --- | --- |"]
    for peer in shown_peers(report):
        facts = report["peers"][peer]
        if "isolation" in facts:
            rows.append(
                row([facts["name"], facts.get("version", "?"), facts["isolation"], facts["language"]])
            )
    rows += ["", "| Peer | Fresh start, nothing prepared, is | Prepared is |", "| --- | --- | --- |"]
    for peer in shown_peers(report):
        facts = report["peers"][peer]
        if "new_is" in facts:
            rows.append(
                row([facts["name"], facts["new_is"], facts["ready_is"] or "nothing: it has no such thing"])
            )
    failed = [
        f"{facts['name']} does not start here:\n\n" + textwrap.indent(wrapped(facts["error"]), "    ")
        for facts in report["peers"].values()
        if "error" in facts
    ]
    return "\n".join(rows + [f"\n{text}" for text in failed])


def ratio_table(report: dict[str, Any]) -> str:
    """Returns the medians as multiples of hypercell's."""
    peers = [peer for peer in shown_peers(report) if "error" not in report["peers"][peer]]
    rows = [row(["Work", *(title(report, peer) for peer in peers)]), "| --- |" + " --: |" * len(peers)]
    for name, work in WORKS.items():
        own = median(report, name, HYPERCELL)
        cells = [work.title]
        for peer in peers:
            value = median(report, name, peer)
            if peer == HYPERCELL and value is not None:
                cells.append(f"{number(value * work.scale)} {work.unit}")
            else:
                cells.append("-" if value is None or own is None else f"{number(value / own)}x")
        rows.append(row(cells))
    return "\n".join(rows)


def targets_table(report: dict[str, Any]) -> str:
    """Returns what hypercell aims at beside its peers, with the measured ratios."""
    rows = ["| Aim | Measured | Met |", "| --- | --- | --- |"]
    for text, work, peer, least in (
        ("prepared `1+1` no slower than pydantic-monty's warm pool", "ready/paced", MONTY, 1.0),
        ("unprepared `1+1` faster than pyeryx's fresh sandbox", "new/paced", ERYX, 1.0),
        ("1,000 tool calls at least 5 times faster than pydantic-monty", "calls", MONTY, 5.0),
        ("the same, against its `feed_run`", "calls", MONTY_RUN, 5.0),
        ("1,000 tool calls at least 5 times faster than pyeryx", "calls", ERYX, 5.0),
    ):
        own, other = median(report, work, HYPERCELL), median(report, work, peer)
        if own is None or other is None:
            rows.append(row([text, "not measured", "-"]))
            continue
        figures = f"{number(own * 1e3)} ms and {number(other * 1e3)} ms: {number(other / own)} times as fast"
        rows.append(row([text, figures, "yes" if other / own >= least else "no"]))
    return "\n".join(rows)


def work_section(report: dict[str, Any], name: str) -> str:
    work = WORKS[name]
    is_memory = name == "memory"
    heads = ["Peer", "Median" if not is_memory else "Each", "Of hypercell's"]
    if not is_memory:
        heads[2:2] = ["p95"]
    rows = [
        f"### {work.title}",
        "",
        wrapped(work.what),
        "",
        row(heads),
        "| --- |" + " --: |" * (len(heads) - 1),
    ]
    own = median(report, name, HYPERCELL)
    reasons = []
    for peer in shown_peers(report):
        samples = result(report, name, peer).get("samples")
        if samples is None:
            reasons.append(wrapped(f"- {title(report, peer)}: {reason(report, name, peer)}", "  "))
            continue
        middle = statistics.median(samples)
        cells = [title(report, peer), f"{number(middle * work.scale)} {work.unit}"]
        if not is_memory:
            cells.append(f"{number(p95(samples) * work.scale)} {work.unit}")
        cells.append("-" if own is None else f"{number(middle / own)}x")
        rows.append(row(cells))
    if reasons:
        rows += ["", "Not measured:", "", *reasons]
    return "\n".join(rows)


def shown_peers(report: dict[str, Any]) -> list[str]:
    return [peer for peer in PEERS if peer in report["peers"]]


def title(report: dict[str, Any], peer: str) -> str:
    return str(report["peers"][peer]["name"])


def result(report: dict[str, Any], work: str, peer: str) -> dict[str, Any]:
    return dict(report["results"][work].get(peer, {}))


def reason(report: dict[str, Any], work: str, peer: str) -> str:
    """Returns why there are no samples, as a sentence."""
    if "error" in report["peers"][peer]:
        return "does not start here; its error is below the table of peers"
    found = result(report, work, peer)
    return (
        f"not supported: {found['unsupported']}"
        if "unsupported" in found
        else f"fails: {found.get('error', '?')}"
    )


def median(report: dict[str, Any], work: str, peer: str) -> float | None:
    samples = result(report, work, peer).get("samples")
    return statistics.median(samples) if samples else None


def p95(samples: list[float]) -> float:
    return sorted(samples)[max(0, math.ceil(len(samples) * 0.95) - 1)]


def number(value: float) -> str:
    """Returns three significant digits without an exponent."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}"


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 110, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
