"""`hypercell bench` without a VM: percentiles, comparison, picture and options."""

import json
import sys
from xml.etree import ElementTree

import pytest

from hypercell import _bench, _cli

WHERE = {"hypercell": "1", "processor": "a <b> & c", "cpus": [0]}


@pytest.fixture(autouse=True)
def _same_number_of_digits_afterwards():
    # The command line lifts the bound.
    before = getattr(sys, "get_int_max_str_digits", int)()
    yield
    getattr(sys, "set_int_max_str_digits", int)(before)


def report(**cases):
    lines = []
    made = _bench.Report(lines.append)
    for case, samples in cases.items():
        made.add(case, "ms", samples)
    return made, lines


def test_report_has_median_and_percentiles_and_prints_a_line_for_each_case():
    made, lines = report(a=[float(n) for n in range(1, 101)], b=[3.0])
    assert made.cases["a"] == {
        "unit": "ms",
        "median": 50.5,
        "p50": 50.0,
        "p90": 90.0,
        "p95": 95.0,
        "p99": 99.0,
        "samples": 100,
    }
    assert {made.cases["b"][f"p{share}"] for share in _bench.PERCENTILES} == {3.0}
    assert [line.split()[0] for line in lines] == ["a", "b"]


def test_percentiles_count_from_the_bad_side():
    made = _bench.Report(lambda _: None)
    made.add("speed", "of native", [0.5, 0.9, 1.0], low_is_bad=True)
    assert (made.cases["speed"]["p95"], made.cases["speed"]["median"]) == (0.5, 0.9)


def test_comparison_shows_cases_that_both_have_as_multiples():
    old, new = report(a=[2.0], gone=[1.0])[0].cases, report(a=[3.0], fresh=[1.0])[0].cases
    assert [line.split() for line in _bench.compare(old, new)] == [
        ["a", "2.000", "->", "3.000", "ms", "1.50x"]
    ]


@pytest.mark.parametrize(
    "old", [{}, {"a": None}, {"a": {"unit": "us", "median": 2.0}}, {"a": {"unit": "ms"}}]
)
def test_case_that_cannot_be_compared_is_left_out(old):
    assert _bench.compare(old, report(a=[3.0])[0].cases) == []


def test_picture_is_well_formed_and_longer_bars_are_longer_times():
    cases = report(short=[0.1], long=[10.0])[0].cases
    cases["memory"] = {"unit": "MB", "median": 1.0, "p95": 1.0}
    root = ElementTree.fromstring(_bench.plot(WHERE, cases))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    short, long = (float(bar.attrib["width"]) for bar in root.iter(f"{space}rect"))
    assert texts == ["hypercell 1, a <b> & c, CPUs [0]", "short", "100 us", "long", "10 ms"]
    assert 0 < short < long


def test_picture_of_nothing_is_a_picture():
    ElementTree.fromstring(_bench.plot(WHERE, {}))


@pytest.mark.parametrize(
    "arguments",
    [["nothing/"], ["--compare", "/nowhere.json"], ["--cpu", "100000"], ["--cpu", "-1"]],
)
def test_option_that_cannot_be_used_is_a_usage_error(arguments, capsys):
    assert _cli.main(["bench", *arguments]) == _cli.EXIT_USAGE
    assert capsys.readouterr().err.startswith("hypercell: ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cases": 1', "\xff"])
def test_earlier_report_that_is_none_is_a_usage_error(tmp_path, text, capsys):
    (tmp_path / "old.json").write_text(text, encoding="latin-1")
    assert _cli.main(["bench", "--compare", str(tmp_path / "old.json")]) == _cli.EXIT_USAGE
    assert "an option cannot be used" in capsys.readouterr().err


def test_options_reach_the_benches(monkeypatch, tmp_path, capsys):
    def bench(made, quick):
        made.add("phase/x", "ms", [1.0 if quick else 2.0])

    monkeypatch.setattr(_bench, "BENCHES", {"phase/": bench, "run/": lambda *_: pytest.fail("not asked for")})
    monkeypatch.setattr(_cli, "default_image", lambda: None)
    files = {name: tmp_path / name for name in ("old.json", "new.json", "plot.svg")}
    assert _cli.main(["bench", "phase/", "--json", str(files["old.json"])]) == 0
    arguments = ["--quick", "--json", str(files["new.json"]), "--plot", str(files["plot.svg"])]
    assert _cli.main(["bench", "phase/", "--compare", str(files["old.json"]), *arguments]) == 0
    assert json.loads(files["new.json"].read_text())["cases"]["phase/x"]["median"] == 1.0
    assert "0.50x" in capsys.readouterr().out
    assert files["plot.svg"].read_text().startswith("<svg")
