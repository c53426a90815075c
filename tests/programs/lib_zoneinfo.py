# zoneinfo: a zone built from its own data, and the error for a zone that nobody has.
import io
import struct
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_file(footer):
    """A TZif version 2 file without transitions, only a rule string."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbb", 3600, 0, 0) + b"CET\0"
    return header + body + header + body + b"\n" + footer + b"\n"


paris = ZoneInfo.from_file(io.BytesIO(zone_file(b"CET-1CEST,M3.5.0,M10.5.0/3")), key="Test/Paris")
for month in (1, 7):
    moment = datetime(2024, month, 1, 12, tzinfo=paris)
    print(moment, moment.tzname(), moment.dst(), moment.astimezone(timezone.utc))
folded = datetime(2024, 10, 27, 2, 30, tzinfo=paris)
print(folded.utcoffset(), folded.replace(fold=1).utcoffset(), paris)
try:
    ZoneInfo("Nowhere/City")
except ZoneInfoNotFoundError as error:
    print(error)
[datetime(2024, 7, 1, tzinfo=timezone.utc).astimezone(paris).isoformat()]
