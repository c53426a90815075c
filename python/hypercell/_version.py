"""The version, which has one source: the workspace's Cargo.toml, compiled into the native module."""


def _find() -> str:
    try:
        from . import _native

        return _native.__version__
    except ImportError:
        # The metadata, which maturin wrote from the same source, still says it. Its reader takes long to import.
        from importlib.metadata import PackageNotFoundError, version
    try:
        return version("hypercell")
    except PackageNotFoundError:
        return "0.0.0+source"


__version__ = _find()
