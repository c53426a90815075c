"""The loop: one request of the host after the other.

Before: the guest kernel starts it. After: runner for programs, warm for the image build.
"""

import sys

from hypercell_guest import channel as wire
from hypercell_guest.channel import Channel
from hypercell_guest.codec import decode, encode
from hypercell_guest.runner import Runner
from hypercell_guest.streams import Streams
from hypercell_guest.tools import Tools
from hypercell_guest.warm import warm


def main():
    """Answers requests for ever; the host ends this by not coming back."""
    channel = Channel()
    streams = Streams(channel)
    runner = Runner(streams, Tools(channel, streams))
    streams.install()
    ready = encode({"python": "{}.{}.{}".format(*sys.version_info[:3]), "impl": sys.implementation.name})
    kind, body = channel.exchange(wire.READY, ready)
    while True:
        if kind == wire.RUN_REQUEST:
            kind, body = channel.exchange(wire.RUN_DONE, runner.run(decode(body)))
        elif kind == wire.WARM:
            kind, body = channel.exchange(wire.WARMED, encode({"failed": warm(decode(body)["modules"])}))
        elif kind == wire.RESET:
            runner.reset()
            kind, body = channel.exchange(wire.READY, ready)
        else:
            raise RuntimeError(f"frame of kind {kind:#06x} is not a request")
