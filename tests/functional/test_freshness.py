"""Random numbers and clocks: every run has its own, though every VM starts from the same memory."""

import time

import pytest

SOURCES = {
    "os.urandom": "import os\nos.urandom(16)",
    "getrandom": "import os\nos.getrandom(16)",
    "dev_urandom": "open('/dev/urandom', 'rb').read(16)",
    "dev_random": "open('/dev/random', 'rb').read(16)",
    "proc_boot_uuid4": "import uuid\nuuid.uuid4()",
    "random.random": "import random\nrandom.random()",
    "random.randbytes": "import random\nrandom.randbytes(16)",
    "random.Random": "import random\nrandom.Random().random()",
    "random.SystemRandom": "import random\nrandom.SystemRandom().random()",
    "secrets.token_bytes": "import secrets\nsecrets.token_bytes(16)",
    "tempfile.mktemp": "import tempfile\ntempfile.mktemp()",
    "tempfile.mkdtemp": "import tempfile\ntempfile.mkdtemp()",
    "ssl.RAND_bytes": "import ssl\nssl.RAND_bytes(16)",
    "uuid1": "import uuid\nuuid.uuid1()",
}


@pytest.mark.parametrize("name", SOURCES)
def test_random_source_differs_between_runs_of_one_sandbox(sandbox, name):
    seen = [sandbox.run(SOURCES[name]).value for _ in range(8)]
    assert None not in seen
    assert len(set(seen)) == 8


@pytest.mark.parametrize("name", SOURCES)
def test_random_source_differs_between_sandboxes(make_sandbox, name):
    seen = [make_sandbox().run(SOURCES[name]).value for _ in range(4)]
    assert len(set(seen)) == 4


@pytest.mark.parametrize("name", SOURCES)
def test_random_source_differs_between_sandboxes_that_keep_state(make_sandbox, name):
    seen = [make_sandbox(keep_state=True).run(SOURCES[name]).value for _ in range(3)]
    assert len(set(seen)) == 3


def test_random_goes_on_in_kept_state(make_sandbox):
    box = make_sandbox(keep_state=True)
    seen = [box.run("import random\nrandom.random()").value for _ in range(8)]
    assert len(set(seen)) == 8


def test_seed_set_by_the_code_holds_within_kept_state(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("import random\nrandom.seed(5)")
    import random

    expected = random.Random(5).random()
    assert box.run("random.random()").value == expected


def test_numbers_look_random(sandbox):
    data = b"".join(sandbox.run("import os\nos.urandom(4096)").value for _ in range(8))
    ones = sum(byte.bit_count() for byte in data)
    assert abs(ones - len(data) * 4) < len(data) * 0.1
    assert len(set(data)) == 256


@pytest.mark.parametrize(
    "expression", ["time.time()", "datetime.datetime.now(datetime.timezone.utc).timestamp()"]
)
def test_wall_time_is_the_hosts(sandbox, expression):
    before = time.time()
    seen = sandbox.run(f"import time, datetime\n{expression}").value
    assert before - 2 < seen < time.time() + 2


def test_wall_time_follows_the_host_between_runs(make_sandbox):
    box = make_sandbox(keep_state=True)
    first = box.run("import time\ntime.time()").value
    time.sleep(1.5)
    second = box.run("time.time()").value
    assert 1 < second - first < 3


def test_wall_time_follows_the_host_within_a_run(make_sandbox):
    box = make_sandbox(tools={"pause": lambda: time.sleep(1.5)})
    spent = box.run("import time\nbefore = time.time()\npause()\ntime.time() - before").value
    assert 1 < spent < 3


def test_monotonic_clock_goes_forward_through_tool_calls_and_runs(make_sandbox):
    box = make_sandbox(tools={"ping": lambda: None}, keep_state=True)
    code = """
import time
for _ in range(20):
    seen.append(time.monotonic())
    ping()
"""
    box.run("seen = []")
    for _ in range(3):
        box.run(code).raise_for_error()
    seen = box.run("seen").value
    assert seen == sorted(seen)
    assert len(seen) == 60


def test_monotonic_clock_counts_true_seconds(sandbox):
    code = "import time\nbefore = time.monotonic()\nwhile time.monotonic() < before + 1: pass\n1"
    before = time.monotonic()
    sandbox.run(code).raise_for_error()
    assert 0.9 < time.monotonic() - before < 1.5


def test_sleep_takes_as_long_as_asked(sandbox):
    before = time.monotonic()
    slept = sandbox.run(
        "import time\nbefore = time.monotonic()\ntime.sleep(0.5)\ntime.monotonic() - before"
    ).value
    took = time.monotonic() - before
    assert 0.5 <= slept < 0.8
    assert 0.5 <= took < 1.5
