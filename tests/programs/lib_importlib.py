# importlib, pkgutil, runpy, zipimport: modules found, made and run.
import importlib
import importlib.util
import pkgutil
import runpy
import sys
import tempfile
import zipfile
from pathlib import Path

print(importlib.import_module("json.decoder").__name__, importlib.util.find_spec("no_such_module"), importlib.util.find_spec("sys").origin)
with tempfile.TemporaryDirectory() as folder:
    package = Path(folder, "made_package")
    package.mkdir()
    (package / "__init__.py").write_text("from .part import VALUE\n")
    (package / "part.py").write_text("VALUE = 42\nprint('imported as', __name__)\n")
    (package / "__main__.py").write_text("print('main of', __package__)\nanswer = 7\n")
    sys.path.insert(0, folder)
    import made_package

    print(made_package.VALUE, [m.name for m in pkgutil.iter_modules(made_package.__path__)])
    print(runpy.run_module("made_package")["answer"])
    (package / "part.py").write_text("VALUE = 430\n")
    importlib.invalidate_caches()
    print(importlib.reload(made_package.part).VALUE)
    archive = Path(folder, "bundle.zip")
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("zipped_module.py", "WHERE = 'zip'\n")
    sys.path.insert(0, str(archive))
    import zipped_module

    print(zipped_module.WHERE)
    del sys.path[:2]
try:
    import made_package.missing
except ModuleNotFoundError as error:
    print(error, error.name)
try:
    from json import nothing
except ImportError as error:
    print(str(error).split(" (")[0])
["made_package" in sys.modules, pkgutil.resolve_name("os.path:join").__name__]
