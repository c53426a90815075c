"""Fills what is free between objects that were made long ago, so that new objects lie side by side.

An interpreter that imported a hundred modules has holes everywhere. What a run makes would go there, and a run that
makes a hundred objects would write a hundred pages, which every VM has to copy.

Before: `start`, `bootstrap`. After: /proc/self/maps.
"""

from bisect import bisect_right

from hypercell_guest import private_builtins as __builtins__  # noqa: F401

#: Objects up to this size share pools of one size each, a multiple of the alignment (CPython, Objects/obmalloc.c).
_LARGEST_SMALL_BYTES, _ALIGNMENT = 512, 16
#: Objects above this have pages of their own anyway.
_LARGEST_HOLE_BYTES = 32 << 10
#: Most that is filled at once. What is left, or all with an allocator of another kind, costs pages and nothing else.
_MAX_FILLED_BYTES = 16 << 20
_BYTES_OVERHEAD = bytes.__basicsize__


class Holes:
    """The holes in the memory that is mapped when this is made."""

    def __init__(self):
        with open("/proc/self/maps", encoding="ascii") as maps:
            ranges = sorted(tuple(int(end, 16) for end in line.split(" ", 1)[0].split("-")) for line in maps)
        self._starts, self._ends = [list(ends) for ends in zip(*ranges, strict=True)]
        self._filled = []

    def fill(self):
        """Fills them for good: small objects get memory that was not mapped, larger ones come from the heap's end."""
        left = _MAX_FILLED_BYTES
        # The largest size first takes all pools that are empty.
        for size in (_LARGEST_SMALL_BYTES, *range(_ALIGNMENT, _LARGEST_SMALL_BYTES, _ALIGNMENT)):
            new = _object_of(size)
            while self._has(id(new)) and left > 0:
                self._filled.append(new)
                left -= size
                new = _object_of(size)
        end = 0
        for size in range(_LARGEST_HOLE_BYTES, _LARGEST_SMALL_BYTES, -_ALIGNMENT):
            new = bytes(size)
            while id(new) < end and left > 0:
                self._filled.append(new)
                left -= size
                new = bytes(size)
            # No hole is as large.
            end = id(new)
            del new

    def _has(self, address):
        at = bisect_right(self._starts, address) - 1
        return at >= 0 and address < self._ends[at]


def _object_of(size):
    """Returns a new object that nothing refers to, of so many bytes."""
    if size == object.__basicsize__:
        return object()
    if size < _BYTES_OVERHEAD + 2:
        return complex(1, 1)
    return bytes(size - _BYTES_OVERHEAD)
