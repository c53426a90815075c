"""Nested documents with dates and UUIDs written and read back, sorted and indented, and refusals."""
# packages: orjson
# image: text
import datetime as dt
import uuid

import orjson


def work():
    rows = [
        {"id": uuid.UUID(int=i), "at": dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc), "x": i / 7, "s": "ä\n" * 5}
        for i in range(5000)
    ]
    text = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    again = orjson.loads(text)
    refused = []
    for bad in (b"{", b"[1,]", b'"\xff"', b"1e999999"):
        try:
            refused.append(repr(orjson.loads(bad)))
        except orjson.JSONDecodeError as error:
            refused.append(str(error))
    return {"size": len(text), "last": again[-1], "sum": sum(row["x"] for row in again), "refused": refused}
