"""`/output`: what a run leaves there is in its result, or in a directory of the host."""

import pytest

import hypercell
from hypercell import File

LEAVE = """
import os
os.makedirs('/output/plots', exist_ok=True)
open('/output/report.csv', 'w').write('a,b\\n')
open('/output/plots/a.png', 'wb').write(b'\\x89PNG')
open('/output/empty', 'w').close()
os.symlink('/tmp', '/output/link')
"""


@pytest.mark.gate("file.artifact", aspect="allowed")
def test_files_are_in_the_result_with_size_and_media_type(sandbox):
    result = sandbox.run(LEAVE)
    assert result.files == {
        "report.csv": File("report.csv", 4, "text/csv", b"a,b\n"),
        "plots/a.png": File("plots/a.png", 4, "image/png", b"\x89PNG"),
        "empty": File("empty", 0, "application/octet-stream", b""),
    }
    usage = result.usage
    assert (usage.output_file_bytes, usage.output_total_bytes, usage.output_file_count) == (4, 8, 3)
    assert sandbox.run("1").files == {}


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"),
        ("a.PNG", "image/png"),
        ("a.unknown", "application/octet-stream"),
    ],
)
def test_media_type_is_guessed_from_the_name(sandbox, name, media_type):
    files = sandbox.run("open('/output/' + name, 'w').close()", inputs={"name": name}).files
    assert files[name].media_type == media_type


def test_large_file_arrives_whole(sandbox):
    code = "open('/output/big', 'wb').write(bytes(range(256)) * 40_000 + b'end')\nNone"
    file = sandbox.run(code).files["big"]
    assert (file.size, file.data == bytes(range(256)) * 40_000 + b"end") == (10_240_003, True)


def test_files_are_collected_whatever_ends_the_code(sandbox):
    write = "open('/output/a', 'w').write('x')\n"
    for end in ("1 / 0", "raise SystemExit(3)", "import os\nos._exit(4)", "1"):
        assert sandbox.run(write + end).files["a"].data == b"x", end


def test_open_file_counts_as_it_is(sandbox):
    result = sandbox.run("f = open('/output/a', 'w')\nf.write('flushed')\nf.flush()\nf.write('not')\nNone")
    assert result.files["a"].data == b"flushed"


def test_result_shows_what_is_there_at_the_end_of_each_run(make_sandbox):
    box = make_sandbox(keep_state=True)
    assert list(box.run("open('/output/a', 'w').close()").files) == ["a"]
    assert sorted(box.run("open('/output/b', 'w').close()").files) == ["a", "b"]
    assert list(box.run("import os\nos.remove('/output/a')").files) == ["b"]
    box.reset()
    assert box.run("1").files == {}


def test_name_that_is_no_utf8_is_decoded_as_the_system_does(sandbox):
    files = sandbox.run("open(b'/output/caf\\xe9', 'w').close()").files
    assert list(files) == ["caf\udce9"]


def test_deep_tree_arrives_up_to_the_longest_path(sandbox):
    code = """
import os
os.chdir('/output')
for n in range(40):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
    open('f', 'w').close()
"""
    files = sandbox.run(code).files
    assert max(map(len, files)) == 201 * 20 + 1
    assert len(files) == 20


def test_directory_gets_the_files_instead(make_sandbox, tmp_path):
    (tmp_path / "report.csv").write_text("old and longer")
    box = make_sandbox(output_dir=tmp_path)
    files = box.run(LEAVE).files
    assert files["report.csv"] == File("report.csv", 4, "text/csv", None)
    assert (tmp_path / "report.csv").read_text() == "a,b\n"
    assert (tmp_path / "plots" / "a.png").read_bytes() == b"\x89PNG"
    assert not (tmp_path / "link").exists()


def test_link_in_the_directory_is_replaced_and_not_followed(make_sandbox, tmp_path):
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.csv").symlink_to(tmp_path / "victim")
    (tmp_path / "out" / "plots").symlink_to(tmp_path)
    box = make_sandbox(output_dir=tmp_path / "out")
    with pytest.raises(hypercell.OutputDirError) as caught:
        box.run("print('before')\n" + LEAVE)
    assert caught.value.result.stdout == "before\n"
    assert str(caught.value).startswith(
        'the file "plots/a.png" cannot be written to the directory for output: '
    )
    box.run("open('/output/report.csv', 'w').write('new')").raise_for_error()
    assert (tmp_path / "victim").read_text() == "safe"
    assert (tmp_path / "out" / "report.csv").read_text() == "new"
    assert not (tmp_path / "a.png").exists()


LIMITS = [
    ("output_file_bytes", 100, "open('/output/b', 'wb').write(bytes({}))", "bytes"),
    ("output_total_bytes", 101, "open('/output/b', 'wb').write(bytes({} - 1))", "bytes"),
    ("output_file_count", 3, "[open(f'/output/b{{n}}', 'w') for n in range({} - 1)]", "files"),
]


@pytest.mark.gate("file.artifact", aspect="at_limit")
@pytest.mark.parametrize(("limit", "maximum", "code", "unit"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limit_holds_at_its_edge_and_whole_files_are_kept(make_sandbox, limit, maximum, code, unit):
    box = make_sandbox(limits=hypercell.Limits(**{limit: maximum}))
    first = "open('/output/a', 'w').write('x')\nprint('before')\n"
    result = box.run(first + code.format(maximum))
    assert getattr(result.usage, limit) == maximum
    with pytest.raises(hypercell.FileLimitError) as caught:
        box.run(first + code.format(maximum + 1))
    error = caught.value
    assert (error.limit, error.used, error.maximum, error.unit) == (limit, maximum + 1, maximum, unit)
    assert error.result.stdout == "before\n"
    assert error.result.files["a"].data == b"x"
    assert len(error.result.files) < len(result.files) or unit == "files"
    assert box.run("1 + 1").value == 2


@pytest.mark.usefixtures("hypercell_with_image")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/nowhere/at/all",
            'files cannot be put into the directory "/nowhere/at/all": No such file or directory (os error 2)',
        ),
        (7, "output_dir must be str or a path, got int"),
        ("", "output_dir cannot be ''"),
    ],
)
def test_directory_that_cannot_be_is_refused(path, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Sandbox(output_dir=path)
    assert str(caught.value) == message
