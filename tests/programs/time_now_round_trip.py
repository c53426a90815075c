# The present moment: aware and naive forms agree, and survive text and timestamps.
from datetime import date, datetime, timedelta, timezone

now = datetime.now(timezone.utc)
print(datetime.fromisoformat(now.isoformat()) == now, datetime.fromtimestamp(now.timestamp(), timezone.utc) - now < timedelta(milliseconds=1))
print(now.astimezone(timezone(timedelta(hours=9))) == now, abs(datetime.now() - now.replace(tzinfo=None)) < timedelta(minutes=1))
print(date.today() - now.date() <= timedelta(days=1), now.year >= 2024)
stamps = [datetime.now(timezone.utc) for _ in range(100)]
[stamps == sorted(stamps), len(now.isoformat()) >= 25]
