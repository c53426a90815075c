"""What a requirements file asks for."""

import pytest

from hypercell import ImageError, PolicyError
from hypercell._requirements import check_versions, read_requirements


@pytest.fixture
def written(tmp_path):
    def write(text, name="requirements.txt"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_names_extras_and_markers_are_read(written):
    path = written(
        "\n# comment\nnumpy==2.0 # why\nhttpx[http2, cli]>=0.27\n"
        "old ; python_version < '3'\nnew ; python_version > '3'\n"
    )
    assert list(read_requirements(path)) == ["numpy", "httpx[cli,http2]", "new"]


def test_files_name_each_other(written):
    written("scipy\n", "more.txt")
    assert list(read_requirements(written("numpy\n-r more.txt\n"))) == ["numpy", "scipy"]


def test_file_that_names_itself_is_refused(written):
    with pytest.raises(PolicyError, match="files name each other more than 8 deep"):
        read_requirements(written("-r requirements.txt\n"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("numpy\n--hash=sha256:00\n", "line 2 of .*'--hash=sha256:00' is an option of pip"),
        ("-e .\n", "line 1 of .*'-e .' is an option of pip"),
        ("numpy ==\n", "line 1 of .*'numpy ==' is no requirement"),
        ("./wheel.whl\n", "is no requirement"),
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


def test_versions_are_compared_by_normal_names(written):
    required = read_requirements(written("Foo.Bar >= 2\nbaz\n"))
    check_versions(required, {"foo-bar": "2.1", "BAZ": "0.0.1rc1"})
    with pytest.raises(ImageError, match=r"has Foo.Bar 1\.9, and 'Foo.Bar>=2' is required"):
        check_versions(required, {"foo_bar": "1.9", "baz": "1"})
