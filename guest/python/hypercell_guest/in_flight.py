"""Tool calls that go on beside each other: `await call_tool_async("name", key=value)`.

A call that starts is only noted. When the event loop has nothing left to do and asks its selector to wait, one frame
takes all new calls to the host and waits there, until any call is done or the loop's next timer is due. So a thousand
gathered calls cost a few turns.

Before: `tools`, and the event loop. After: `channel`.
"""

from time import monotonic

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import TOOL_REPLIES, TOOL_WAIT, die
from hypercell_guest.codec import MAX_VALUE_BYTES, MAX_VALUE_ITEMS, decode_item, encode

MAX_CALLS_IN_FLIGHT = 1024
#: With what stands around each call, a frame of so many bytes of arguments is within its limit.
_ARGUMENT_BYTES = MAX_VALUE_BYTES - (256 << 10)
#: How often a loop that always has something to do looks for answers.
_LOOK_S = 0.001
_REPLIES = b"\xa1\x67replies"


class InFlight:
    """The calls of a run that have no answer yet."""

    def __init__(self, channel, streams):
        self._exchange, self._send_output = channel.exchange, streams.send
        self._number = 0
        self._awaited = {}
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
        self._number = number = self._number + 1
        entry = b"\xa4\x62id%b\x64name%b\x64args%b\x64line%b" % (encode(number), name, arguments, line)
        self._unsent[number] = entry, len(arguments), items
        if not self._awaited:
            self._next_look = monotonic() + _LOOK_S
        future = self._awaited[number] = loop.create_future()
        try:
            return await future
        finally:
            if self._awaited.get(number) is future:
                # Cancelled, by a timeout or by whoever made the task.
                del self._awaited[number]
                if self._unsent.pop(number, None) is None:
                    self._cancelled.append(number)

    def _attach(self, loop):
        """Has the selector of an event loop wait on the host, once."""
        selector = getattr(loop, "_selector", None)
        if selector is None:
            raise RuntimeError(
                f"call_tool_async does not work on an event loop of type {type(loop).__name__}"
            )
        select = selector.select
        if getattr(select, "__func__", None) is type(selector).select:
            selector.select = lambda timeout=None: self._select(select, timeout)

    def _select(self, select, timeout):
        """Waits for files, calls, or a time: `timeout` is in seconds, None is for ever."""
        if not self._awaited:
            if self._cancelled and timeout != 0:
                self._turn(0)
            return select(timeout)
        # Files of the guest do not change while the host has the turn.
        events = select(0)
        if events or (timeout is not None and timeout <= 0):
            if monotonic() < self._next_look:
                return events
            self._turn(0)
        else:
            self._turn(None if timeout is None else int(timeout * 1e9) + 1)
        self._next_look = monotonic() + _LOOK_S
        return events

    def _turn(self, timeout_ns):
        """Sends new calls and cancellations, waits, and hands out what came of calls."""
        entries = []
        while self._unsent and len(self._sent) < MAX_CALLS_IN_FLIGHT:
            number = next(iter(self._unsent))
            entry, size, items = self._unsent[number]
            has_room = self._bytes + size <= _ARGUMENT_BYTES and self._items + items <= MAX_VALUE_ITEMS
            if self._sent and not has_room:
                break  # until some of the others are done
            del self._unsent[number]
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
            if future is not None and not future.done():
                future.set_result(reply)


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
