"""The loop: says Ready, then answers one request of the host after the other.

Before: `start`. After: `runner`, `warm`.
"""

import gc
import sys

from hypercell_guest import exchange, libraries
from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import (
    READY,
    RESET,
    RUN_DONE,
    RUN_REQUEST,
    WARM,
    WARMED,
    Channel,
    die,
)
from hypercell_guest.channel import open_device as default_device
from hypercell_guest.codec import decode, encode
from hypercell_guest.runner import Runner
from hypercell_guest.streams import StandardStreams
from hypercell_guest.tools import Tools
from hypercell_guest.warm import import_modules, walk

_READY = encode({"python": "{}.{}.{}".format(*sys.version_info[:3]), "impl": sys.implementation.name})


def serve(open_device=None, holes=None, kind=READY, body=_READY, seq=0):
    """Serves the host until it had modules imported.

    Args:
        open_device: Returns a descriptor that reads and writes as /dev/hypercell does; called again if it is lost.
            Opens that one unless given.
        holes: What to fill again after a reset, once modules were imported.
        kind: Kind of the first frame to send, the answer to what the host asked before.
        body: Its body.
        seq: Number of what the host asked.

    Returns:
        The same of the answer to that: Warmed, which the caller sends with another call.
    """
    channel = Channel(open_device or default_device, seq)
    streams = StandardStreams(channel)
    streams.install()
    exchange.connect(channel, streams)
    libraries.install()
    runner = Runner(Tools(channel, streams), streams)
    if kind == WARMED:
        # What is there now stays: the garbage collector need not look at it, and so write to it, ever again.
        gc.collect()
        gc.freeze()
    while True:
        kind, body = channel.exchange(kind, body)
        if kind == RUN_REQUEST:
            kind, body = RUN_DONE, runner.run(decode(body))
        elif kind == WARM:
            failed = import_modules(decode(body)["modules"])
            walk(runner_for_warming(runner))
            streams.finish()
            return WARMED, encode({"failed": failed}), channel.seq
        elif kind == RESET:
            runner.reset()
            if holes is not None:
                holes.fill()
            kind, body = READY, _READY
        else:
            die(f"frame of kind {kind:#06x} is no request")


def runner_for_warming(runner):
    """Returns a function that runs a program and leaves nothing of it."""

    def run(code):
        request = {"code": code, "name": "<code>", "inputs": {}, "tools": [["warm", ""]], "keep": False}
        body = runner.run({**request, "seed": bytes(32), "max_value": 1 << 20})
        runner.reset()
        return body

    return run
