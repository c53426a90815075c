"""Tools to attack hypercell: hostile guests, strategies that make what crosses its boundaries, and its decoders in C.

Needs `pip install hypercell[testing]`. This module is for people who test hypercell or check its claims. It is not
stable: any release may change it.

Example:
    codec = Codec("target/debug/libhypercell_capi.so", "crates/capi/include/hypercell.h")

    @given(frames())
    def test_frame_gets_an_answer(frame):
        codec.check("guest_frame", frame)

    guest = RawGuest(play=lambda turn: turn_of(b"no frame at all"))
    with guest.sandbox() as box, pytest.raises(hypercell.ProtocolError):
        guest.attack(box)

Guarantees that a check raises for no bytes, except `CodecPanicError` for a defect of hypercell. Only `RawGuest` starts
VMs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native
from ._raw_guest import RawGuest, frame_of, turn_number, turn_of

try:
    import cffi
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(f"hypercell.testing needs {error.name}: pip install hypercell[testing]") from error

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "Codec",
    "CodecPanicError",
    "RawGuest",
    "frame_of",
    "frames",
    "guest_paths",
    "mutations",
    "turn_number",
    "turn_of",
    "turns",
    "urls",
    "values",
]

# Codes of frames that a guest sends: docs/abi.md.
_GUEST_KINDS = (*range(0x101, 0x108), *range(0x120, 0x124), *range(0x181, 0x185), 0x190)
# Some keys that messages have, so that bodies get past the first check.
_KEYS = (
    "id",
    "name",
    "args",
    "value",
    "error",
    "fd",
    "data",
    "ns",
    "op",
    "path",
    "url",
    "method",
    "reason",
    "report",
)
_ERROR_BYTES = 512
_OK, _REFUSED = 0, 1


def values(*, max_leaves: int = 20) -> SearchStrategy[Any]:
    """Values of every type that crosses, nested.

    Args:
        max_leaves: About how many of them one value holds.
    """
    zones = st.none() | st.timedeltas(
        min_value=dt.timedelta(hours=-23, minutes=-59), max_value=dt.timedelta(hours=23, minutes=59)
    ).map(lambda delta: dt.timezone(dt.timedelta(minutes=delta // dt.timedelta(minutes=1))))
    hashable: SearchStrategy[Any] = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=-(1 << 200), max_value=1 << 200),
        st.floats(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(),
        st.decimals(allow_nan=False),
        st.dates(),
        st.times(timezones=zones),
        st.datetimes(timezones=zones),
        st.timedeltas(),
        st.uuids(),
    )
    few = st.lists(hashable, max_size=3)
    keys: SearchStrategy[Any] = hashable | few.map(tuple) | st.frozensets(hashable, max_size=3)
    return st.recursive(
        keys,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.lists(inner, max_size=5).map(tuple),
            st.dictionaries(keys, inner, max_size=5),
            st.sets(keys, max_size=5),
        ),
        max_leaves=max_leaves,
    )


@st.composite
def mutations(draw: DrawFn, base: SearchStrategy[bytes]) -> bytes:
    """Bytes of `base` with up to eight bytes changed, put in or taken out, or with their end cut off."""
    data = bytearray(draw(base))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(("change", "insert", "remove", "cut")))
        if how == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=9))
        elif how == "remove":
            del data[at : at + 1]
        elif how == "cut":
            del data[at:]
    return bytes(data)


def frames(*, seq: int = 0) -> SearchStrategy[bytes]:
    """Frames as a hostile guest may send them: an honest header before a right body, another map, or any bytes.

    Args:
        seq: Number of the host frame that they answer.
    """
    keys = st.sampled_from(_KEYS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    maps = st.dictionaries(keys, values(max_leaves=3), max_size=5).map(_native.encode_value)
    bodies = maps | mutations(values(max_leaves=5).map(_native.encode_value)) | st.binary(max_size=64)
    kinds = st.sampled_from(_GUEST_KINDS) | st.integers(0, 0xFFFF)

    def frame(kind: int, body: bytes) -> bytes:
        return frame_of(kind, body, seq=seq)

    number, text = st.integers(0, 0xFFFFFFFF), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    call = st.fixed_dictionaries(
        {
            "id": number,
            "name": text,
            "args": st.dictionaries(text, values(max_leaves=3)),
            "line": st.none() | number,
        }
    )
    right: st.SearchStrategy[Any] = st.one_of(
        st.tuples(st.just(0x101), st.fixed_dictionaries({"python": text, "impl": text})),
        st.tuples(st.just(0x102), st.fixed_dictionaries({"fd": st.integers(1, 2), "data": st.binary()})),
        st.tuples(st.just(0x103), call),
        st.tuples(st.just(0x107), st.just({})),
        st.tuples(st.just(0x181), st.fixed_dictionaries({"ns": number})),
    )
    return st.builds(frame, kinds, bodies) | right.map(
        lambda one: frame(one[0], _native.encode_value(one[1]))
    )


def turns(*, seq: int = 0) -> SearchStrategy[bytes]:
    """Turns as a hostile guest may send them: an exit header with any counters before one of `frames`.

    Args:
        seq: Number of the host frame that they answer.
    """
    numbers = st.lists(st.integers(0, 0xFFFFFFFF), min_size=4, max_size=4)

    def turn(frame: bytes, unsupported: int, counters: list[int], table: bytes) -> bytes:
        return turn_of(frame, counters=counters, unsupported=unsupported, table=table)

    return st.builds(turn, frames(seq=seq), st.integers(0, 13), numbers, st.binary(min_size=48, max_size=48))


def guest_paths() -> SearchStrategy[bytes]:
    """Paths for mounts in the guest, good ones and tricks: dots, empty names, reserved directories, zero bytes."""
    names = st.sampled_from(
        (b"data", b"", b".", b"..", b"...", b"proc", b"tmp", b"output", b"a\0b", b"x" * 255, b"\xff")
    )
    joined = st.lists(names | st.binary(max_size=12), max_size=8).map(b"/".join)
    return joined | joined.map(lambda path: b"/" + path)


@st.composite
def urls(draw: DrawFn) -> str:
    """URLs that a guest may ask for, good ones and tricks: users, encoded dots, other spellings of hosts."""
    scheme = draw(
        st.sampled_from(("https://", "https://", "http://", "HTTPS://", "ftp://", "https:/", "//", ""))
    )
    user = draw(st.sampled_from(("", "", "", "user@", "user:password@", "example.org@", "\\@")))
    labels = (
        "example",
        "org",
        "evil",
        "xn--bcher-kva",
        "bücher",
        "%65xample",
        "EXAMPLE",
        "127.1",
        "0x7f000001",
        "[::1]",
        "",
    )
    odd_host = st.lists(st.sampled_from(labels), max_size=4).map(".".join)
    host = draw(st.just("example.org") | odd_host)
    port = draw(st.sampled_from(("", "", "", ":443", ":80", ":0", ":65536", ":", ":+443")))
    names = ("a", "prefix", "..", ".", "%2e%2e", "%2f", "%252e%252e", "..;", "%5c", "\\", "\uff0e\uff0e", "")
    start = draw(st.sampled_from(("prefix/", "prefix", "")))
    path = start + "/".join(draw(st.lists(st.sampled_from(names) | st.text(max_size=3), max_size=5)))
    return f"{scheme}{user}{host}{port}/{path}"


class CodecPanicError(Exception):
    """A check panicked, which is a defect of hypercell. Its text is the panic's."""


