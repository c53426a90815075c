"""The codec alone, with the interpreter that runs the tests: no VM, no device."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import socket
import subprocess
import sys
import types
import uuid
from collections import Counter, OrderedDict, defaultdict, namedtuple
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypercell_guest.codec import ValueNotSendableError, decode, encode

Point = namedtuple("Point", "x y")


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Name(str, enum.Enum):
    A = "a"


@dataclasses.dataclass(frozen=True)
class Row:
    id: int
    tags: list


def test_bytes_are_those_of_the_format():
    vectors = [
        (None, "f6"),
        (True, "f5"),
        (False, "f4"),
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (65536, "1a00010000"),
        (2**32, "1b0000000100000000"),
        (2**64 - 1, "1bffffffffffffffff"),
        (2**64, "c249010000000000000000"),
        (-1, "20"),
        (-24, "37"),
        (-25, "3818"),
        (-(2**64), "3bffffffffffffffff"),
        (-(2**64) - 1, "c349010000000000000000"),
        (1.5, "fb3ff8000000000000"),
        (math.inf, "fb7ff0000000000000"),
        ("", "60"),
        ("\u00fc", "62c3bc"),
        ("x" * 24, "7818" + "78" * 24),
        (b"\x01\x02", "420102"),
        ([1, [2]], "82018102"),
        ({"a": 1, 2: b""}, "a26161010240"),
        ((1,), "d9bb808101"),
        ({7}, "d901028107"),
        (frozenset([7]), "d9bb848107"),
        (uuid.UUID(int=1), "d82550" + "00" * 15 + "01"),
        (dt.date(2024, 2, 29), "d903ec6a" + b"2024-02-29".hex()),
        (dt.time(1, 2), "d9bb8168" + b"01:02:00".hex()),
        (dt.timedelta(days=-1, microseconds=5), "d9bb8283200005"),
        (decimal.Decimal("1.50"), "d9bb8364" + b"1.50".hex()),
        (dt.datetime(2024, 1, 2, 3, 4, 5), "d9bb8573" + b"2024-01-02T03:04:05".hex()),
    ]
    for value, wanted in vectors:
        assert encode(value).hex() == wanted, value
        back = decode(bytes.fromhex(wanted))
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        10**1000,
        -(10**1000),
        -0.0,
        "\U0001f600 \u0000",
        "x" * 70000,
        b"x" * 70000,
        [[], {}, (), set(), frozenset()],
        {
            None: 1,
            True: 2,
            2.5: 3,
            "s": 4,
            b"b": 5,
            (1, ("t",)): 6,
            frozenset([1]): 7,
            dt.date(2024, 1, 1): 8,
        },
        {(1, 2), "x", uuid.UUID(int=2**128 - 1), decimal.Decimal("-Infinity")},
        dt.datetime(2024, 1, 2, 3, 4, 5, 678, dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
        dt.time(23, 59, 59, 999999, dt.timezone.utc),
        dt.timedelta.min,
        dt.timedelta.max,
        dt.datetime.min,
        dt.date.max,
        decimal.Decimal("1E+1000"),
        list(range(300)),
        {str(n): n for n in range(300)},
    ],
)
def test_values_come_back_as_they_were(value):
    back = decode(encode(value))
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset))


def test_floats_of_all_widths_are_read():
    assert decode(bytes.fromhex("f93e00")) == 1.5
    assert decode(bytes.fromhex("fa3fc00000")) == 1.5
    assert math.isnan(decode(encode(math.nan)))
    assert math.isnan(decode(encode(decimal.Decimal("NaN"))))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[::2], b"ac"),
        (Level.HIGH, 3),
        (Name.A, "a"),
        (Point(1, [2]), (1, [2])),
        (Row(1, ["a"]), {"id": 1, "tags": ["a"]}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        ({Level.HIGH: Level.HIGH, Point(Name.A, 1): 2}, {3: 3, ("a", 1): 2}),
        ({Level.HIGH, Name.A}, {3, "a"}),
    ],
)
def test_other_types_are_sent_as_plain_values(value, plain):
    back = decode(encode(value))
    assert back == plain
    assert type(back) is type(plain)


def test_subclasses_are_sent_as_their_base_whatever_they_define():
    def broken(*_args):
        raise AssertionError("called")

    for base, value in [
        (int, 5),
        (str, "s"),
        (float, 2.5),
        (bytes, b"b"),
        (list, [1]),
        (tuple, (1,)),
        (set, {1}),
    ]:
        methods = dict.fromkeys(
            ("__iter__", "__len__", "__str__", "__int__", "__bytes__", "__eq__", "copy"), broken
        )
        kind = type("Odd", (base,), {**methods, "__hash__": base.__hash__})
        back = decode(encode([kind(value)]))
        assert back == [value]
        assert type(back[0]) is base


def test_the_order_of_an_ordered_dict_is_kept():
    value = OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert list(decode(encode(value))) == ["b", "a"]


def test_a_named_zone_becomes_its_offset():
    class Zone(dt.tzinfo):
        def utcoffset(self, _when):
            return dt.timedelta(hours=2)

        def dst(self, _when):
            return None

    back = decode(encode(dt.datetime(2024, 7, 1, tzinfo=Zone())))
    assert back == dt.datetime(2024, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert type(back.tzinfo) is dt.timezone


def test_a_datetime_of_a_subclass_is_sent_as_a_datetime():
    class Moment(dt.datetime):
        def isoformat(self, *_args):
            return "now"

    back = decode(encode(Moment(2024, 1, 2)))
    assert type(back) is dt.datetime
    assert back == dt.datetime(2024, 1, 2)


def test_models_are_sent_as_dicts():
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        row: Row
        at: dt.date
        level: Level

    value = Model(row=Row(1, ["a"]), at=dt.date(2024, 1, 1), level=3)
    assert decode(encode([value])) == [
        {"row": {"id": 1, "tags": ["a"]}, "at": dt.date(2024, 1, 1), "level": 3}
    ]
    assert decode(encode(pydantic.RootModel[Level](3))) == 3


def test_numpy_values_are_sent_as_plain_values():
    numpy = pytest.importorskip("numpy")
    value = [
        numpy.int8(1),
        numpy.float64(1.5),
        numpy.bool_(True),
        numpy.str_("s"),
        numpy.bytes_(b"b"),
        numpy.float32(2),
    ]
    back = decode(encode(value))
    assert back == [1, 1.5, True, "s", b"b", 2.0]
    assert [type(item) for item in back] == [int, float, bool, str, bytes, float]
    assert decode(encode(numpy.arange(4).reshape(2, 2))) == [[0, 1], [2, 3]]
    assert decode(encode({numpy.int64(1): numpy.datetime64("2024-01-01")})) == {1: dt.date(2024, 1, 1)}
    for unsendable in (numpy.longdouble(1), numpy.complex128(1)):
        with pytest.raises(ValueNotSendableError):
            encode(unsendable)
    with pytest.raises(ValueNotSendableError, match="more than 1000000 items"):
        encode(numpy.broadcast_to(numpy.int8(0), (10**12,)))


def deep(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def cycle():
    value = {}
    value["self"] = [value]
    return value


def test_errors_name_the_place():
    with socket.socket() as sock:
        cases = [
            (sock, "result: cannot send a socket"),
            ({"rows": [1, 2, 3, sock]}, 'result["rows"][3]: cannot send a socket'),
            (
                {"a": {1: (None, Color.RED)}},
                'result["a"][1][1]: cannot send a Color: send its value or its name',
            ),
            ({'"': {"it's": {True: object()}}}, """result['"']["it's"][True]: cannot send an object"""),
            ([{(1, sock): 1}], "result[0], key <tuple>: cannot send a socket"),
            ({sock: 1}, "result, key <socket>: cannot send a socket"),
            ([{1}, {sock}], "result[1], element <socket>: cannot send a socket"),
            ({frozenset([Row(1, 2)])}, None),
            (["\ud800"], r"result[0]: cannot send a str with a lone surrogate ('\ud800' at 0)"),
            ({"a\udfff": 1}, None),
            ({"k" * 100: sock}, 'result["' + "k" * 40 + '..."]: cannot send a socket'),
            ([Row(1, [sock])], 'result[0]["tags"][0]: cannot send a socket'),
            ([int], "result[0]: cannot send a type"),
            ([len], "result[0]: cannot send a builtin_function_or_method"),
            ([2j], "result[0]: cannot send a complex"),
            ([256**65536], "result[0]: cannot send an int of 65537 bytes (limit: 65536)"),
            ([types.SimpleNamespace()], "result[0]: cannot send a SimpleNamespace"),
        ]
        for value, message in cases:
            with pytest.raises(ValueNotSendableError) as caught:
                encode(value)
            assert message is None or str(caught.value) == message
            assert caught.value.__cause__ is None
        with pytest.raises(ValueNotSendableError, match=r"^search\(\)\[0\]: "):
            encode([sock], "search()")
    assert issubclass(ValueNotSendableError, TypeError)


def test_keys_must_stay_distinct_and_hashable():
    class Same(str):
        def __eq__(self, other):
            return self is other

        __hash__ = object.__hash__

    with pytest.raises(ValueNotSendableError, match="the same once they are sent"):
        encode({Same("a"): 1, Same("a"): 2})
    with pytest.raises(ValueNotSendableError, match="the same once they are sent"):
        encode({Same("a"), "a"})

    class Odd(list):
        __hash__ = object.__hash__

    with pytest.raises(ValueNotSendableError, match="as a key or element: it is sent as a list"):
        encode({(Odd(),): 1})


def test_what_objects_raise_is_an_error_at_their_place():
    class Zone(dt.tzinfo):
        def utcoffset(self, _when):
            raise LookupError("no zone")

    class Meta(type):
        def __getattr__(cls, name):
            raise ZeroDivisionError(name)

    class Strange(metaclass=Meta):
        pass

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    class Odd(dict):
        def __iter__(self):
            return iter([1])

        def keys(self):
            raise MuteError

    empty = Row.__new__(Row)
    number = uuid.UUID(int=0)
    object.__setattr__(number, "int", 2**200)
    for value, message in [
        (dt.datetime(2024, 1, 1, tzinfo=Zone()), "a datetime: LookupError: no zone"),
        (Strange(), "a Strange: ZeroDivisionError"),
        (Odd(a=1), "an Odd: MuteError"),
        (empty, "a Row: AttributeError"),
        (number, "a UUID: OverflowError"),
    ]:
        with pytest.raises(ValueNotSendableError, match=r"^result\[0\]: cannot send " + message):
            encode([value])


def test_depth_is_limited():
    assert decode(encode(deep(64))) == deep(64)
    with pytest.raises(ValueNotSendableError, match=r"^result\[0\].*\.\.\.: nested deeper than 64 levels$"):
        encode(deep(65))
    with pytest.raises(
        ValueNotSendableError, match=r'^result\["self"\]\[0\]\["self"\].*nested deeper than 64 levels'
    ):
        encode(cycle())
    key = 1
    for _ in range(70):
        key = (key,)
    with pytest.raises(ValueNotSendableError, match="nested deeper"):
        encode({key: 1})
    assert decode(b"\x81" * 65 + b"\x00") == deep(65)  # a value of 64 levels in the body of a frame
    with pytest.raises(ValueError, match="nested deeper"):
        decode(b"\x81" * 5000 + b"\x00")


def test_items_are_limited():
    assert len(encode([0] * 999_999)) == 5 + 999_999
    for value in ([0] * 1_000_000, dict.fromkeys(range(500_000))):
        with pytest.raises(ValueNotSendableError, match=r"^result: more than 1000000 items$"):
            encode([value])
    bomb = 0
    for _ in range(60):
        bomb = [bomb] * 10
    with pytest.raises(ValueNotSendableError, match=r"^result: more than 1000000 items$"):
        encode(bomb)


def test_bytes_are_limited():
    assert len(encode("x" * 97, max_bytes=99)) == 99
    for value in ("x" * 98, b"x" * 98, [b"x" * 90] * 100_000, [1.0] * 12, "x" * 100_000_000):
        with pytest.raises(ValueNotSendableError, match=r"^result: more than 99 bytes$"):
            encode(value, max_bytes=99)
    with pytest.raises(ValueNotSendableError, match=r"^result: more than 16777216 bytes$"):
        encode(["x" * 1_000_000] * 900_000)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "18",
        "1900",
        "1a000000",
        "1b00",
        "61",
        "6261",
        "41",
        "7bffffffffffffffff",
        "81",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "a1",
        "a161",
        "a16161",
        "a26161016161",  # cut, then twice the same key
        "a2616101616102",
        "a18001",  # a list as a key
        "d9010282" + "0101",
        "d901028180",
        "9fff",
        "5fff",
        "1c",
        "1f",
        "f7",
        "e0",
        "f814",
        "f90000" + "00",
        "fb00",
        "ff",
        "0000",
        "61ff",
        "62eda0",
        "63eda080",
        "c0" + "6161",
        "c26161",
        "c2c24101",
        "d82541" + "00",
        "d8256161",
        "d903ec" + "6161",
        "d9bb8161" + "61",
        "d9bb828100",
        "d9bb8283" + "000000"[:4],
        "d9bb8283" + "f50000",
        "d9bb8283" + "fb3ff0000000000000" + "0000",
        "d9bb82831b7fffffffffffffff0000",
        "d9bb8361" + "61",
        "d9bb8561" + "61",
        "d9bb80",
        "d9bb8001",
        "c25a00010001" + "01" * 65537,
    ],
)
def test_bad_data_is_a_value_error(data):
    with pytest.raises(ValueError):  # noqa: PT011
        decode(bytes.fromhex(data))


def test_every_cut_of_a_value_is_a_value_error():
    data = encode(
        {"a": [1, 300, 2.5, "text", b"bytes", (None, {1}), dt.timedelta(1)], (1, 2): 2**70, "long" * 10: 1}
    )
    for end in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011
            decode(data[:end])
    assert decode(b"header" + data, 6) == decode(bytearray(data)) == decode(memoryview(data))


def test_the_program_may_break_builtins():
    program = (
        "import builtins, datetime, sys; sys.path.insert(0, sys.argv[1])\n"
        "from hypercell_guest.codec import decode, encode\n"
        "value = [{'a': (1, 2**70), 2.5: {None}}, datetime.date(2024, 1, 1), bytearray(b'b')]\n"
        "show = print\n"
        "vars(builtins).clear()\n"
        "show(decode(encode(value)))\n"
    )
    assert run_alone(program).startswith(
        "[{'a': (1, 1180591620717411303424), 2.5: {None}}, datetime.date(2024, 1, 1)"
    )


def test_nothing_is_imported_for_plain_values():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from hypercell_guest.codec import decode, encode\n"
        "assert decode(encode({'a': [1, 2.5]})) == {'a': [1, 2.5]}\n"
        "assert not {'datetime', 'decimal', 'uuid', 'dataclasses'} & set(sys.modules), 'imported'\n"
        "print(decode(bytes.fromhex('d9bb8364') + b'1.50'))"
    )
    assert run_alone(program) == "1.50\n"


def run_alone(program):
    folder = str(Path(__file__).parents[1])
    run = [sys.executable, "-S", "-c", program, folder]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout
