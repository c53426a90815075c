"""Packages with C extensions, unmodified, in images that have them: value and files are those of a native run.

Here are those that cost little to install; `cargo xtask packages` runs the others too.
"""

import dataclasses

import pytest

import hypercell
from package_programs import GUEST_INPUTS, Native, PackageProgramError, ending_of, load_all, load_program

INSTALLED = ("numpy", "pandas", "pillow", "pydantic", "orjson", "PyYAML", "cffi", "sqlite3", "tzdata")
PROGRAMS = load_all()
CHOSEN = [program for program in PROGRAMS if program.package in INSTALLED]
MEMORY_BYTES = 512 << 20
TABLE = (
    "pd.DataFrame({'shop': ['north', 'south'] * 3, 'day': ['2024-02-28', '2024-03-01', '2024-03-02'] * 2, "
    "'price': range(6)})"
)
pytestmark = pytest.mark.vm


@pytest.fixture(scope="module", params=["imported by the run", "imported by the image"])
def image(request):
    packages = sorted({name for program in CHOSEN for name in program.packages})
    is_warm = request.param == "imported by the image"
    warm = ["numpy", "pandas", "PIL.Image", "pydantic", "orjson", "yaml", "cffi"] if is_warm else []
    return hypercell.Image.from_environment(packages, warm=warm, memory_bytes=MEMORY_BYTES)


@pytest.mark.parametrize("program", CHOSEN, ids=lambda program: program.name)
def test_package_works_as_natively(program, image, make_sandbox, tmp_path):
    native = Native(program, tmp_path, "")
    try:
        _, expected = native.work()
    finally:
        native.close()
    box = make_sandbox(image=image, limits=hypercell.Limits(memory_bytes=MEMORY_BYTES))
    result = box.run(program.source + "work()", inputs={**GUEST_INPUTS, "url": ""})
    assert expected.error is None
    assert ending_of(result) == expected


def test_matrix_product_fits_into_the_default_memory_limit(make_sandbox):
    image = hypercell.Image.from_environment(["numpy", "pandas"], warm=["numpy", "pandas"])
    code = "import numpy\nones = numpy.ones((1000, 1000))\nfloat((ones @ ones).sum())"
    result = make_sandbox(image=image).run(code)
    assert result.value == 1e9
    assert result.usage.memory_peak_bytes < 64 << 20


@pytest.mark.parametrize("image", ["imported by the image"], indirect=True)
@pytest.mark.parametrize(
    "code",
    [
        "frame.pivot_table(index='shop', columns='day', values='price', aggfunc='sum').to_dict()",
        "frame.set_index(pd.to_datetime(frame['day']))['price'].resample('D').sum().tolist()",
    ],
)
def test_small_pandas_program_finds_most_of_what_it_writes_copied(code, image, make_sandbox):
    box = make_sandbox(image=image, prepared=0, limits=hypercell.Limits(memory_bytes=MEMORY_BYTES))
    result = box.run(f"import pandas as pd\nframe = {TABLE}\n{code}")
    assert result.error is None
    # Without a list of what such programs write, each of two thousand pages is a fault.
    assert result.usage.page_faults < result.usage.memory_peak_bytes / 4096 / 4


def test_every_package_of_the_fast_tests_has_a_program():
    assert {program.package for program in CHOSEN} == set(INSTALLED)


def test_endings_differ_by_value_and_files(tmp_path):
    program = next(program for program in PROGRAMS if program.name == "sqlite3_database")
    native = Native(program, tmp_path, "")
    try:
        _, first = native.work()
        (tmp_path / "more").write_bytes(b"x")
        _, second = native.work()
    finally:
        native.close()
    assert first.error is None
    assert first != second == dataclasses.replace(first, files={"more": b"x"})


@pytest.mark.parametrize(
    "text",
    ["import x\n", '"""What."""\n# image: text\n', '"""What."""\n# packages: x\n# image: none\n'],
)
def test_program_without_its_headers_is_refused(text, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        PackageProgramError, match=r"^odd\.py says not what it does, what it needs, or its image: "
    ):
        load_program(path)
