"""A stand-in for the module `hyperlight_sandbox` (hyperlight-sandbox 0.8.0): its API and behaviour, on hypercell.

    from hypercell.integrations import hyperlight_sandbox
    hyperlight_sandbox.install()

    from agent_framework_hyperlight import HyperlightCodeActProvider

After `install()`, `import hyperlight_sandbox` gives this module, so that packages written for the other one run
unchanged. It may also be used under its own name. docs/integrations/hyperlight-sandbox.md lists what differs.

Before: the caller. After: `hypercell.Sandbox`, with globals that stay, and `hypercell.Snapshot`.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import hypercell

from .._limits import MIB
from ._hyperlight.options import (
    DEFAULT_HEAP_SIZE,
    DEFAULT_MODULE_REF,
    DEFAULT_STACK_SIZE,
    MAX_PERMISSIONS,
    check_backend,
    check_module,
    check_quota,
    domain_of,
    limits_of,
)
from ._hyperlight.tools import PREFIX, parse_registration, tool_of

__all__ = [
    "CodeExecutionTool",
    "ExecutionResult",
    "Sandbox",
    "SandboxEnvironment",
    "Snapshot",
    "__version__",
    "install",
]

#: The release of hyperlight-sandbox whose behaviour this module has.
__version__ = "0.8.0"

_NAME = "hyperlight_sandbox"
#: What tracebacks of submitted code call the functions that the sandbox gives it.
_PRELUDE = "<sandbox>"
_NOT_STARTED = "Sandbox not initialized"
#: After submitted code: the value of its last expression is not asked for, so it may be one that cannot cross.
_NO_VALUE = "\nNone"
_CLEAR_OUTPUT = """
[__import__("shutil").rmtree(one) if one.is_dir(follow_symlinks=False) else __import__("os").remove(one)
 for one in __import__("os").scandir("/output")]