class Codec:
    """The C interface, loaded from a library that `cargo build -p hypercell-capi` made.

    Args:
        path: The library.
        header: `hypercell.h` of the same build, which says what the library has.

    Raises:
        OSError: One of the two cannot be read.
    """

    def __init__(self, path: str | Path, header: str | Path) -> None:
        lines = Path(header).read_text(encoding="utf-8").splitlines()
        self._ffi = cffi.FFI()
        declared = [line for line in lines if line.endswith(");")]
        self._ffi.cdef("\n".join(declared))
        self._functions: dict[str, Any] = {}
        self._library = self._ffi.dlopen(str(path))
        for line in declared:
            name = line.split("(")[0].split(" ")[-1]
            self._functions[name] = getattr(self._library, name)

    @property
    def abi_version(self) -> int:
        """Version of the wire that the library speaks."""
        return int(self._functions["hypercell_abi_version"]())

    @property
    def checks(self) -> Sequence[str]:
        """Names that `check` knows."""
        names = (name for name in self._functions if name.endswith("_check"))
        return [name.removeprefix("hypercell_").removesuffix("_check") for name in names]

    def check(self, name: str, *arguments: bytes | int) -> str | None:
        """Asks one check.

        Args:
            name: One of `checks`, such as "guest_frame" for `hypercell_guest_frame_check`.
            arguments: The inputs of that function, in order; lengths are added.

        Returns:
            None if the bytes pass, else why not.

        Raises:
            CodecPanicError: The check panicked.
            KeyError: There is no such check.
        """
        given: list[Any] = []
        for argument in arguments:
            given += (
                [argument] if isinstance(argument, int) else [self._ffi.from_buffer(argument), len(argument)]
            )
        error = self._ffi.new("char[]", _ERROR_BYTES)
        code = self._functions[f"hypercell_{name}_check"](*given, error, _ERROR_BYTES)
        text = self._ffi.string(error).decode()
        if code == _OK:
            return None
        if code == _REFUSED:
            return str(text)
        raise CodecPanicError(text)
