"""PEP 517 build backend: builds the guest, then lets maturin build everything else.

The wheel carries the guest kernel and the guest Python beside the extension module. `cargo xtask guest` is
the one place that builds them, so `pip install .` and a developer's build give the same files.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import maturin

_ROOT = Path(__file__).resolve().parent.parent

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
build_sdist = maturin.build_sdist


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Builds the guest and the wheel, and returns the wheel's file name."""
    _build_guest()
    name: str = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Builds the guest and an editable wheel, and returns the wheel's file name."""
    _build_guest()
    name: str = maturin.build_editable(wheel_directory, config_settings, metadata_directory)
    return name


def _build_guest() -> None:
    cargo = os.environ.get("CARGO", "cargo")
    try:
        subprocess.run([cargo, "xtask", "guest"], cwd=_ROOT, check=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"building hypercell needs Rust: {cargo} was not found") from error
