"""The version, which has one source: the workspace's Cargo.toml, compiled into the native module."""

from importlib.metadata import PackageNotFoundError, version


def _find() -> str:
    try:
        from . import _native

        return _native.__version__
    except ImportError:
        pass
    # Where the native module does not load, the metadata that maturin wrote from the same source still says it.
    try:
        return version("hypercell")
    except PackageNotFoundError:
        return "0.0.0+source"


__version__ = _find()
