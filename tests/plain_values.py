"""One value of every kind that crosses unchanged, with the awkward ones of each kind."""

import datetime as dt
import math
import uuid
from decimal import Decimal

EAST = dt.timezone(dt.timedelta(hours=5, minutes=45))
VALUES = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "int64_edges": [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -(2**64), -(2**64) - 1],
    "large_int": 3**5000,
    "large_negative_int": -(7**5000),
    "floats": [0.1, -0.0, 1e-320, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1.0, 1e22],
    "str": "plain, ünïcode, 漢字, 😀, \x00, \u2028",
    "empty_str": "",
    "bytes": bytes(range(256)),
    "empty_bytes": b"",
    "list": [1, [2, [3, []]], "x"],
    "tuple": (1, (2, ()), ["x"]),
    "dict": {"a": 1, 2: "b", (1, "x"): None, None: True, 2.5: [], b"k": {}},
    "dict_order": {"z": 1, "a": 2, "m": 3},
    "set": {1, "a", (2, 3), None},
    "frozenset": frozenset({frozenset(), 5}),
    "datetime_naive": dt.datetime(2024, 2, 29, 23, 59, 59, 999999),
    "datetime_utc": dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc),
    "datetime_offset": dt.datetime(1, 1, 2, 3, tzinfo=EAST),
    "date": dt.date(9999, 12, 31),
    "time": dt.time(1, 2, 3, 4),
    "time_offset": dt.time(1, 2, tzinfo=EAST),
    "timedelta": dt.timedelta(days=-1, seconds=5, microseconds=7),
    "decimals": [Decimal("0.10"), Decimal("-1E+400"), Decimal("Infinity"), Decimal("-0"), Decimal("NaN")],
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "nested": {"rows": [{"id": 1, "tags": {"x"}, "at": (dt.date(2024, 1, 1), Decimal("1.5"))}]},
}
