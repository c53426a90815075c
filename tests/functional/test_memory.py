"""Memory of gibibytes."""

import pytest

import hypercell
from hypercell import Image, Limits


@pytest.mark.slow
def test_snapshot_of_more_than_a_gibibyte_goes_on(make_sandbox):
    memory_bytes = 2 << 30
    image = Image.from_environment(memory_bytes=memory_bytes)
    limits = Limits(memory_bytes=memory_bytes, wall_time_s=120)
    box = make_sandbox(image=image, limits=limits, keep_state=True, prepared=0)
    box.run("data = [bytearray(b'x') * (64 << 20) for _ in range(20)]")
    with hypercell.Sandbox.from_snapshot(box.snapshot(), limits=limits) as copy:
        check = "for one in data: one[::1 << 20] = bytes(64)\n[sum(map(one.count, b'x')) for one in data]"
        assert copy.run(check).value == [(64 << 20) - 64] * 20
