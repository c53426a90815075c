"""A stand-in for `hypercell._native` whose guest is a generator, so that the Python side is tried without a VM.

A program is a function of the fake sandbox that yields ("call", name, args) and gets ("ok", value) or ("err", type,
message), or yields ("wait", calls, cancelled, timeout_s), calls being a dict of numbers to pairs of name and args, and
gets a dict of numbers to answers; it returns what the run ends with. It keeps the rules of the native module:
`interrupt` stops the run that is going on, whoever is in the sandbox keeps others out, and a stale answer is refused.
"""

import itertools
import threading
import time
import types

from hypercell._errors import (
    RunCancelledError,
    SandboxBusyError,
    SandboxClosedError,
    TimeLimitError,
)

__version__ = "0.0.0"
programs = {}


class ToolCall:
    def __init__(self, call_id, name, args, line=None):
        self.id, self.name, self.args, self.line = call_id, name, args, line


class Done:
    def __init__(self, box, value=None, error=None, exit_code=None):
        self.value, self.error, self.exit_code = value, error, exit_code
        self.stdout, self.stderr = box.stdout, ""
        self.usage = dict.fromkeys(["turns", "memory_peak_bytes", "page_faults", "syscalls"], 0)
        self.usage |= {"wall_time_s": 0.0, "guest_time_s": 0.0}
        self.usage |= {"tool_calls": box.calls, "output_bytes": len(box.stdout)}
        self.unsupported_syscalls, self.files = {}, []


class Image:
    notices: tuple = ()
    packages: tuple = ()
    digest, python_version, size_bytes, path = "0" * 64, "3.11.7", 1, "/nowhere"
    memory_bytes = 2 << 30

    @staticmethod
    def open(**_):
        return Image()


class Pool:
    def __init__(self, _image, *, prepared, max_prepared=None):
        self.options = (prepared, max_prepared)

    def close(self):
        pass


class Sandbox:
    ids = itertools.count(1)

    def __init__(self, _image, *, pool, tools, keep_state, wall_time_s, audit, trace, **ceilings):
        self.options = {"pool": pool, "tools": tools, "keep_state": keep_state, **ceilings}
        self.options |= {"audit": audit, "trace": trace}
        self.wall_time_s = wall_time_s
        self.inside = threading.Lock()
        self.stop = threading.Event()
        self.guest = None
        self.deadline = None
        self.reason = None
        self.closed = False
        self.resets = 0
        self.stdout, self.calls = "", 0
        self.threads = []

    def start(self, code, _name, inputs, drive):
        with self.enter():
            assert self.guest is None or self.stop.is_set(), "the last run still waits"
            self.threads.append(threading.current_thread())
            self.stop.clear()
            self.reason, self.stdout, self.calls = None, "", 0
            self.deadline = None if self.wall_time_s is None else time.monotonic() + self.wall_time_s
            program = programs[code]
            self.guest = program(self, **inputs)
            try:
                return self.drive(drive)
            finally:
                self.guest = None

    def interrupt(self, reason="cancelled"):
        if self.guest is None:
            return False
        self.reason = self.reason or reason
        self.stop.set()
        return True

    def reset(self):
        with self.enter():
            self.resets += 1
            self.guest = None

    def close(self):
        self.closed = True
        self.interrupt("the sandbox was closed")

    def partial(self):
        return Done(self)

    def enter(self):
        if self.closed:
            raise SandboxClosedError("the sandbox is closed")
        if not self.inside.acquire(blocking=False):
            raise SandboxBusyError("another thread uses this sandbox")
        outer = self

        class Inside:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                outer.inside.release()

        return Inside()

    def drive(self, drive):
        reply = None
        numbers = {}
        try:
            while True:
                self.check_stop()
                kind, *asked = self.guest.send(reply)
                self.check_stop()
                if kind == "call":
                    self.calls += 1
                    reply = self.shown(drive.answer(ToolCall(next(self.ids), *asked)))
                    continue
                started, cancelled, timeout_s = asked
                self.calls += len(started)
                calls = [ToolCall(next(self.ids), *call) for call in started.values()]
                numbers |= {number: call.id for number, call in zip(started, calls, strict=True)}
                answers = dict(drive.wait(calls, [numbers[number] for number in cancelled], timeout_s))
                self.check_stop()
                reply = {n: self.shown(answers.pop(call)) for n, call in numbers.items() if call in answers}
                assert not answers, "answers to calls that nobody made"
                for number in reply:
                    del numbers[number]
        except StopIteration as end:
            return end.value if isinstance(end.value, Done) else Done(self, end.value)

    def shown(self, answered):
        if len(answered) == 2:
            return ("err", *answered)
        if isinstance(answered[0], types.FunctionType):
            return ("err", "ValueNotSendableError", "result: cannot send a function")
        return ("ok", answered[0])

    def check_stop(self):
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise TimeLimitError(
                "too long", limit="wall_time_s", used=1.0, maximum=self.wall_time_s, unit="s"
            )
        if self.stop.is_set():
            raise RunCancelledError(f"the run was cancelled: {self.reason}")

    def spin(self):
        """An endless loop of the guest: ends at the deadline or by an interrupt."""
        while True:
            self.check_stop()
            time.sleep(0.001)
