"""The native module: images, and sandboxes that are driven step by step.

Nothing here is public; `Image` and `Sandbox` of the package are. Every exception is one of `hypercell._errors`.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypedDict, final

from ._trace import SyscallLog

__all__ = [
    "Done",
    "Image",
    "Pool",
    "Probe",
    "RawGuest",
    "Sandbox",
    "Snapshot",
    "ToolCall",
    "__version__",
    "decode_value",
    "encode_value",
    "preflight",
    "report_unraisable",
]

__version__: str
"""Version of the workspace."""

class _Check(TypedDict):
    """One part of what a micro-VM needs."""

    name: str
    """Which part."""
    ok: bool
    """Whether it is there."""
    detail: str
    """What was found."""
    fix: str
    """What to do where it is missing."""

class _Usage(TypedDict):
    wall_time_s: float
    guest_time_s: float
    turns: int
    tool_calls: int
    http_requests: int
    http_request_bytes: int
    http_response_bytes: int
    http_time_s: float
    output_bytes: int
    memory_peak_bytes: int
    page_faults: int
    syscalls: int
    code_bytes: int
    tool_argument_bytes: int
    tool_result_bytes: int
    result_bytes: int
    value_depth: int
    file_read_bytes: int
    file_write_bytes: int
    open_files: int
    file_count: int
    output_file_bytes: int
    output_total_bytes: int
    output_file_count: int

@final
class Image:
    """A started interpreter on disk, from which any number of sandboxes start."""

    @staticmethod
    def open(
        *,
        python: str,
        guest_dir: str,
        cache_dir: str,
        packages: list[str],
        warm: list[str],
        memory_bytes: int,
        unused_for_s: float | None = None,
        progress: Callable[[str, float], object] | None = None,
    ) -> Image:
        """Loads the image from the cache, or builds it. Other threads run meanwhile; Ctrl-C ends it between stages.

        Args:
            python: Path of the interpreter.
            guest_dir: Directory of the guest kernel and the guest's Python.
            cache_dir: Directory of the cache; made if it is missing.
            packages: Distributions to include.
            warm: Modules to import before the snapshot.
            memory_bytes: Largest memory limit of sandboxes on the image.
            unused_for_s: A build removes images that no process has used for so many seconds; none if not given.
            progress: Hears of each stage, from 0 to 1; what it raises ends the build.

        Raises:
            ImageError: The interpreter is not supported, or the cache cannot be used.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """

    @staticmethod
    def version_of(python: str) -> str:
        """Returns the version of an interpreter, such as "3.11.7", which is run for it.

        Raises:
            ImageError: It is not supported.
        """

    @staticmethod
    def from_cache(cache_dir: str, digest: str) -> Image:
        """Loads an image from the cache by its digest, or the beginning of it.

        Raises:
            ImageError: None or more than one begins so, or the image cannot start here.
        """

    @staticmethod
    def load(path: str, cache_dir: str, digest: str | None = None) -> Image:
        """Brings a file that `save` wrote into the cache, and loads it.

        Raises:
            ImageError: The file cannot be read, is damaged, has another digest, or is of another machine or version.
        """

    def save(self, path: str) -> str:
        """Writes the image to a file and returns the file's SHA-256."""

    @staticmethod
    def list_cache(cache_dir: str) -> list[dict[str, Any]]:
        """Lists the images of a cache, by digest; keys are the attributes of `hypercell.ImageInfo`."""

    @staticmethod
    def bytecode_bytes(cache_dir: str) -> int:
        """Bytes of the byte code that builds have left for those to come."""

    @staticmethod
    def remove(cache_dir: str, digests: list[str], bytecode_unused_for_s: float | None = None) -> None:
        """Removes images from a cache, those that are not there being no error, and byte code unused for so long."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides what the guest does, as hexadecimal digits."""

    @property
    def python_version(self) -> str:
        """Version of the interpreter, such as "3.11.7"."""

    @property
    def packages(self) -> list[tuple[str, str]]:
        """Name and version of each distribution in it."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""

    @property
    def memory_bytes(self) -> int:
        """Largest memory limit of a sandbox on this image, in bytes."""

    @property
    def path(self) -> str:
        """Directory in the cache."""

    @property
    def notices(self) -> list[str]:
        """What the caller should hear about this opening, such as a damaged entry that was built again."""

class _Drive(Protocol):
    """What the caller does in the middle of a run. What a method raises ends the run and is raised by `start`."""

    @property
    def output(self) -> Callable[[str, bytes], object] | None:
        """Takes "stdout" or "stderr" and bytes, which may end within a character; None if nobody listens."""

    @property
    def before_http(
        self,
    ) -> (
        Callable[
            [str, str, list[tuple[str, bytes]], bytes, int],
            str | tuple[str, str, list[tuple[str, bytes]], bytes] | None,
        ]
        | None
    ):
        """Takes method, URL, headers and body of a request that a domain allows, and how many redirects came before.

        Returns None to go on, a text why it is denied, or what to send instead. None if nobody wants to be asked.
        """

    @property
    def before_open(self) -> Callable[[str, bool, bool, bool, bool], str | tuple[bytes] | None] | None:
        """Takes the path of a file that may be opened, and whether it is read, written, made and emptied.

        Returns None to go on, a text why it is denied, or another path. None if nobody wants to be asked.
        """

    def answer(self, call: ToolCall) -> tuple[Any] | tuple[str, str] | None:
        """Runs a tool.

        Returns:
            Its value in a tuple of one, type and message of an exception, or None to have the call returned.
        """

    def wait(
        self, started: list[ToolCall], cancelled: list[int], timeout_s: float | None
    ) -> list[tuple[int, tuple[Any] | tuple[str, str]]]:
        """Runs tools beside each other, until any call that started now or earlier is done.

        Args:
            started: Calls that start now.
            cancelled: Numbers of those that nobody waits for any more.
            timeout_s: Longest wait in seconds; None is for ever.

        Returns:
            Numbers and answers, each call once.
        """

@final
class ToolCall:
    """A call of a tool by the guest: run it, then answer it."""

    @property
    def id(self) -> int:
        """Number of the call."""

    @property
    def name(self) -> str:
        """One of the sandbox's tools."""

    @property
    def args(self) -> dict[str, Any]:
        """Keyword arguments; positional ones are a list under the empty name."""

    @property
    def line(self) -> int | None:
        """Line of the submitted code that makes the call, from 1, if the guest says."""

