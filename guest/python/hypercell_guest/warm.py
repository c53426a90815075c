"""What happens once, before the image's snapshot is taken, so that no run has to do it.

Before: bootstrap. After: the snapshot.
"""

import faulthandler
import gc
import importlib

from hypercell_guest.codec import decode, encode
from hypercell_guest.report import limited
from hypercell_guest.runner import execute


def warm(modules):
    """Imports modules and runs common paths; returns `[module, message]` for each that does not import."""
    failed = []
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            failed.append([name, limited(f"{type(error).__name__}: {error}")])
    decode(encode({"a": [1, 2.5, "text", None, True, b"bytes", (1, 2)], "b": {"c": -1}}))
    execute("[item for item in range(3)]", "<warm>", {})
    # A fatal signal prints the Python stack before the kernel reports it.
    faulthandler.enable(2)
    gc.collect()
    # What lives now lives for ever: later collections need not touch, and so copy, its pages.
    gc.freeze()
    return failed
