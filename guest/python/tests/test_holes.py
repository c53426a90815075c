"""Memory of the interpreter after the image's modules are imported: new objects lie side by side."""

import subprocess
import sys
from pathlib import Path

import pytest

from hypercell_guest import holes

PACKAGE_FOLDER = str(Path(holes.__file__).parents[1])
SIZES = (48, 64, 200, 512)
#: Makes holes of many sizes, fills them, and says where objects made afterwards lie.
PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from hypercell_guest import holes
if {most} is not None:
    holes._MAX_FILLED_BYTES = {most}
kept = [bytes(size - 33) for size in {sizes} for _ in range(2000)]
del kept[::3]
old = holes.Holes()
old.fill()
filled = sum(map(sys.getsizeof, old._filled))
again = len(old._filled)
old.fill()
again = len(old._filled) - again
new = [[bytes(size - 33) for _ in range(8)] for size in {sizes}]
print(filled, again, sum(old._has(id(one)) for some in new for one in some))
"""


def fill(most=None):
    """Returns bytes filled, objects of a second filling, and how many new objects lie in memory that was mapped."""
    program = PROGRAM.format(folder=PACKAGE_FOLDER, most=most, sizes=SIZES)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def test_new_objects_lie_outside_of_memory_that_was_mapped():
    filled, _, inside = fill()
    assert inside == 0
    # A third of 2000 objects of each size was freed before.
    assert filled > sum(size * 2000 // 3 for size in SIZES)


def test_holes_that_are_filled_are_not_filled_again():
    _, again, _ = fill()
    assert again < 100


@pytest.mark.parametrize("most", [0, 100_000])
def test_no_more_is_filled_than_the_limit(most):
    filled, _, inside = fill(most)
    assert filled <= most + 32 * 1024
    assert inside > 0


def test_the_package_is_loaded_again_when_modules_were_imported(guest):
    code = "import sys\n[id(sys.modules['hypercell_guest.runner']), sorted(m for m in sys.modules if 'hypercell' in m)]"
    first, names = guest.value(code)
    guest.ask("Warm", {"modules": ["json"]}, "Warmed")
    second, names_again = guest.value(code)
    assert first != second
    assert set(names_again) <= set(names)
    done = guest.run("print(tell(word='a'))\nimport sys\nsys.stdin.read()", {"tell": lambda word: word * 2})
    assert (done, done.out) == ({"value": ""}, "aa\n")


def test_reset_after_modules_were_imported_leaves_a_guest_that_runs(guest):
    guest.ask("Warm", {"modules": []}, "Warmed")
    guest.value("x = 5\nx", keep=True)
    guest.ask("Reset", {}, "Ready")
    assert guest.error("x")[0] == "NameError"
