"""Describes the interpreter that runs this file, as one line of JSON on standard output.

Run as `python -I -c "<this text>" MARKER`. It also has to run on interpreters that are not supported (an old
CPython, PyPy), so that the builder can name them: hence the plain syntax.
"""

import json
import os
import site
import sys
import sysconfig

try:
    from importlib.util import MAGIC_NUMBER
except ImportError:
    MAGIC_NUMBER = b""  # an interpreter that is refused


def describe():
    version = list(sys.version_info[:3])
    implementation = getattr(sys, "implementation", None)
    answer = {
        "version": version,
        "release_level": sys.version_info[3],
        "implementation": implementation.name if implementation else "unknown",
        "platform": sys.platform,
        "is_64bit": sys.maxsize > 2**32,
    }
    if answer["implementation"] != "cpython" or sys.version_info < (3, 10):
        return answer  # the builder refuses it; the rest may not exist here
    stdlib = sysconfig.get_path("stdlib")
    if not os.path.isfile(os.path.join(stdlib, "os.py")):
        stdlib = os.path.dirname(os.path.realpath(os.__file__))
    dynload = [
        entry for entry in sys.path if os.path.basename(entry) == "lib-dynload" and os.path.isdir(entry)
    ]
    base = getattr(sys, "_base_executable", None) or sys.executable
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        libc = None
    answer.update(
        executable=sys.executable,
        base_executable=os.path.realpath(base),
        prefix=sys.prefix,
        base_prefix=sys.base_prefix,
        base_exec_prefix=sys.base_exec_prefix,
        stdlib=stdlib,
        dynload=dynload,
        config_header=sysconfig.get_config_h_filename(),
        platlibdir=sys.platlibdir,
        soabi=sysconfig.get_config_var("SOABI"),
        ext_suffix=sysconfig.get_config_var("EXT_SUFFIX"),
        bytecode_magic=MAGIC_NUMBER.hex(),
        is_free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        libc=libc,
        zone_dirs=(sysconfig.get_config_var("TZPATH") or "/usr/share/zoneinfo").split(os.pathsep),
        site_dirs=[entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))],
        guest_site_dirs=site.getsitepackages(["/python"]),
        library_dirs=[entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry],
    )
    return answer


sys.stdout.write("\n%s %s\n" % (sys.argv[1], json.dumps(describe())))
sys.stdout.flush()
