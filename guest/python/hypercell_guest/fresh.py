"""Random numbers of a run: every VM starts from the same memory, so the host's seed makes them its own.

os.urandom, and with it secrets, uuid4 and random.SystemRandom, come from the kernel, which has its own rule.

Before: `runner`, `channel`. After: the modules that keep random state, where they are loaded.
"""

import sys
from _random import Random

from hypercell_guest import private_builtins as __builtins__  # noqa: F401

SEED_BYTES = 32
#: Words of state of numpy's global generator; at this position it makes new ones first (numpy.random.MT19937).
_MT19937_WORDS = 624
_MODULES = sys.modules
_seed_generator = Random.seed
#: State that these modules make anew where it is None.
_STATE = (
    ("uuid", ("_node", "_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7")),
    ("tempfile", ("_name_sequence",)),
)


def reseed(seed):
    """Reseeds all generators that are loaded.

    Raises:
        RuntimeError: `seed` is not 32 bytes.
    """
    if type(seed) is not bytes or len(seed) != SEED_BYTES:
        raise RuntimeError(f"no fresh random numbers: the seed must be {SEED_BYTES} bytes")
    random = _MODULES.get("random")
    if random is not None:
        # As random.seed does it for an int. Its Python touches pages that few programs need.
        generator = random.seed.__self__
        _seed_generator(generator, int.from_bytes(seed, "big"))
        if generator.gauss_next is not None:
            generator.gauss_next = None
    numpy_random = _MODULES.get("numpy.random")
    if numpy_random is not None:
        # Its `seed` computes with arrays, which writes a hundred pages. The state of its generator is 624 random words.
        words = Random(int.from_bytes(b"numpy" + seed, "big")).getrandbits(32 * _MT19937_WORDS)
        key = memoryview(words.to_bytes(4 * _MT19937_WORDS, sys.byteorder)).cast("I")
        state = {"key": key, "pos": _MT19937_WORDS}
        numpy_random.set_state({"bit_generator": "MT19937", "state": state, "has_gauss": 0, "gauss": 0.0})
    for name, attributes in _STATE:
        module = _MODULES.get(name)
        state = vars(module) if module is not None else {}
        for attribute in attributes:
            # Only where needed: writing costs a page of its own in a fresh VM.
            if state.get(attribute) is not None:
                state[attribute] = None


def reseed_copy(seed):
    """Reseeds all generators of a VM that goes on from a state which others go on from too.

    OpenSSL has a generator of its own as soon as somebody used it, and nothing tells whether somebody did. Mixing the
    seed in makes one first, which takes 6 ms, too long for a run that starts from the image.

    Raises:
        RuntimeError: `seed` is not 32 bytes.
    """
    reseed(seed)
    openssl = _MODULES.get("_ssl")
    if openssl is not None:
        openssl.RAND_add(seed, SEED_BYTES)
