"""What of an environment is packed: distributions of other installers, layouts and versions, and what is refused."""

import json
import sys
import venv
from pathlib import Path

import pytest

from hypercell import Image, ImageError, Sandbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]


class Environment:
    """A virtual environment whose distributions are written by hand, as an installer would have left them."""

    def __init__(self, path):
        venv.create(path, with_pip=False)
        self.path = path
        (self.site_dir,) = path.glob("lib/python*/site-packages")

    def install(self, name, files, *, metadata="", record="RECORD", origin=None):
        info = self.site_dir / f"{name}-1.0.dist-info"
        written = {**{file: self.site_dir / file for file in files}, "METADATA": info / "METADATA"}
        texts = {**files, "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\n"}
        if origin is not None:
            written["direct_url.json"], texts["direct_url.json"] = (
                info / "direct_url.json",
                json.dumps(origin),
            )
        for key, path in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[key], encoding="utf-8")
        if record is not None:
            listed = [str(path.relative_to(self.site_dir)) for path in written.values()]
            (info / record).write_text("".join(f"{path},,\n" for path in listed), encoding="utf-8")

    def image(self, *packages, **options):
        return Image.from_environment(packages, python=self.path, **options)


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "env")


@pytest.mark.slow
@pytest.mark.usefixtures("hypercell_with_image")
def test_layouts_of_distributions_are_packed(environment):
    environment.install("one", {"space/one/__init__.py": "value = 1\n"})
    environment.install(
        "two",
        {
            "space/two.py": "value = 2\n",
            "space/data/text.txt": "text",
            "two.pth": "import sys; sys.from_pth = True\n",
            "space/tests/test_two.py": "",
            "space/tests/helper.py": "",
        },
        metadata='Provides-Extra: both\nRequires-Dist: one; extra == "both"\nRequires-Dist: gone>=2\n',
    )
    with Sandbox(image=environment.image("two[both]==1.0")) as box:
        result = box.run(
            "import importlib.metadata as metadata, importlib.resources, importlib.util, sys\n"
            "import space.one, space.two\n"
            "[space.one.value, space.two.value, (importlib.resources.files('space') / 'data/text.txt').read_text(),\n"
            " sys.from_pth, importlib.util.find_spec('space.tests'), metadata.version('two')]"
        )
    assert result.error is None
    assert result.value == [1, 2, "text", True, None, "1.0"]


THREADED = """
import threading, time
from concurrent.futures import ThreadPoolExecutor

beats = []
def beat():
    while True:
        beats.append(1)
        time.sleep(0.01)

threading.Thread(target=beat, daemon=True).start()
threading.Thread(target=threading.Event().wait).start()
pool = ThreadPoolExecutor(2)
assert list(pool.map(abs, range(-4, 0))) == [4, 3, 2, 1]
"""


@pytest.mark.slow
@pytest.mark.usefixtures("hypercell_with_image")
def test_threads_of_an_imported_module_go_on_in_every_run(environment):
    environment.install("one", {"one.py": THREADED})
    code = """
import time
from concurrent.futures import ThreadPoolExecutor
import one

before = len(one.beats)
time.sleep(0.1)
own = ThreadPoolExecutor(2)
[len(one.beats) > before, list(one.pool.map(abs, [-1])), own.submit(twice, 4).result(), own.submit(twice, x=5).result()]
"""
    image = environment.image("one", warm=["one"])
    with Sandbox(image=image, tools=[twice]) as box:
        for _ in range(2):
            result = box.run(code)
            assert (result.error, result.value) == (None, [True, [1], 8, 10])
    with Sandbox(image=image, keep_state=True) as box:
        box.run("import one\nbefore = len(one.beats)\nasked = one.pool.submit(abs, -3)")
        assert box.run("import time\ntime.sleep(0.1)\n(len(one.beats) > before, asked.result())").value == (
            True,
            3,
        )


def twice(x):
    return 2 * x