@final
class Done:
    """The end of a run, or what there was of it."""

    @property
    def value(self) -> Any:
        """The result; None if the code raised."""

    @property
    def error(self) -> tuple[str, str, str, int | None] | None:
        """Type, message, traceback and line of the exception that ended the code."""

    @property
    def exit_code(self) -> int | None:
        """Status given to sys.exit or os._exit."""

    @property
    def stdout(self) -> str:
        """Standard output."""

    @property
    def stderr(self) -> str:
        """Standard error."""

    @property
    def files(self) -> list[tuple[bytes, int, bytes | None]]:
        """Path, size and contents of each file of /output; no contents where a directory has them."""

    @property
    def usage(self) -> _Usage:
        """What the run used."""

    @property
    def unsupported_syscalls(self) -> dict[str, int]:
        """System calls that the guest kernel does not have, and how often they were tried."""

@final
class Pool:
    """VMs of one image or snapshot, prepared in advance for any number of sandboxes."""

    def __new__(cls, base: Image | Snapshot, *, prepared: int, max_prepared: int | None = None) -> Pool:
        """Makes a pool and starts to prepare its VMs.

        Args:
            base: What the VMs are made from; no snapshot in the middle of a run.
            prepared: VMs to keep, 0 to 1024.
            max_prepared: VMs to keep after more were wanted at once; one for each processor unless given.

        Raises:
            PolicyError: A number is out of range.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """

    def stats(self) -> dict[str, int]:
        """Returns ready, preparing, leased, hits and misses."""

    def wait_ready(self, timeout_s: float) -> bool:
        """Waits until all VMs are ready, at most so many seconds; returns whether they are.

        Raises:
            PolicyError: The time is negative or not finite.
        """

    def close(self) -> None:
        """Drops the VMs that wait; `start` in a sandbox on this pool raises `SandboxClosedError` from now on."""

@final
class Probe:
    """Takes a VM of an image through the steps of a start; each returns the seconds that it took.

    All but `create` and `discard` raise `SandboxClosedError` without a VM.
    """

    def __new__(cls, image: Image) -> Probe:
        """Makes a probe without a VM."""

    def create(self) -> float:
        """Makes a VM."""

    def enter(self) -> float:
        """Enters the kernel and returns; in a new or restored VM that sets the VM up."""

    def run(self) -> float:
        """Runs a constant program, from request to result."""

    def restore(self) -> float:
        """Puts the VM back into the image's state."""

    def discard(self) -> float:
        """Drops the VM."""

