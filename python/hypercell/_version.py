"""The version, which has one source: the workspace's Cargo.toml, from which maturin writes the wheel's metadata."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hypercell")
except PackageNotFoundError:  # A source tree on the path, not an installed wheel.
    __version__ = "0.0.0+source"