@pytest.mark.slow
@pytest.mark.usefixtures("hypercell_with_image")
def test_imported_module_that_writes_results_is_refused(environment):
    environment.install("one", {"one.py": "open('/output/early', 'w').close()"})
    with pytest.raises(ImageError, match="an imported module left files in /output, which is for runs"):
        environment.image("one", warm=["one"])


@pytest.mark.slow
@pytest.mark.usefixtures("hypercell_with_image")
def test_imported_module_that_crashes_is_told_with_its_line(environment):
    environment.install("one", {"one.py": "import ctypes\nctypes.string_at(0)\n"})
    with pytest.raises(ImageError) as caught:
        environment.image("one", warm=["one"])
    message = str(caught.value)
    assert (
        "importing modules: the interpreter died by signal 11: SIGSEGV (11): access to address 0x0 at "
        in message
    )
    assert 'site-packages/one.py", line 2 in <module>\n' in message
    assert "\nrip" not in message


@pytest.mark.slow
@pytest.mark.usefixtures("hypercell_with_image")
def test_markers_are_those_of_the_environment(environment, tmp_path, monkeypatch):
    environment.install("one", {"one.py": ""})
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    required = tmp_path / "requirements.txt"
    required.write_text(f"one; python_version == '{minor}'\nnone-such; python_version != '{minor}'\n")
    monkeypatch.chdir(tmp_path)
    images = [
        Image.from_environment(python=path, requirements=required) for path in ("env", "env/bin/python")
    ]
    assert [image.packages for image in images] == [{"one": "1.0"}] * 2
    assert images[0].digest == images[1].digest


def test_editable_installation_is_refused(environment):
    origin = {"url": "file:///home/me/one", "dir_info": {"editable": True}}
    environment.install("one", {"one.pth": "/home/me/one\n"}, origin=origin)
    with pytest.raises(
        ImageError, match='"one": it is an editable installation of file:///home/me/one, whose'
    ):
        environment.image("one")
    environment.install("two", {"two.py": ""}, metadata="Requires-Dist: one\n")
    with pytest.raises(ImageError, match='"one": it is an editable installation'):
        environment.image("two")


def test_development_installation_of_setuptools_is_refused(environment, tmp_path):
    source = tmp_path / "source"
    info = source / "one.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
    (info / "SOURCES.txt").write_text("setup.py\none.py\n")
    (source / "one.py").write_text("")
    (environment.site_dir / "easy-install.pth").write_text(f"{source}\n")
    with pytest.raises(ImageError, match=f'"one": it is an editable installation of {source}, whose'):
        environment.image("one")


def test_archive_that_was_installed_from_a_directory_is_no_editable_one(environment):
    environment.install("one", {"one.py": ""}, origin={"url": "file:///home/me/one", "dir_info": {}})
    with pytest.raises(ImageError, match="none_such"):
        environment.image("one", "none_such")


def test_installation_without_a_list_of_its_files_is_refused(environment):
    environment.install("one", {"one.py": ""}, record=None)
    with pytest.raises(ImageError, match=r'"one": its installer left no list of its files \(RECORD\)'):
        environment.image("one")


def test_extra_that_cannot_be_is_refused(environment):
    metadata = (
        "Provides-Extra: Fast_Mode\nProvides-Extra: old\n"
        'Requires-Dist: gone; extra == "Fast_Mode"\nRequires-Dist: gone; python_version < "3" and extra == "old"\n'
    )
    environment.install("one", {"one.py": ""}, metadata=metadata)
    with pytest.raises(ImageError, match="\"one\": it has no extra 'slow'; it has fast-mode, old"):
        environment.image("one[slow]")
    with pytest.raises(
        ImageError, match=r'"gone": it is not installed in the environment of .*/env/bin/python'
    ):
        environment.image("one[fast.mode]")
    with pytest.raises(ImageError, match='"none_such"'):
        environment.image("one[old]", "none_such")


def test_interpreter_is_found_by_its_name(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(ImageError, match='"none_such": it is not installed'):
        Image.from_environment(["none_such"], python=Path(sys.executable).name)
