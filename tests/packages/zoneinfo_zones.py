"""zoneinfo: times in twelve zones across the changes of the clock, with the zones of tzdata."""
# packages: tzdata
# image: text
import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ZONES = (
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tokyo",
    "America/St_Johns", "Pacific/Apia", "Asia/Tehran", "America/Sao_Paulo", "Pacific/Chatham", "UTC",
)


def work():
    begin, shown = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), []
    for name in ZONES:
        zone = ZoneInfo.no_cache(name)
        hours = [(begin + dt.timedelta(hours=6 * i)).astimezone(zone) for i in range(1464)]
        shown.append((name, hours[-1].isoformat(), len({time.utcoffset() for time in hours}), hours[700].tzname()))
    twice = [str(dt.datetime(2024, 10, 27, 2, 30, fold=f, tzinfo=ZoneInfo("Europe/Berlin")).utcoffset()) for f in (0, 1)]
    try:
        ZoneInfo("Nowhere/City")
    except ZoneInfoNotFoundError as error:
        missing = str(error)
    return {"shown": shown, "twice": twice, "missing": missing}
