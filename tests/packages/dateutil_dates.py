"""Dates parsed from many forms, relative deltas, recurrence rules and time zones."""
# packages: python-dateutil
# image: text
import datetime as dt

from dateutil import easter, parser, relativedelta, rrule, tz


def work():
    texts = ["2024-02-29T12:30:00Z", "29 Feb 2024 3pm", "Thu Sep 25 10:36:28 2003", "10/11/12", "20240229T123000+0200"]
    for _ in range(100):
        parsed = [parser.parse(text, default=dt.datetime(2024, 1, 1)).isoformat() for text in texts]
    monthly = rrule.rrule(rrule.MONTHLY, byweekday=rrule.FR(-1), count=200, dtstart=dt.datetime(2024, 1, 1))
    zone = tz.gettz("Europe/Berlin")
    return {
        "parsed": parsed,
        "later": str(dt.date(2024, 1, 31) + relativedelta.relativedelta(months=+1)),
        "between": str(relativedelta.relativedelta(dt.date(2024, 2, 29), dt.date(1999, 12, 31))),
        "fridays": [str(day.date()) for day in monthly][-2:],
        "easter": str(easter.easter(2024)),
        "zone": zone is not None and str(dt.datetime(2024, 7, 1, 12, tzinfo=zone).utcoffset()),
        "offset": str(tz.tzoffset(None, 3600)),
    }
