"""The loop: says Ready, then answers one request of the host after the other.

Before: `__main__`. After: `runner`, `warm`.
"""

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
    open_device,
)
from hypercell_guest.codec import decode, encode
from hypercell_guest.runner import Runner
from hypercell_guest.streams import StandardStreams
from hypercell_guest.tools import Tools
from hypercell_guest.warm import warm

_READY = encode({"python": "{}.{}.{}".format(*sys.version_info[:3]), "impl": sys.implementation.name})


def main(open_device=open_device):
    """Serves the host for ever.

    Args:
        open_device: Returns a descriptor that reads and writes as /dev/hypercell does; called again if it is lost.
    """
    channel = Channel(open_device)
    streams = StandardStreams(channel)
    streams.install()
    exchange.connect(channel, streams)
    libraries.install()
    runner = Runner(Tools(channel, streams), streams)
    kind, body = READY, _READY
    while True:
        kind, body = channel.exchange(kind, body)
        if kind == RUN_REQUEST:
            kind, body = RUN_DONE, runner.run(decode(body))
        elif kind == WARM:
            failed = warm(decode(body)["modules"], runner_for_warming(runner))
            streams.finish()
            kind, body = WARMED, encode({"failed": failed})
        elif kind == RESET:
            runner.reset()
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
