# datetime: arithmetic, parsing, formatting, offsets, ISO weeks; every type as a value.
from datetime import date, datetime, time, timedelta, timezone

leap = date(2024, 2, 29)
print(leap + timedelta(days=366), leap.isocalendar(), leap.strftime("%a %d %b %Y, day %j, week %V"), leap.toordinal())
moment = datetime(2024, 3, 10, 1, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-5), "EST"))
print(moment.isoformat(), moment.astimezone(timezone.utc), moment.timestamp(), moment.tzname())
print(datetime.strptime("29/02/2024 23:15 +0530", "%d/%m/%Y %H:%M %z"), datetime.fromisoformat("2024-01-02T03:04:05.678901+02:00"))
print(datetime.fromtimestamp(0, timezone.utc), datetime.min, datetime.max, date.fromisocalendar(2020, 53, 7))
span = datetime(2024, 1, 1) - datetime(2023, 1, 1, 12)
print(span, span.total_seconds(), span // timedelta(hours=7), span % timedelta(hours=7), -timedelta(microseconds=1))
messages = []
for bad in (lambda: date(2023, 2, 29), lambda: datetime.strptime("x", "%Y"), lambda: moment < datetime.now(), lambda: datetime.max + timedelta(1), lambda: time(25)):
    try:
        bad()
    except (ValueError, TypeError, OverflowError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
[leap, moment.replace(tzinfo=timezone(timedelta(hours=-5))), datetime(1, 1, 1), time(23, 59, 59, 999999), time(1, tzinfo=timezone.utc), span, timedelta(-1, 5, 7)]
