"""Tool calls that go on beside each other: `await call_tool_async("name", key=value)`.

A call that starts is only noted. When the event loop has nothing left to do and asks its selector to wait, one frame
takes all new calls to the host and waits there, until any call is done or the loop's next timer is due. So a thousand
gathered calls cost a few turns.

With several threads `call_tool` goes the same way, so that their calls go on beside each other, too: one of the threads
that wait asks the host for all of them, once no thread has anything else to do.

Before: `tools`, and the event loop. After: `channel`, and the kernel's /dev/hypercell-idle.
"""

import os
from _thread import _count, allocate_lock
from time import monotonic

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import TOOL_REPLIES, TOOL_WAIT, Turnstile, die
from hypercell_guest.codec import MAX_VALUE_BYTES, MAX_VALUE_ITEMS, decode_item, encode

MAX_CALLS_IN_FLIGHT = 1024
#: With what stands around each call, a frame of so many bytes of arguments is within its limit.
_ARGUMENT_BYTES = MAX_VALUE_BYTES - (256 << 10)
#: How often a loop that always has something to do looks for answers.
_LOOK_S = 0.001
_REPLIES = b"\xa1\x67replies"
_NO_CALL = (None, 0, 0)
#: What the kernel says where no thread waits for a time.
_NEVER = (1 << 64) - 1


class InFlight:
    """The calls of a run that have no answer yet."""

    def __init__(self, channel, streams):
        self._exchange, self._send_output = channel.exchange, streams.send
        self._number = 0
        self._awaited = {}
        #: Inside is the thread that asks the host for all.
        self._asking = Turnstile()
        self.forget_all()

    def forget_all(self):
        """Forgets the calls of the last run, as the host does."""
        for future in self._awaited.values():
            try:
                future.cancel()
            except RuntimeError:  # its loop is closed
                pass
        # Futures by the number of their call; calls that wait to be sent; bytes and items of those that were sent.
        self._awaited, self._unsent, self._sent = {}, {}, {}
        self._bytes = self._items = 0
        self._cancelled = []
        self._next_look = 0.0

    async def call(self, name, arguments, items, line):
        """Calls a tool and returns its reply, the map that ToolReply is.

        Args:
            name: Its name, encoded.
            arguments: Its arguments, encoded.
            items: How many items the arguments have.
            line: Line of the submitted code, encoded.
        """
        from asyncio import get_running_loop

        loop = get_running_loop()
        self._attach(loop)
        if not self._awaited:
            self._next_look = monotonic() + _LOOK_S
        future = loop.create_future()
        number = self._note(future, name, arguments, items, line)
        try:
            return await future
        finally:
            self._forget(number, future)

    def call_in_thread(self, name, arguments, items, line):
        """Does what `call` does for a thread, which waits.

        Raises:
            RuntimeError: It interrupts one that asks the host, or the run that it belongs to is over.
        """
        if self._asking.is_mine():
            raise RuntimeError("the host is being asked something else, by what this call interrupts")
        answer = _Answer()
        number = self._note(answer, name, arguments, items, line)
        try:
            while not answer.done():
                if not self._asking.try_enter():
                    answer.wait()
                    continue
                try:
                    rest_ns = _wait_until_idle()
                    if not answer.done():
                        self._turn(rest_ns)
                finally:
                    self._asking.leave()
        finally:
            self._forget(number, answer)
            self._hand_over()
        if answer.reply is None:
            raise RuntimeError("the run that called the tool is over")
        return answer.reply

    def _note(self, answer, name, arguments, items, line):
        """Has the next turn take a call along, and returns its number."""
        self._number = number = self._number + 1
        entry = b"\xa4\x62id%b\x64name%b\x64args%b\x64line%b" % (encode(number), name, arguments, line)
        self._awaited[number] = answer
        self._unsent[number] = entry, len(arguments), items
        return number

    def _forget(self, number, answer):
        """Wants no answer any more, if it has not come: cancelled, by a timeout, a signal or whoever made the task."""
        if self._awaited.get(number) is not answer or self._awaited.pop(number, None) is None:
            return
        if self._unsent.pop(number, None) is None:
            self._cancelled.append(number)

    def _hand_over(self, loop=None):
        """Has another thread ask the host, if one waits: not the one that runs `loop`."""
        others = list(self._awaited.values())
        for answer in others:
            if type(answer) is _Answer:
                answer.wake()
                return
        for future in others:
            if future.get_loop() is not loop:
                _call_in_loop(future, _nothing)
                return

    def _attach(self, loop):
        """Has the selector of an event loop wait on the host, once."""
        selector = getattr(loop, "_selector", None)
        if selector is None:
            raise RuntimeError(
                f"call_tool_async does not work on an event loop of type {type(loop).__name__}"
            )
        select = selector.select
        if getattr(select, "__func__", None) is type(selector).select:
            selector.select = lambda timeout=None: self._select(loop, select, timeout)

    def _select(self, loop, select, timeout):
        """Waits for files, calls, or a time: `timeout` is in seconds, None is for ever."""
        if not self._awaited and not (self._cancelled and timeout != 0):
            return select(timeout)
        if not self._asking.try_enter():
            # Another thread asks for all, and writes to the loop's own socket when something came of it.
            return select(timeout)
        try:
            return self._select_and_ask(select, timeout)
        finally:
            self._asking.leave()
            if _count():
                self._hand_over(loop)

    def _select_and_ask(self, select, timeout):
        if not self._awaited:
            self._turn(0)
            return select(timeout)
        # Files of the guest do not change while the host has the turn.
        events = select(0)
        if events or (timeout is not None and timeout <= 0):
            if monotonic() < self._next_look:
                return events
            self._turn(0)
        else:
            timeout_ns = None if timeout is None else int(timeout * 1e9) + 1
            if _count():
                # What other threads do, they do first; they may have something for the loop then.
                rest_ns = _wait_until_idle()
                events = select(0)
                timeout_ns = 0 if events else _earlier(timeout_ns, rest_ns)
            self._turn(timeout_ns)
        self._next_look = monotonic() + _LOOK_S
        return events

    def _turn(self, timeout_ns):
        """Sends new calls and cancellations, waits, and hands out what came of calls."""
        entries = []
        for number in list(self._unsent):
            if len(self._sent) >= MAX_CALLS_IN_FLIGHT:
                break
            entry, size, items = self._unsent.get(number, _NO_CALL)
            if entry is None:  # another thread wants it no more
                continue
            has_room = self._bytes + size <= _ARGUMENT_BYTES and self._items + items <= MAX_VALUE_ITEMS
            if self._sent and not has_room:
                break  # until some of the others are done
            self._unsent.pop(number, None)
            self._sent[number] = size, items
            self._bytes += size
            self._items += items
            entries.append(entry)
        cancelled, self._cancelled = self._cancelled, []
        body = b"\xa3\x65calls%b%b\x66cancel%b\x67timeout%b" % (
            _array_of(len(entries)),
            b"".join(entries),
            encode(cancelled),
            encode(timeout_ns),
        )
        self._send_output()
        kind, body = self._exchange(TOOL_WAIT, body)
        if kind != TOOL_REPLIES or not body.startswith(_REPLIES):
            die(f"frame of kind {kind:#06x} is no answer to a wait for calls")
        for reply in _replies(body):
            size, items = self._sent.pop(reply["id"], (None, None))
            if size is None:
                die(f"a reply to call {reply['id']}, which is not in flight")
            self._bytes -= size
            self._items -= items
            future = self._awaited.pop(reply["id"], None)
            if future is not None:
                _answer(future, reply)