@final
class RawGuest:
    """What runs in place of our kernel; `Sandbox` takes it as `base`. Its VMs are each started anew."""

    @staticmethod
    def elf(data: bytes, memory_bytes: int) -> RawGuest:
        """Checks and prepares a static ELF.

        Args:
            data: The file.
            memory_bytes: Memory limit of the sandboxes, which the ELF may not exceed either.

        Raises:
            PolicyError: It cannot be a guest; the message says why.
        """

    @staticmethod
    def played(play: Callable[[bytes], bytes]) -> RawGuest:
        """Has a function say what the guest says to a turn. What it raises is the guest's death."""

@final
class Sandbox:
    """Runs code in micro-VMs made from an image or a snapshot, one run at a time.

    Any thread may use it, one at a time. `interrupt`, `partial` and `close` work while another thread is in `start` or
    `resume_ok`, and never wait for it.
    """

    def __new__(
        cls,
        base: Image | Snapshot | RawGuest,
        *,
        pool: Pool | None = None,
        tools: list[tuple[str, str, str, bool]],
        keep_state: bool,
        wall_time_s: float | None,
        guest_time_s: float | None,
        memory_bytes: int,
        output_bytes: int,
        tool_calls: int,
        tool_argument_bytes: int,
        tool_result_bytes: int,
        result_bytes: int,
        code_bytes: int,
        value_depth: int,
        domains: list[tuple[str, list[str] | None, list[tuple[str, bytes]], bool, bytes | None]] = ...,
        http_requests: int,
        http_request_bytes: int,
        http_response_bytes: int,
        http_time_s: float,
        file_read_bytes: int,
        file_write_bytes: int,
        open_files: int,
        file_count: int,
        output_file_bytes: int,
        output_total_bytes: int,
        output_file_count: int,
        mounts: list[tuple[str, str, bool, int | None]],
        output_dir: str | None = None,
        audit: Callable[[float, dict[str, Any]], object] | None = None,
        trace: SyscallLog | None = None,
    ) -> Sandbox:
        """Makes a sandbox; its first VM is started by the first run.

        Args:
            base: What runs in it. Of a snapshot in the middle of a run it has that run, paused.
            pool: Where its VMs come from, one of the same base; without it each is made when a run needs it.
            tools: Of each tool its name, its description, its parameters in whatever form, and whether a call of it
                pauses the run.
            keep_state: Whether globals stay from run to run.
            wall_time_s: Seconds of a run, tools included; None is no limit.
            guest_time_s: Seconds inside the guest; None is no limit.
            memory_bytes: Memory of the guest, in bytes.
            output_bytes: Standard output and standard error together, in bytes.
            tool_calls: Tool calls of a run.
            tool_argument_bytes: Encoded arguments of one call, in bytes.
            tool_result_bytes: Encoded result of one call, in bytes.
            result_bytes: Encoded result of a run, in bytes.
            code_bytes: UTF-8 of the code, in bytes.
            value_depth: Lists, dicts and the like within each other, in any value that crosses.
            domains: What the guest may reach by HTTP: pattern, methods or None for all, headers that the host sets,
                whether private addresses are allowed, and certificates in PEM or None for those of the system.
            http_requests: HTTP requests of a run.
            http_request_bytes: HTTP requests of a run together, in bytes.
            http_response_bytes: HTTP responses of a run together, in bytes.
            http_time_s: Seconds of one HTTP exchange.
            file_read_bytes: Read from mounts, in bytes.
            file_write_bytes: Written to mounts, in bytes.
            open_files: Files of mounts open at once.
            file_count: Files made in mounts.
            output_file_bytes: Each file of /output, in bytes.
            output_total_bytes: All files of /output, in bytes.
            output_file_count: Files of /output.
            mounts: Host path, guest path, whether it may be written, and bytes it may grow by, of each mount.
            output_dir: Directory for files of /output.
            audit: Called with seconds since 1970 and the fields of an event for each decision, on whichever thread
                makes it; what it raises is reported, not raised.
            trace: Hears of each system call of the guest, on the thread that runs it, which waits meanwhile; what it
                raises is reported, not raised.

        Raises:
            PolicyError: A limit, a domain, a tool, a mount or the directory for output cannot be, or does not go with
                the snapshot.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """

    def start(
        self,
        code: str,
        name: str,
        inputs: dict[str, Any],
        drive: _Drive | None = None,
    ) -> ToolCall | Done:
        """Runs code until it is done, pauses, or calls a tool that nobody answers. Other threads run meanwhile.

        Args:
            code: Python source.
            name: What tracebacks call the code.
            inputs: Globals that the code finds set.
            drive: Runs the tools and hears of the output, on this thread and in the middle of the run, which is twice
                as fast as going on with `resume_ok`. Not given: each call is returned.

        Raises:
            PolicyError, ValueNotSendableError: Code or inputs cannot be; nothing ran.
            LimitError, GuestCrashError, ProtocolError, RunCancelledError: The run is over, and the guest is gone.
            SandboxBusyError: Another thread is in the sandbox, or the last run waits for a tool.
            SandboxClosedError: The sandbox is closed.
        """

    def resume_ok(
        self,
        call_id: int,
        value: object,
        drive: _Drive | None = None,
    ) -> ToolCall | Done:
        """Answers a tool call with a value and goes on as `start` does, with this `drive` from now on if one is given.

        Raises:
            ValueNotSendableError: The value cannot cross; the call still waits for `resume_err`.
            RunCancelledError: No run waits for this call any more.
        """

    def resume_err(
        self,
        call_id: int,
        type_name: str,
        message: str,
        drive: _Drive | None = None,
    ) -> ToolCall | Done:
        """Answers a tool call with an exception and goes on as `resume_ok` does."""

    def pending(self) -> ToolCall | None:
        """Returns the call that the run waits for, if there is one.

        Raises:
            SandboxBusyError: Another thread is in the sandbox.
            SandboxClosedError: The sandbox is closed.
        """

    def snapshot(self) -> Snapshot:
        """Takes a snapshot: of globals that are kept, or of the run that waits for a tool. Other threads run meanwhile.

        Raises:
            PolicyError: There is neither.
            SnapshotError, GuestCrashError, ProtocolError: The VM does not come to rest; its state is lost.
            SandboxBusyError: Another thread is in the sandbox.
            SandboxClosedError: The sandbox is closed.
        """

    def time_left_s(self) -> float | None:
        """Returns how long the run that is going on may still take, in seconds; None if no run is, or without limit."""

    def interrupt(self, reason: str = "cancelled") -> bool:
        """Stops the run that is going on, from any thread; `start` or `resume_ok` then raises `RunCancelledError`.

        Returns:
            Whether there is one.
        """

    def reset(self) -> None:
        """Drops kept state, and a run that waits for a tool."""

    def close(self) -> None:
        """Stops the run that is going on, and drops the VM. May be called again."""

    def partial(self) -> Done | None:
        """Returns what the run that is going on, or else the last one, wrote and used until now."""

