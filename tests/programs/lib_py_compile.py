# py_compile, compileall and pycs in /tmp: source compiled, loaded without its source.
import compileall
import importlib.machinery
import importlib.util
import os
import py_compile
import tempfile

with tempfile.TemporaryDirectory() as folder:
    source = os.path.join(folder, "mod.py")
    with open(source, "w") as f:
        f.write("def f():\n    return 'compiled'\n")
    compiled = py_compile.compile(source, cfile=os.path.join(folder, "mod.pyc"), doraise=True)
    os.unlink(source)
    loader = importlib.machinery.SourcelessFileLoader("mod", compiled)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mod", loader))
    loader.exec_module(module)
    print(module.f(), open(compiled, "rb").read(4) == importlib.util.MAGIC_NUMBER)
    with open(os.path.join(folder, "bad.py"), "w") as f:
        f.write("def (:\n")
    try:
        py_compile.compile(os.path.join(folder, "bad.py"), doraise=True)
    except py_compile.PyCompileError as error:
        print(error.exc_type_name)
    done = compileall.compile_dir(folder, quiet=2)
[bool(done), module.__loader__ is loader]