"""

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Base:
    """What all sandboxes are made with."""

    image: hypercell.Image | None = None
    limits: hypercell.Limits = field(default_factory=hypercell.Limits)


_base = _Base()


def install(*, image: hypercell.Image | None = None, limits: hypercell.Limits | None = None) -> None:
    """Makes `import hyperlight_sandbox` give this module from now on, whether that package is installed or not.

    Args:
        image: The interpreter and packages of sandboxes made from now on; this interpreter without packages unless
            given. hyperlight-sandbox has no way to add packages.
        limits: Their limits, such as `wall_time_s`, which hyperlight-sandbox does not have. The options of a sandbox
            for memory and files take the place of those in it.

    Raises:
        RuntimeError: The real hyperlight_sandbox is imported already: sandboxes of both kinds would be in use.
    """
    global _base
    this = sys.modules[__name__]
    found = sys.modules.get(_NAME, this)
    if found is not this:
        where = getattr(found, "__file__", None)
        raise RuntimeError(
            f"hyperlight_sandbox is imported already, from {where}: call install() before that"
        )
    _base = _Base(image, limits if limits is not None else hypercell.Limits())
    sys.modules[_NAME] = this


@dataclass
class ExecutionResult:
    """Outcome of a run.

    Attributes:
        stdout: What the code wrote to standard output.
        stderr: What it wrote to standard error, and the traceback of the exception that ended it.
        exit_code: 0, 1 after an exception, or what the code gave to `sys.exit`.
    """

    stdout: str
    stderr: str
    exit_code: int

    @property
    def success(self) -> bool:
        """Whether the code ran to its end."""
        return self.exit_code == 0


@dataclass
class SandboxEnvironment:
    """The options of a sandbox, as `Sandbox` takes them."""

    input_dir: str | None = None
    output_dir: str | None = None
    temp_output: bool = False
    backend: str = "wasm"
    module: str | None = DEFAULT_MODULE_REF
    module_path: str | None = None
    heap_size: str = DEFAULT_HEAP_SIZE
    stack_size: str = DEFAULT_STACK_SIZE
    filesystem_limits: Literal["unlimited"] | None = None
    max_file_size: str | None = None
    max_total_size: str | None = None
    max_file_count: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """What `Sandbox.snapshot` took: an opaque value for `Sandbox.restore`."""

    _state: hypercell.Snapshot = field(repr=False)
    _has_output: bool = field(repr=False)


class Sandbox:
    """Runs Python in a micro-VM whose globals stay from run to run, until `restore`.

    The VM is made by the first run, which is also when the options are put into effect. Unlike with
    hyperlight-sandbox, any thread may use and drop it.

    Args:
        input_dir: Directory of the host that is read-only at `/input`.
        output_dir: Directory of the host that gets what the code leaves in `/output`, after each run.
        temp_output: Whether to make a temporary directory for that; `output_dir` comes first.
        backend: `"wasm"`, which here is CPython in a micro-VM.
        module: `"python_guest.path"`, which here is CPython in a micro-VM.
        module_path: Must be None: there is no Wasm module.
        heap_size: With `stack_size`, memory beyond what the interpreter takes, such as `"25Mi"`.
        stack_size: See `heap_size`.
        filesystem_limits: `"unlimited"` for as much in `/output` as hypercell allows.
        max_file_size: Each file in `/output`, such as `"5Mi"`, which is the default.
        max_total_size: All files in `/output`; `"20Mi"` by default.
        max_file_count: Files in `/output`; 20 by default.

    Raises:
        ValueError, TypeError: An option cannot be.
        ImportError: The backend or module runs something else than Python.
        FileNotFoundError: There is no module at `module_path`.
        RuntimeError: A size cannot be read.
    """

    #: Longest code, in characters, as hypercell has it. hyperlight-sandbox takes 10 MiB.
    MAX_CODE_SIZE: int = MIB - len(_NO_VALUE)

    def __init__(
        self,
        *,
        input_dir: str | None = None,
        output_dir: str | None = None,
        temp_output: bool = False,
        backend: str = "wasm",
        module: str | None = DEFAULT_MODULE_REF,
        module_path: str | None = None,
        heap_size: str | None = None,
        stack_size: str | None = None,
        filesystem_limits: Literal["unlimited"] | None = None,
        max_file_size: str | None = None,
        max_total_size: str | None = None,
        max_file_count: int | None = None,
    ) -> None:
        sizes: dict[str, object] = {"max_file_size": max_file_size, "max_total_size": max_total_size}
        check_quota(filesystem_limits, sizes, max_file_count)
        check_backend(backend)
        check_module(module, module_path)
        quota = (max_file_size, max_total_size, max_file_count)
        self._make_limits = functools.partial(
            limits_of,
            _base.limits,
            heap_size if heap_size is not None else DEFAULT_HEAP_SIZE,
            stack_size if stack_size is not None else DEFAULT_STACK_SIZE,
            filesystem_limits is not None,
            quota,
        )
        self._image = _base.image
        self._input_dir, self._output_dir = input_dir, output_dir
        self._temp_output = temp_output and output_dir is None
        self._callbacks: dict[str, Callable[..., Any]] = {}
        self._targets: list[tuple[str, list[str] | None]] = []
        self._box: hypercell.Sandbox | None = None
        # What the current VM began from, and under how many rules.
        self._origin: tuple[hypercell.Snapshot | None, int] = (None, 0)
        # Paths below the output directory that were put there by runs.
        self._delivered: set[str] = set()

    def register_tool(self, name_or_tool: Any, callback: Callable[..., Any] | None = None) -> None:
        """Lets submitted code call a function as `call_tool(name, **arguments)`.

        Args:
            name_or_tool: The name, or an object with `name` and `handler`, or a function with a name.
            callback: The function, sync or async, if a name was given.

        Raises:
            RuntimeError: Something has run already.
            TypeError: This is no tool.
        """
        if self._box is not None:
            raise RuntimeError(
                "Cannot register tools after sandbox has been initialized. "
                "Register all tools before the first run() call."
            )
        name, function = parse_registration(name_or_tool, callback)
        self._callbacks[name] = function

    def allow_domain(self, target: str, methods: list[str] | None = None) -> None:
        """Lets submitted code make requests below a URL. Before the first run, that run checks it.

        Args:
            target: Scheme and host, with a port and a path where needed: `"https://api.github.com"`.
            methods: Such as `["GET"]`; all unless given. CONNECT and TRACE are never allowed.

        Raises:
            RuntimeError: The URL or a method cannot be, or there are too many.
        """
        if len(self._targets) >= MAX_PERMISSIONS:
            raise RuntimeError(f"maximum number of network permissions ({MAX_PERMISSIONS}) reached")
        self._targets.append((target, methods))
        if self._box is None:
            return
        try:
            domain_of(target, methods)
            # The rules of a sandbox do not change, so what it holds goes on in another one.
            state = _as_runtime_error("Snapshot failed", self._box.snapshot)
            self._go_on_from(state, "Failed to allow the domain")
        except RuntimeError:
            self._targets.pop()
            raise

    def run(self, code: str) -> ExecutionResult:
        """Runs code and returns how it ended. An exception of the code, or a full `/output`, is in the result.

        Raises:
            ValueError: The code is too long, or is no text.
            RuntimeError: The sandbox cannot be made, or the code ended it: a limit, a crash. `restore` makes it usable
                again.
        """
        if len(code) > self.MAX_CODE_SIZE:
            raise ValueError(f"code exceeds maximum size ({len(code)} > {self.MAX_CODE_SIZE} bytes)")
        box = self._started()
        try:
            result = box.run(code + _NO_VALUE)
        except hypercell.PolicyError:
            raise
        except hypercell.FileLimitError as error:
            partial = error.result or hypercell.RunResult()
            self._deliver(partial.files)
            return ExecutionResult(partial.stdout, f"{partial.stderr}OSError: {error}\n", 1)
        except hypercell.SandboxPoisonedError as error:
            raise RuntimeError(
                "Execution failed: the sandbox is poisoned by an earlier run: restore a snapshot"
            ) from error
        except hypercell.HypercellError as error:
            raise RuntimeError(f"Execution failed: {error}") from error
        self._deliver(result.files)
        return _execution_result(result)

    def snapshot(self) -> Snapshot:
        """Takes a snapshot of the interpreter, to go back to with `restore`. It takes 50 MB of memory.

        Raises:
            RuntimeError: Nothing has run yet, or the state is lost.
        """
        state = _as_runtime_error("Snapshot failed", self._needed().snapshot)
        return Snapshot(state, bool(self._delivered))

    def restore(self, snapshot: Snapshot) -> None:
        """Puts the interpreter back to a snapshot and clears `/output`, in the guest and of what runs put on the host.

        Raises:
            RuntimeError: Nothing has run yet, or the snapshot is of a sandbox with other options.
            TypeError: This is no snapshot.
        """
        box = self._needed()
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"restore() takes a snapshot, got {type(snapshot).__name__}")
        if self._origin == (snapshot._state, len(self._targets)):
            _as_runtime_error("Restore failed", box.reset)
        else:
            self._go_on_from(snapshot._state, "Restore failed")
        if snapshot._has_output:
            _as_runtime_error("Restore failed", functools.partial(self._needed().run, _CLEAR_OUTPUT))
        self._remove(self._delivered)

    def get_output_files(self) -> list[str]:
        """Returns the names of the files in the output directory.

        Raises:
            RuntimeError: Nothing has run yet.
        """
        self._needed()
        if self._output_dir is None:
            return []
        return sorted(
            entry.name for entry in os.scandir(self._output_dir) if entry.is_file(follow_symlinks=False)
        )

    def output_path(self) -> str | None:
        """Returns the output directory on the host, or None if there is none.

        Raises:
            RuntimeError: Nothing has run yet.
        """
        self._needed()
        return self._output_dir

    def close(self) -> None:
        """Ends the sandbox. May be called again; dropping the last reference does the same."""
        if self._box is not None:
            self._box.close()

    def _needed(self) -> hypercell.Sandbox:
        if self._box is None:
            raise RuntimeError(_NOT_STARTED)
        return self._box

    def _started(self) -> hypercell.Sandbox:
        """Returns the sandbox, which is made now if nothing has run yet."""
        if self._box is not None:
            return self._box
        if self._temp_output and self._output_dir is None:
            self._output_dir = tempfile.mkdtemp(prefix="hypercell-output-")
            weakref.finalize(self, shutil.rmtree, self._output_dir, ignore_errors=True)
        options = self._options()
        box = _as_runtime_error(
            "Failed to create sandbox",
            lambda: hypercell.Sandbox(image=self._image, limits=self._limits(), keep_state=True, **options),
        )
        inputs = {"tool_names": list(self._callbacks), "tool_prefix": PREFIX}
        started = _as_runtime_error(
            "Failed to create sandbox", lambda: box.run(_prelude(), inputs=inputs, filename=_PRELUDE)
        )
        _as_runtime_error("Failed to create sandbox", started.raise_for_error)
        self._origin = (None, len(self._targets))
        self._box = box
        return box

    def _go_on_from(self, state: hypercell.Snapshot, what: str) -> None:
        """Puts a VM that begins from a snapshot in the place of the current one."""
        options = self._options()
        box = _as_runtime_error(
            what,
            lambda: hypercell.Sandbox.from_snapshot(state, limits=self._limits(), keep_state=True, **options),
        )
        self.close()
        self._box, self._origin = box, (state, len(self._targets))

    def _limits(self) -> hypercell.Limits:
        limits = self._make_limits()
        # Without a directory there is no `/output` to write to.
        return limits if self._output_dir is not None else dataclasses.replace(limits, output_file_count=0)

    def _options(self) -> dict[str, Any]:
        rules = [domain_of(target, methods) for target, methods in self._targets]
        return {
            "tools": _as_runtime_error(
                "Failed to create sandbox",
                lambda: [tool_of(name, callback) for name, callback in self._callbacks.items()],
            ),
            "domains": [rule for rule in rules if rule is not None],
            "mounts": [] if self._input_dir is None else [(self._input_dir, "/input")],
            "output_dir": self._output_dir,
        }

    def _deliver(self, files: Iterable[str]) -> None:
        """Notes which files a run left, and removes from the host those that it took away."""
        now = set(files)
        self._remove(self._delivered - now)
        self._delivered = now if self._output_dir is not None else set()

    def _remove(self, paths: Iterable[str]) -> None:
        gone = set(paths)
        self._delivered -= gone
        # None is delivered where there is no directory.
        for path in gone:
            _remove_below(Path(self._output_dir or "."), path)


@dataclass
class CodeExecutionTool:
    """A sandbox made from an environment and tools when it is first used.

    Attributes:
        environment: The options of the sandbox.
        tools: What `Sandbox.register_tool` takes alone.
    """

    environment: SandboxEnvironment = field(default_factory=SandboxEnvironment)
    tools: list[Callable[..., Any]] = field(default_factory=list)

    _sandbox: Sandbox | None = field(default=None, init=False, repr=False)

    def run(
        self, code: str, inputs: dict[str, bytes] | None = None, outputs: list[str] | None = None
    ) -> ExecutionResult:
        """Runs code as `Sandbox.run`. `inputs` and `outputs` do nothing, as in hyperlight-sandbox."""
        del inputs, outputs
        if self._sandbox is None:
            sandbox = Sandbox(**vars(self.environment))
            for tool in self.tools:
                sandbox.register_tool(tool)
            self._sandbox = sandbox
        return self._sandbox.run(code)


def _execution_result(result: hypercell.RunResult) -> ExecutionResult:
    error = result.error
    if error is None or error.type == "SystemExit":
        # As CPython does: a status is not printed, anything else given to `sys.exit` is.
        text = "" if error is None or error.message == str(result.exit_code) else f"{error.message}\n"
        return ExecutionResult(result.stdout, result.stderr + text, result.exit_code or 0)
    return ExecutionResult(result.stdout, result.stderr + error.traceback, 1)


def _as_runtime_error(what: str, action: Callable[[], _T]) -> _T:
    """Returns what `action` returns, or raises what hyperlight-sandbox raises for everything."""
    try:
        return action()
    except hypercell.HypercellError as error:
        raise RuntimeError(f"{what}: {error}") from error


@functools.cache
def _prelude() -> str:
    return (Path(__file__).parent / "_hyperlight" / "prelude.py").read_text(encoding="utf-8")


def _remove_below(root: Path, path: str) -> None:
    """Removes a file that a run put below `root`, and directories that are empty without it."""
    file = root / path
    try:
        file.unlink()
        for parent in file.relative_to(root).parents:
            if parent != Path():
                (root / parent).rmdir()
    except OSError:
        # Somebody else took it away, or put other files beside it.
        return
