"""Starts the loop, and once more when the image's modules are imported, in memory that lies together.

Before: `__main__`. After: `holes`, `bootstrap`.
"""

import gc
import sys
from importlib import import_module

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.holes import Holes

_PACKAGE = __package__


def main(open_device=None):
    """Serves the host for ever.

    Args:
        open_device: Returns a descriptor that reads and writes as /dev/hypercell does; called again if it is lost.
            Opens that one unless given.
    """
    holes, answer, names = None, (), [_PACKAGE + ".bootstrap"]
    while True:
        for name in names:
            import_module(name)
        answer = sys.modules[_PACKAGE + ".bootstrap"].serve(open_device, holes, *answer)
        names = _forget_package()
        holes = Holes()
        holes.fill()


def _forget_package():
    """Drops all that this package made, but for what runs here; returns the names of its modules, to load again."""
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    for name in [*names, "__main__"]:
        sys.modules.pop(name, None)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, None)
        setattr(sys, f"__{name}__", None)
    gc.unfreeze()
    gc.collect()
    return [name for name in names if name.rpartition(".")[2] not in ("__main__", "start", "holes")]
