"""What names and requirements files ask for, and which versions meet them."""

import platform

import pytest

from hypercell import ImageError, PolicyError
from hypercell._requirements import Requirements, parse_names, read_requirements


@pytest.fixture
def written(tmp_path):
    def write(text, name="requirements.txt"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def asked_for(path, version="3.11.7"):
    return read_requirements(path).for_version(lambda: version).names()


def test_names_extras_and_markers_are_read(written):
    path = written(
        "\n# comment\nnumpy==2.0 # why\nhttpx[http2, cli]>=0.27\n"
        "old ; python_version < '3'\nnew ; python_version > '3'\n"
    )
    assert asked_for(path) == ["numpy", "httpx[cli,http2]", "new"]


def test_markers_are_those_of_the_interpreter_that_is_packed(written):
    path = written(
        "tomli; python_version < '3.11'\nx; python_full_version == '3.10.4'\ny; sys_platform == 'linux'\n"
    )
    assert asked_for(path, "3.10.4") == ["tomli", "x", "y"]
    assert asked_for(path, "3.12.0") == ["y"]


def test_version_is_not_asked_for_without_markers(written):
    asked = read_requirements(written("numpy>=2\n")) + parse_names(["six"])
    assert asked.for_version(lambda: pytest.fail("the version was asked for")) == asked


def test_files_name_each_other(written):
    written("scipy\n", "more.txt")
    assert asked_for(written("numpy\n-r more.txt\n--requirement=more.txt # twice\n")) == ["numpy", "scipy"]


@pytest.mark.parametrize("option", ["-r", "-c"])
def test_file_that_names_itself_is_refused(written, option):
    with pytest.raises(PolicyError, match="files name each other more than 8 deep"):
        read_requirements(written(f"{option} requirements.txt\n"))


def test_files_of_tools_that_lock_versions_are_read(written):
    path = written(
        "\ufeff--index-url https://example.org/simple\n--extra-index-url=https://example.org/more\n"
        "--require-hashes\n-f wheels\n--only-binary :all:\n"
        "numpy==2.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via pandas\n"
        "six==1.17 --hash=sha256:22\npandas \\\n"
    )
    assert asked_for(path) == ["numpy", "six", "pandas"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("numpy\n--hash=sha256:00\n", "line 2 of .*'--hash=sha256:00' is an option of pip"),
        ("--prefix /x\n", "line 1 of .*'--prefix /x' is an option of pip"),
        ("--pre-x\n", "line 1 of .*'--pre-x' is an option of pip"),
        ("--no-index-url x\n", "line 1 of .*'--no-index-url x' is an option of pip"),
        ("-e .\n", "line 1 of .*'-e .' is an option of pip"),
        ("# \\\nnumpy ==\n", "line 2 of .*'numpy ==' is no requirement: [^\n]*$"),
        ("a \\\n\\\n  b\n\n", "line 1 of .*'a   b' is no requirement"),
        ("./wheel.whl\n", "is no requirement"),
        (
            "six @ https://example.org/six.whl\n",
            "says where to get it, and nothing is installed here; name 'six'",
        ),
        ("\0\n", "is no requirement"),
    ],
)
def test_line_that_is_no_requirement_is_refused(written, text, reason):
    with pytest.raises(PolicyError, match=reason):
        read_requirements(written(text))


def test_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        read_requirements(str(tmp_path / "none.txt"))
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\0")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_requirements(str(tmp_path / "bytes.txt"))


def test_names_may_have_versions_and_markers():
    asked = parse_names(["numpy", "six>=1", "httpx[http2]", "old; python_version < '3'"])
    assert asked.for_version(platform.python_version).names() == ["numpy", "httpx[http2]", "six"]
    with pytest.raises(ImageError, match=r"has six 0\.9, and 'six>=1' is required"):
        asked.check({"six": "0.9"})


@pytest.mark.parametrize("name", ["../six", "six/", "-r", "six @ file:///six", "six[", "six six"])
def test_name_that_is_no_requirement_is_refused(name):
    with pytest.raises(PolicyError, match=r"packages: .* (is no requirement|says where to get it)"):
        parse_names([name])


def test_versions_are_compared_by_normal_names(written):
    required = read_requirements(written("Foo.Bar >= 2\nbaz\n"))
    required.check({"foo-bar": "2.1", "BAZ": "0.0.1rc1"})
    with pytest.raises(ImageError, match=r"has Foo.Bar 1\.9, and 'Foo.Bar>=2' is required"):
        required.check({"foo_bar": "1.9", "baz": "1"})


def test_every_line_about_a_distribution_counts(written):
    written("six<2\n", "more.txt")
    required = read_requirements(written("six>=1\n-r more.txt\nsix!=1.5\n"))
    assert required.names() == ["six"]
    required.check({"six": "1.4"})
    for version, line in (("0.9", "six>=1"), ("2.0", "six<2"), ("1.5", "six!=1.5")):
        with pytest.raises(ImageError, match=f"has six {version}, and {line!r} is required"):
            required.check({"six": version})


def test_constraints_count_for_what_is_there(written):
    written("six<2\nother==1\n", "limits.txt")
    required = read_requirements(written("numpy\n-c limits.txt\n"))
    assert required.names() == ["numpy"]
    required.check({"numpy": "2"})
    with pytest.raises(ImageError, match="has six 2, and 'six<2' is required"):
        required.check({"numpy": "2", "six": "2"})


def test_version_that_is_none_meets_nothing():
    with pytest.raises(ImageError, match="has six of-today, and 'six>=1' is required"):
        parse_names(["six>=1"]).check({"six": "of-today"})
    assert Requirements().check({"six": "of-today"}) is None
