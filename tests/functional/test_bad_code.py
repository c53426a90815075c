"""Code that is not a program: a typed error before anything runs, or the error that Python itself gives."""

import pytest

import hypercell


@pytest.mark.parametrize("code", [None, 5, b"1 + 1", ["1"], object()])
def test_code_that_is_no_str_is_refused(sandbox, code):
    with pytest.raises((hypercell.PolicyError, TypeError)):
        sandbox.run(code)
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize("code", ["1\0", "\0", "x = '\ud800'", "\udfff", "# \ud83d alone\n1"])
def test_code_with_nul_or_lone_surrogates_is_refused(sandbox, code):
    with pytest.raises(hypercell.PolicyError):
        sandbox.run(code)
    assert sandbox.run("1").value == 1


def test_code_above_the_ceiling_is_refused(sandbox):
    with pytest.raises(hypercell.PolicyError):
        sandbox.run("#" * ((1 << 20) + 1))
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("x = (1", "SyntaxError", 1),
        ("x = 1\nfor", "SyntaxError", 2),
        ("if True:\nx = 1", "IndentationError", 2),
        ("  x = 1", "IndentationError", 1),
        ("if True:\n        x = 1\n\ty = 2", "TabError", 3),
        ("return 5", "SyntaxError", 1),
        ("\n\nasync with x: pass\nyield", "SyntaxError", 4),
        ("yield 1", "SyntaxError", 1),
        ("break", "SyntaxError", 1),
        ("nonlocal x", "SyntaxError", 1),
        ("def f(x, x): pass", "SyntaxError", 1),
        ("from __future__ import nothing", "SyntaxError", 1),
        ("1 = x", "SyntaxError", 1),
        ("print 'hello'", "SyntaxError", 1),
        ("x = $5", "SyntaxError", 1),
        ("'''never closed", "SyntaxError", 1),
    ],
)
def test_syntax_error_is_an_error_of_the_run_with_its_line(sandbox, code, kind, line):
    result = sandbox.run(code)
    assert (result.error.type, result.error.line, result.stdout, result.value) == (kind, line, "", None)


def test_syntax_error_prevents_the_lines_before_it(sandbox):
    result = sandbox.run("print('not printed')\nx = (")
    assert (result.stdout, result.error.type) == ("", "SyntaxError")


def test_code_nested_beyond_the_parser_is_an_error_of_the_run(sandbox):
    result = sandbox.run("(" * 5000 + ")" * 5000)
    assert result.error.type in ("SyntaxError", "MemoryError", "RecursionError")
    assert sandbox.run("1").value == 1


def test_code_at_the_ceiling_runs(sandbox):
    ceiling = hypercell.Limits().code_bytes
    code = "x = '" + "a" * (ceiling - 13) + "'\nlen(x)"
    assert (len(code), sandbox.run(code).value) == (ceiling, ceiling - 13)


def test_code_with_very_many_lines_runs(sandbox):
    assert sandbox.run("x = 1\n" * 20_000 + "x").value == 1


def test_warnings_of_the_compiler_go_to_stderr(sandbox):
    result = sandbox.run("x = 5\nx is 5")
    assert result.stderr.splitlines()[0].startswith("<code>:2: SyntaxWarning: ")


def test_future_import_holds_for_the_code(sandbox):
    code = "from __future__ import annotations\ndef f(x: Missing) -> Nothing: ...\nf.__annotations__"
    assert sandbox.run(code).value == {"x": "Missing", "return": "Nothing"}