class _Answer:
    """What a thread waits for, as a future is for a coroutine."""

    def __init__(self):
        self.reply, self._is_over, self._lock = None, False, allocate_lock()
        self._lock.acquire()

    def done(self):
        """Returns whether there is nothing more to wait for."""
        return self._is_over

    def wait(self):
        """Waits until it is done, or until this thread shall ask the host."""
        self._lock.acquire()

    def wake(self):
        """Ends the wait."""
        try:
            self._lock.release()
        except RuntimeError:  # it has ended already
            pass

    def set_result(self, reply):
        """Takes the reply."""
        self.reply, self._is_over = reply, True
        self.wake()

    def cancel(self):
        """Takes that there will be none."""
        self._is_over = True
        self.wake()


def _answer(future, reply):
    """Gives a reply to whoever waits for it, which for a coroutine happens in the thread of its loop."""
    if type(future) is _Answer or not _count():
        if not future.done():
            future.set_result(reply)
        return
    from asyncio import _get_running_loop

    if future.get_loop() is _get_running_loop():
        _set_result(future, reply)
    else:
        _call_in_loop(future, _set_result, future, reply)


def _call_in_loop(future, function, *arguments):
    """Has the loop of a future call a function, from any thread."""
    try:
        future.get_loop().call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # it is closed
        pass


def _nothing():
    """Only ends the wait of a loop."""


def _set_result(future, reply):
    if not future.done():
        future.set_result(reply)


def _wait_until_idle():
    """Lets other threads go first; returns how long the host may wait then, in nanoseconds, or None for ever."""
    try:
        descriptor = os.open("/dev/hypercell-idle", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no descriptor is free
        return 0
    try:
        idle_ns = int.from_bytes(os.read(descriptor, 8), "little")
    finally:
        os.close(descriptor)
    return None if idle_ns == _NEVER else idle_ns


def _earlier(one_ns, other_ns):
    if one_ns is None or other_ns is None:
        return other_ns if one_ns is None else one_ns
    return min(one_ns, other_ns)


def _array_of(count):
    """Returns the head of an array of fewer than 65536 items."""
    return bytes((0x80 | count,)) if count < 24 else b"\x99" + count.to_bytes(2, "big")


def _replies(body):
    """Returns the replies in a ToolReplies. Each is decoded as if it were alone, so that it may be as deep."""
    at = len(_REPLIES)
    count = body[at] - 0x80
    at += 1
    if count >= 24:
        size = 1 << count - 24
        count, at = int.from_bytes(body[at : at + size], "big"), at + size
    replies = []
    for _ in range(count):
        reply, at = decode_item(body, at, 0)
        replies.append(reply)
    return replies
