"""Each program of tests/programs ends in the guest as it ends on the same interpreter natively."""

import sys

import pytest

from corpus import SUITES, Outcome, Program, check_ending, load_all, run_native
from native_runner import without_depth

PROGRAMS = load_all()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_ends_natively_as_its_header_says(program):
    _skip_if_too_new(program)
    check_ending(program, run_native(program))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_ends_in_the_guest_as_natively(program, corpus_sandbox):
    _skip_if_too_new(program)
    native = run_native(program).portrait()
    guest = _run_in_guest(program, corpus_sandbox).portrait()
    for field in program.differs:
        del native[field], guest[field]
    assert guest == native


def test_the_corpus_covers_every_suite():
    assert {program.name.partition("_")[0] for program in PROGRAMS} == set(SUITES)
    assert len(PROGRAMS) >= 80


@pytest.fixture(scope="module")
def corpus_sandbox(hypercell_with_image):
    """One sandbox for the whole corpus: each run starts from the same fresh state."""
    with hypercell_with_image.Sandbox() as box:
        yield box


def _run_in_guest(program: Program, box) -> Outcome:
    result = box.run(program.source)
    error = None
    if result.error is not None:
        error = {
            "type": result.error.type,
            "message": result.error.message,
            "traceback": without_depth(result.error.traceback),
            "line": result.error.line,
        }
    return Outcome(
        stdout=result.stdout,
        stderr=result.stderr,
        value=result.value,
        error=error,
        exit_code=result.exit_code,
    )


def _skip_if_too_new(program: Program) -> None:
    if sys.version_info < program.requires:
        pytest.skip(f"needs Python {'.'.join(map(str, program.requires))}")
