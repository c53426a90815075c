# The zone is UTC unless the program sets another one, and offsets do what they say.
import os
import time
from datetime import datetime, timedelta, timezone

print(time.timezone, time.daylight, time.tzname, time.localtime().tm_gmtoff)
here = datetime.now().astimezone()
print(here.utcoffset(), here.tzname())
east = timezone(timedelta(hours=5, minutes=45))
print(datetime(2024, 1, 1, tzinfo=timezone.utc).astimezone(east), repr(east), east)
os.environ["TZ"] = "XYZ-3:30"
time.tzset()
print(time.timezone, time.tzname[0], datetime.fromtimestamp(0).isoformat(), time.strftime("%z %Z", time.localtime(0)))
os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
time.tzset()
print([time.localtime(t).tm_isdst for t in (1_704_067_200, 1_720_000_000)], datetime(2024, 7, 1).astimezone().utcoffset())
os.environ["TZ"] = "UTC"
time.tzset()
[time.timezone, timezone.utc.utcoffset(None)]