@final
class Snapshot:
    """The state of a sandbox at rest. Any number of sandboxes on any threads go on from it."""

    @staticmethod
    def load(path: str, digest: str | None = None) -> Snapshot:
        """Reads a file that `save` wrote. Other threads run meanwhile.

        Args:
            path: The file.
            digest: SHA-256 that it must have; any if None.

        Raises:
            SnapshotError: The file cannot be read, is damaged, or of another version or processor.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """

    def save(self, path: str) -> str:
        """Writes the snapshot to a file and returns its SHA-256. Other threads run meanwhile.

        Raises:
            SnapshotError: The file cannot be written.
        """

    def pending(self) -> ToolCall | None:
        """Returns the call that it waits for, if it was taken in the middle of a run."""

    @property
    def tools(self) -> list[tuple[str, bool]]:
        """Names of the tools that it was taken with, and whether a call of each pauses the run."""

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that it was taken with."""

    @property
    def keeps_state(self) -> bool:
        """Whether it was taken in a sandbox that keeps globals after a run."""

    @property
    def python_version(self) -> str:
        """Version of the interpreter, such as "3.11.7"."""

    @property
    def image_digest(self) -> str:
        """SHA-256 of the image that it began as."""

    @property
    def memory_bytes(self) -> int:
        """Largest memory limit of a sandbox that goes on from it, in bytes."""

def preflight(*, cache_dir: str | None = None) -> list[_Check]:
    """Checks whether this machine can run micro-VMs: one dict a part.

    Args:
        cache_dir: Directory of the image cache, checked too if given.
    """

def report_unraisable(error: BaseException, source: object) -> None:
    """Reports an exception as Python reports those that it cannot raise.

    Args:
        error: The exception.
        source: Where it comes from.
    """

def encode_value(value: object, *, root: str = "value") -> bytes:
    """Encodes a value as it crosses to the guest.

    Args:
        value: What to encode.
        root: How errors name it.

    Raises:
        ValueNotSendableError: It, or something in it, cannot cross.
    """

def decode_value(data: bytes) -> Any:
    """Decodes a value as it comes from the guest.

    Raises:
        ProtocolError: The bytes are no value.
    """
